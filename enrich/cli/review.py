"""Verbs about reviews: review accept, reject, correct, undecided, undo, list, export, import, backup, restore, rebuild."""

import getpass
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from typing import Literal as OneOf

import typer
from pyoxigraph import Literal, NamedNode

from enrich.cli.asked import minute
from enrich.cli.common import Bars, Json, example, group, open_workspace, say, write_json
from enrich.cli.common import write_table as write_rows
from enrich.cli.options import DryRun, Force, Limit
from enrich.errors import InputError
from enrich.graph.files import expect_new
from enrich.ontology.terms import ENR, Term, class_term, is_iri, named_node
from enrich.runs.review_backup import back_up
from enrich.runs.review_backup import restore as take_in
from enrich.runs.reviewing import OBJECTIONS, Judgement, Reviewed, Reviewer
from enrich.runs.reviews import unsound_reviews
from enrich.runs.verdicts import VerdictGraphs
from enrich.show.named import run_named, term
from enrich.show.naming import cells
from enrich.show.record import show_record
from enrich.show.review_table import WORDS, read_table, write_table
from enrich.workspace import Workspace

review = group(help="Judge predictions, take judgements back, and exchange them as CSV.")

Predictions = Annotated[
    list[str] | None,
    typer.Argument(metavar="PREDICTION…", help="Predictions: their IRIs, or the 20 digits at the end."),
]
OfRecord = Annotated[
    str | None, typer.Option("--record", metavar="IRI", help="Instead: what is current of this record.")
]
OfProperty = Annotated[
    str | None, typer.Option("--property", metavar="P", help="With --record: of this property.")
]
OneProperty = Annotated[str | None, typer.Option("--property", metavar="P", help="Of this property only.")]
By = Annotated[
    str,
    typer.Option("--by", metavar="NAME", help="The curator's name or IRI.", show_default="who is logged in"),
]
Objection = Annotated[
    str | None,
    typer.Option("--objection", metavar="O", help=f"What is held against it: {', '.join(OBJECTIONS)}."),
]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="A note to keep with it.")]


REFUSED = " The exit code is 2 when something was refused, and nothing else came of it."
"""What the help of a verb that writes reviews ends with."""
Decision = OneOf["Accepted", "Rejected", "Corrected", "Undecided", "Withdrawn"]

LISTED = (
    "time", "actor", "decision", "property", "record", "value", "instead", "objection", "note", "drawn", "review"
)  # fmt: skip
"""The columns of `review list`."""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


