"""Verbs about runs: run, runs, retract, export, prune."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import typer
from pyoxigraph import NamedNode

from enrich.answering import run as pipeline
from enrich.answering.observer import Observer
from enrich.cli.asked import asked_for, minute
from enrich.cli.common import (
    Bars,
    Json,
    ModelFolder,
    ask,
    model_folder,
    open_workspace,
    records_named,
    say,
    warn_of_example,
    write_json,
    write_table,
)
from enrich.cli.options import DryRun, Iris, Limit, Properties, RecordsFile, Yes
from enrich.errors import InputError, RunError
from enrich.runs import prune as pruning
from enrich.runs.expectation import Expectation, from_text
from enrich.runs.export.answers import Choice, PlainReport
from enrich.runs.export.plain import FORMATS, export_plain
from enrich.runs.export.run_file import export_run, form_of
from enrich.runs.export.run_graphs import ExportReport
from enrich.runs.finding import find, list_runs, short_id
from enrich.runs.part import Part, part_of
from enrich.runs.part import take_back as take_back_part
from enrich.runs.register import retract as take_back
from enrich.runs.request import Request
from enrich.settings.models import MOST_DAYS

EXAMPLES = {
    "run": "enrich run --model model\nenrich run --model model --property place --limit 100 --json",
    "runs": "enrich runs --json",
    "retract": "enrich retract 3fa9c1\nenrich retract 3fa9c1 --property place --below 0.8 --dry-run",
    "export": "enrich export predictions.csv --above 0.9\nenrich export places.nt.gz --accepted --property place\n"
    "enrich export run.trig --run 3fa9c1\nenrich export predictions.ttl --run 3fa9c1 --as silknow",
    "prune": "enrich prune --dry-run\nenrich prune --older-than 30 --yes",
}


class RunMessages(Observer):
    """Says on stderr what a person should know of a run while it goes on."""

    def log(self, level: str, event: str, **fields: object) -> None:
        """One line for a warning or an error."""
        if level != "info":
            say(f"{event}: {', '.join(f'{name} {value}' for name, value in fields.items())}")


def run(
    model: ModelFolder = None,
    properties: Properties = None,
    records: RecordsFile = None,
    limit: Limit = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Answer the open gaps, all visible at once at the end.

    With --dry-run they are counted, by property, and nothing is answered: `enrich gaps --model` says what to expect.
    At its end a run drops old answers as `enrich prune` does, without asking; run.keep_days says how old.
    Exit code 6 when every answer failed."""
    with open_workspace() as workspace, Bars("answering") as bars:
        named = records_named(workspace, records)
        chosen = None if named is None else [record.value for record in named]
        folder = model_folder(workspace, model)
        if dry_run:
            _show_open(pipeline.preview(workspace, folder, tuple(properties or ()), chosen, limit), as_json)
            return
        try:
            summary = pipeline.run(
                workspace,
                folder,
                properties=tuple(properties or ()),
                records=chosen,
                limit=limit,
                progress=bars,
                observer=RunMessages(),
            )
        except KeyboardInterrupt:
            say(
                "what is answered is kept, unseen: the same command goes on; enrich runs, then enrich retract RUN, drops it"
            )
            raise
        if summary.run is not None:
            warn_of_example(workspace.settings)
        else:
            workspace.reader.expect_records(something=True)
    if as_json:
        fields = ("run", "records", "predicted", "abstained", "failed", "seconds")
        pictures = summary.pictures and asdict(summary.pictures)
        told = {name: getattr(summary, name) for name in fields}
        pruned = summary.pruned and summary.pruned.to_json()
        write_json(told | {"pictures": pictures, "regimes": _regimes(summary.expected), "pruned": pruned})
    else:
        _show_summary(summary)
    if summary.failed and not summary.predicted + summary.abstained:
        say("every answer failed, see: enrich query abstentions")
        raise typer.Exit(RunError.exit_code)


def _show_summary(summary: pipeline.RunSummary) -> None:
    """What a run did, what is expected of it, and what to do next."""
    rows = [(summary.records, summary.predicted, summary.abstained, summary.failed, f"{summary.seconds:.1f}")]
    write_table(("records", "predicted", "abstained", "failed", "seconds"), rows, numbers=(0, 1, 2, 3, 4))
    _show_expected(summary.expected)
    if summary.pictures is not None:
        say(f"pictures: {summary.pictures.text}")
    if summary.run is None:
        say("no gap is open to this model: nothing was written")
    else:
        say(f"run {summary.run}; see: enrich query predictions")
    if summary.pruned is not None:
        say(f"dropped for good: {summary.pruned.text} (run.keep_days)")