@review.command(
    "undecided",
    help="Say that you looked and cannot tell: the prediction stays as it is." + REFUSED,
    epilog=example("enrich review undecided 6f1d9c0c1f7a4a1f3c20 --note 'too dark to see'"),
)
@review.command(
    "reject",
    help="Turn predictions down: the value is not proposed again for that property of that record, by no model, and "
    "the next run asks for the next candidate." + REFUSED,
    epilog=example(
        "enrich review reject --record https://m.example/object/7 --property place --objection TooBroad"
    ),
)
@review.command(
    "accept",
    help="Agree with predictions: each value stands as accepted, and is stated in the graph `accepted`."
    + REFUSED,
    epilog=example("enrich review accept 6f1d9c0c1f7a4a1f3c20 --by 'Ana Ruiz'"),
)
def judge(
    context: typer.Context,
    predictions: Predictions = None,
    record: OfRecord = None,
    name: OfProperty = None,
    by: By = _user(),
    objection: Objection = None,
    note: Note = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Judge predictions as the verb says."""
    if bool(predictions) == (record is not None):
        raise InputError("say which predictions, or --record with --property")
    if (record is None) != (name is None):
        raise InputError("--record goes with --property: say both")
    decision = WORDS[context.command.name or ""]
    with open_workspace() as workspace:
        if record is not None and name is not None:
            found = _current(workspace, record, name)
        else:
            found = [_prediction(workspace, text) for text in predictions or ()]
        judgements = [Judgement(p, decision, None, objection, note) for p in found]
        done = Reviewer(workspace, by).write(judgements, datetime.now(UTC), dry_run=dry_run)
    _tell(done, [], dry_run, as_json)


@review.command(
    "correct",
    help="Put another value in the place of a predicted one, or of none where it abstained." + REFUSED,
    epilog=example("enrich review correct 6f1d9c0c1f7a4a1f3c20 https://v.example/velvet"),
)
def correct(
    prediction: Annotated[
        str, typer.Argument(metavar="PREDICTION", help="Its IRI, or the 20 digits at the end.")
    ],
    value: Annotated[
        str,
        typer.Argument(metavar="VALUE", help="The right value: an IRI, or a literal as N-Triples spell it."),
    ],
    by: By = _user(),
    objection: Objection = None,
    note: Note = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Judge a prediction by the value that is right."""
    right = class_term(value)
    with open_workspace() as workspace:
        judgement = Judgement(_prediction(workspace, prediction), "Corrected", right, objection, note)
        done = Reviewer(workspace, by).write([judgement], datetime.now(UTC), dry_run=dry_run)
    _tell(done, [], dry_run, as_json)


@review.command(
    "undo",
    help="Take a review back, or a batch of them: as if they had not been made. What they said is kept."
    + REFUSED,
    epilog=example("enrich review undo https://data.example.org/enrich/review/4c1f… --by 'Ana Ruiz'"),
)
def undo(
    named: Annotated[
        str,
        typer.Argument(
            metavar="REVIEW", help="The IRI of a review, or of a whole batch; or a review's 20 digits."
        ),
    ],
    by: By = _user(),
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take back what was reviewed."""
    with open_workspace() as workspace:
        iri = named_node(named if is_iri(named) else f"{workspace.names.base}review/{named}")
        done = Reviewer(workspace, by).withdraw(iri, datetime.now(UTC), dry_run=dry_run)
    _tell(done, [], dry_run, as_json)


@review.command("list", epilog=example("enrich review list --property place --decision Rejected"))
def list_reviews(
    name: OneProperty = None,
    decision: Annotated[Decision | None, typer.Option("--decision", help="Of this decision only.")] = None,
    as_json: Json = False,
) -> None:
    """List the reviews, those taken back among them, the latest last."""
    given: dict[str, Term] = {"order": Literal("time")}
    if name is not None:
        given["property"] = Literal(name)
    with open_workspace(reading=True) as workspace:
        answer = run_named(workspace, "reviews", given)
        at = {variable: number for number, variable in enumerate(answer.variables)}
        rows = [row for row in answer.rows if decision in (None, _short(row[at["decision"]]))]
        picked = [tuple(row[at[column]] for column in LISTED) for row in rows]
        shown = [] if as_json else cells(workspace, LISTED, picked)
    if as_json:
        told = [dict(zip(answer.variables, map(_short, row), strict=True)) for row in rows]
        write_json({"reviews": told})
        return
    table = [
        (minute(str(first)), *between, (_short(row[-1]) or "").rpartition("/")[2])
        for row, (first, *between, _) in zip(picked, shown, strict=True)
    ]
    write_rows(LISTED, table, spare=(6, 7, 8, 9, 1, 3))


@review.command("export", epilog=example("enrich review export to-judge.csv --property place --above 0.8"))
def export(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The CSV to write; - for standard output.")],
    name: OneProperty = None,
    above: Annotated[
        float | None, typer.Option("--above", min=0.0, max=1.0, help="Only those at least so sure.")
    ] = None,
    limit: Limit = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that have a verdict, too.")] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write current predictions as a table to fill in: decision, right_value, objection, note.

    The exit code is 1 when there is none to judge; then no file is written."""
    expect_new(target, force=force)
    asked = {"property": name, "confidence": None if above is None else f"{above:f}", "limit": limit}
    given = {key: term(key, str(value)) for key, value in asked.items() if value is not None}
    if not everything:
        given["state"] = ENR.Pending
    with open_workspace(reading=True) as workspace:
        count = write_table(workspace, target, given)
    if as_json:
        write_json({"file": str(target), "predictions": count})
    elif count:
        say(f"{count:,} predictions in {target}; fill in decision, then: enrich review import {target}")
    else:
        say(f"there are no predictions to judge: {target} was not written")
    if not count:
        raise typer.Exit(1)


@review.command("import", epilog=example("enrich review import judged.csv --by 'Ana Ruiz'"))
def import_table(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="The table, filled in.")],
    by: By = _user(),
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write the decisions of a table as reviews, in one batch; a line that cannot be used costs no other.

    What stands so already is left as it is: the same table twice adds nothing. The exit code is 2 when something was
    refused, and nothing else came of it."""
    with open_workspace() as workspace, Bars("reviews") as bars:
        judgements, unread = read_table(workspace, source)
        done = Reviewer(workspace, by).write(judgements, datetime.now(UTC), bars, dry_run=dry_run)
    refused = [(unusable.line, unusable.why) for unusable in unread]
    for judgement in judgements:
        if done.refused and done.refused[0].what == judgement.prediction:
            refused.append((judgement.line, done.refused.pop(0).why))
    _tell(done, [(f"{source}, line {line}", why) for line, why in sorted(refused)], dry_run, as_json)


@review.command("backup", epilog=example("enrich review backup reviews.nt"))
def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write, in N-Triples.")],
    as_json: Json = False,
) -> None:
    """Write all reviews to a file: what curators did is nowhere else, and outlives every run."""
    with open_workspace(reading=True) as workspace:
        count = back_up(workspace, target)
    if as_json:
        write_json({"file": str(target), "reviews": count})
    else:
        say(f"{count:,} reviews in {target}; enrich review restore takes them back in")


@review.command("restore", epilog=example("enrich review restore reviews.nt"))
def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What enrich review backup wrote.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Add the reviews of a backup to those that there are, and make `verdicts` and `accepted` anew; twice is once."""
    with open_workspace() as workspace, Bars("reviews") as bars:
        done = take_in(workspace, source, bars, dry_run=dry_run)
    if as_json:
        write_json({**asdict(done), "dry_run": dry_run})
    else:
        would = "would be added" if dry_run else "were added"
        say(f"of {done.reviews:,} reviews {done.added:,} {would}")


@review.command("rebuild", epilog=example("enrich review rebuild"))
def rebuild(as_json: Json = False) -> None:
    """Make the graphs `verdicts` and `accepted` anew from the reviews, such as after another tool wrote a review."""
    with open_workspace() as workspace, Bars("reviews") as bars:
        count = VerdictGraphs(workspace.store, workspace.names, workspace.profile.many_valued).rebuild(bars)
        unsound = unsound_reviews(workspace.store, workspace.names)
    if as_json:
        write_json({"reviews": count, "unsound": unsound})
        return
    say(f"verdicts and accepted follow from {count:,} reviews")
    if unsound:
        more = f" and {len(unsound) - 3:,} more" if len(unsound) > 3 else ""
        say(
            f"{len(unsound):,} count for nothing, as they state nothing sound: {', '.join(unsound[:3])}{more}"
        )


def _prediction(workspace: Workspace, text: str) -> NamedNode:
    return named_node(text if is_iri(text) else f"{workspace.names.base}prediction/{text}")


def _current(workspace: Workspace, record: str, name: str) -> list[NamedNode]:
    shown = show_record(workspace, named_node(record))["predictions"]
    found = [NamedNode(p["prediction"]) for p in shown if p["current"] and p["property"] == name]
    if not found:
        raise InputError(f"nothing is current about {record} and {name}; see: enrich show {record}")
    return found


def _tell(done: Reviewed, unread: Sequence[tuple[str, str]], dry_run: bool, as_json: bool) -> None:
    """What was written, left and refused. The exit code is 2 when nothing came of it."""
    refused = [*unread, *((r.what.value, r.why) for r in done.refused)]
    if as_json:
        write_json({
            "batch": done.batch.value if done.written else None,
            "reviews": [review.value for review in done.written],
            "unchanged": done.unchanged,
            "refused": [{"what": what, "why": why} for what, why in refused],
            "overruled": [asdict(o) for o in done.overruled],
            "dry_run": dry_run,
        })  # fmt: skip
    else:
        for what, why in refused:
            say(f"{what}: {why}")
        for o in done.overruled:
            say(f"overrules: {o.value} of {o.record} ({o.property}) stood as {o.decision.lower()}")
        written = f"{len(done.written):,} reviews {'would be ' if dry_run else ''}written"
        how = f"; take them back with: enrich review undo {done.batch.value}"
        undo_it = how if done.written and not dry_run else ""
        say(f"{written}, {done.unchanged:,} stood so already, {len(refused):,} refused{undo_it}")
    if refused and not done.written and not done.unchanged:
        raise typer.Exit(2)


def _short(term: object) -> str | None:
    value = getattr(term, "value", None)
    return None if value is None else str(value).removeprefix(str(ENR))