def _show_open(found: pipeline.Preview, as_json: bool) -> None:
    """What a run would be asked."""
    if as_json:
        write_json({**asdict(found), "dry_run": True})
        return
    write_table(("property", "gaps"), found.gaps.items(), numbers=(1,))
    say(
        f"would answer {sum(found.gaps.values()):,} gaps of {found.records:,} records, or abstain: nothing was written"
    )


def _show_expected(expected: Mapping[str, Expectation]) -> None:
    """How many values were asserted in each regime, and how many of them are expected to be right."""
    if expected:
        rows = [(regime, e.abstained, e.answered, expected_right(e)) for regime, e in expected.items()]
        write_table(("regime", "abstained", "values", "expected right"), rows, numbers=(1, 2, 3))


def expected_right(e: Expectation) -> str:
    """`912 (904 to 920)`, and how many values were asserted without a promise."""
    promised = f"{e.expected:,.0f} ({e.low:,.0f} to {e.high:,.0f})" if e.answered > e.unpromised else "–"
    return promised + (f", {e.unpromised:,} without a promise" if e.unpromised else "")


def runs(iris: Iris = False, as_json: Json = False) -> None:
    """List the runs of the register, retracted ones too: who asked for what, and what came of it."""
    with open_workspace(reading=True) as workspace:
        found = list_runs(workspace)
        asked = asked_for(workspace, [(Request.parse(r.request), r.actor) for r in found], iris=iris)
    if as_json:
        write_json({"runs": [{**asdict(r), "expected": _regimes(from_text(r.expected))} for r in found]})
        return
    names = {r.run: r.run if iris else short_id(r.run) for r in found}
    rows = [
        (names[r.run], r.state.lower(), minute(r.started), *who, r.predicted, r.abstained, r.failed)
        for r, who in zip(found, asked, strict=True)
    ]
    heads = ("run", "state", "started", "asked for", "on behalf of", "predicted", "abstained", "failed")
    write_table(heads, rows, numbers=(5, 6, 7), spare=(4, 2, 7))
    expected = [
        (names[r.run], regime, e.abstained, e.answered, expected_right(e))
        for r in found
        for regime, e in from_text(r.expected).items()
    ]
    if expected:
        write_table(("run", "regime", "abstained", "values", "expected right"), expected, numbers=(2, 3, 4))


def _regimes(found: Mapping[str, Expectation]) -> dict[str, Any]:
    return {regime: asdict(e) for regime, e in found.items()}


def retract(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A run's id, its beginning as enrich runs shows it, or its IRI."),
    ],
    keep: Annotated[bool, typer.Option("--keep", help="Only hide the run; keep its graphs.")] = False,
    name: Annotated[
        str | None, typer.Option("--property", metavar="P", help="Only values of this property.")
    ] = None,
    below: Annotated[
        float | None,
        typer.Option("--below", metavar="P", min=0, max=1, help="Only values that are less sure."),
    ] = None,
    above: Annotated[
        float | None,
        typer.Option("--above", metavar="P", min=0, max=1, help="Only values that are at least so sure."),
    ] = None,
    museum: Annotated[
        str | None, typer.Option("--museum", metavar="IRI", help="Only values of this museum's records.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Take a run back, or a part of it: earlier answers show again.

    The run is hidden at once; then its graphs are dropped, unless told to keep them. Of a part the values that are
    asserted go, and the rest stands. Asks before that."""
    part = Part(name, below, above, museum)
    if part != Part():
        if keep:
            raise InputError("--keep goes with a whole run: a part that is taken back is dropped")
        _retract_part(run, part, dry_run=dry_run, yes=yes, as_json=as_json)
        return
    with open_workspace() as workspace:
        found = find(workspace, run)
        what = f"{found.run}, {found.state.lower()}: {found.predicted or 0:,} gaps predicted, {found.abstained or 0:,} abstained"
        dropped = 0
        if not dry_run:
            ask(f"take back {what}; its answers go for good?", keep or yes)
            with Bars("taking back"):
                dropped = take_back(workspace, found.run, purge=not keep)
    if as_json:
        state = found.state if dry_run else "Retracted"
        write_json({"run": found.run, "state": state, "dropped": dropped, "dry_run": dry_run})
    elif dry_run:
        say(f"would be taken back: {what}")
    else:
        say(f"retracted {found.run}; {dropped:,} graphs dropped")


def _retract_part(run: str, part: Part, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Take back the values in a part of a run."""
    with open_workspace() as workspace:
        found = part_of(workspace, NamedNode(find(workspace, run).run), part)
        values = taken = found.by_property.total()
        if not dry_run and values:
            ask(f"take back {values:,} values of {found.run.value}, {part.words()}, for good?", yes)
            with Bars("taking back") as bars:
                taken = take_back_part(workspace, found, progress=bars)
    if as_json:
        write_json({**found.to_json(), "taken_back": 0 if dry_run else taken, "dry_run": dry_run})
        return
    if values:
        write_table(("property", "values"), sorted(found.by_property.items()), numbers=(1,))
    say(
        f"{'would be taken back' if dry_run else 'taken back'}: {taken:,} values of {found.run.value}, {part.words()}"
    )
    if values:
        say(
            "the next run asks again those of these gaps that no curator has settled; so that it says less, see "
            "decision.floors in the settings"
        )


def export(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="File to write: .trig .nq, or plain .nt .ttl .jsonld .csv .parquet; also .gz; - is stdout.",
        ),
    ],
    run: Annotated[
        str | None,
        typer.Option(
            "--run",
            metavar="RUN",
            help="A run's id, its beginning, or its IRI; plain may do without: all that is current.",
        ),
    ] = None,
    form: Annotated[
        Literal["trig", "nq", "silknow", "plain"] | None,
        typer.Option(
            "--as",
            help="trig or nq: our own pattern, whole; silknow: what ADASilk reads; plain: record predicate value. "
            "Otherwise what the file's name says.",
        ),
    ] = None,
    above: Annotated[
        float,
        typer.Option("--above", metavar="P", min=0, max=1, help="plain: answers that are at least so sure."),
    ] = 0.0,
    accepted: Annotated[
        bool, typer.Option("--accepted", help="plain: only what a curator accepted or put in.")
    ] = False,
    properties: Annotated[
        list[str] | None,
        typer.Option("--property", metavar="P", help="plain: this property only; may be repeated."),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write what was predicted to a file: in our pattern, SILKNOW's, or plainly in the museum's own terms.

    The file appears whole or not at all. plain has what is current: of the runs that answered a gap the newest, without
    what a curator rejected, with what was put in instead, and with what was accepted of any run. CSV and Parquet have
    the names of records and values."""
    form = form or form_of(target, whole=run is not None)
    if form != "plain":
        _expect_one_run(form, run, choosing=bool(above or accepted or properties))
    with (
        open_workspace(reading=True) as workspace,
        Bars("writing"),
        _written_to(target, form, dry_run) as place,
    ):
        found = NamedNode(find(workspace, run).run) if run is not None else None
        if form == "plain" or found is None:
            choice = Choice(found, tuple(properties or ()), accepted, above)
            report: PlainReport | ExportReport = export_plain(workspace, choice, place)
        else:
            report = export_run(workspace.store, workspace.names, found, form, place)
        report.target = target
    _tell_export(report, dry_run, as_json)


def _expect_one_run(form: str, run: str | None, *, choosing: bool) -> None:
    if choosing:
        raise InputError(f"--above, --accepted and --property go with plain statements: {', '.join(FORMATS)}")
    if run is None:
        raise InputError(f"{form} writes one run: say which by --run (enrich runs lists them)")


def _tell_export(report: PlainReport | ExportReport, dry_run: bool, as_json: bool) -> None:
    if as_json:
        write_json(asdict(report) if isinstance(report, PlainReport) else report.to_json())
        return
    written = report.statements if isinstance(report, PlainReport) else report.written
    say(f"{'would write' if dry_run else 'wrote'} {written:,} statements to {report.target}")
    for reason, count in report.left_out.items():
        say(f"left out: {count:,} {reason}")


@contextmanager
def _written_to(target: Path, form: str, dry_run: bool) -> Iterator[Path]:
    """Where to write: the target, or a file of the same format that goes again."""
    if not dry_run:
        yield target
        return
    with TemporaryDirectory() as folder:
        piped = "out.nt" if form == "plain" else "out"
        yield Path(folder) / (piped if str(target) == "-" else target.name)


def prune(
    days: Annotated[
        int | None,
        typer.Option(
            "--older-than",
            min=0,
            max=MOST_DAYS,
            metavar="DAYS",
            help="Otherwise run.keep_days of the settings.",
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Drop answers that newer runs superseded, and retracted runs, once they are old.

    What is dropped cannot come back: until then it does when the newer run is retracted. The register
    keeps every run. Asks before it drops answers of more than one run. Every run that ends does the same for
    run.keep_days, without asking."""
    with open_workspace() as workspace:
        found = pruning.to_prune(workspace, days=days)
        runs, answers = len(found.answers), found.answers.total()
        if not dry_run and answers:
            ask(f"drop {found.text}?", yes or runs == 1)
            with Bars("pruning"):
                answers = pruning.drop(workspace, found).answers.total()
    if as_json:
        write_json({**found.to_json(), "dry_run": dry_run})
        return
    if found.answers:
        write_table(("run", "answers"), sorted(found.answers.items()), numbers=(1,))
    graphs = f"; {found.dropped:,} graphs dropped, {found.rewritten:,} written anew"
    say(f"{answers:,} answers {'would be dropped' if dry_run else 'dropped' + graphs}")
