"""The demo: makes a museum, fills its gaps, compares with the truth, and shows where one answer comes from."""

import csv
import io
import math
import os
import shlex
import shutil
import sys
import time
from pathlib import Path

from pyoxigraph import NamedNode
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from enrich.answering import run as pipeline
from enrich.classifiers.base import Progress, no_progress
from enrich.classifiers.tables import Table
from enrich.demo.configuration import FEW, write_settings
from enrich.demo.museum import Truth, write_museum
from enrich.demo.objects import PROPERTIES, made_objects
from enrich.demo.scoring import Score, score
from enrich.demo.textures import write_pictures
from enrich.errors import InputError
from enrich.graph.gaps import count_gaps
from enrich.graph.loading import Manner, load_files
from enrich.learn.evaluation import evaluate
from enrich.learn.measures import evaluation_table, mean_line
from enrich.learn.training import train
from enrich.settings.loading import FILE_NAME, PREFIX, load_settings
from enrich.settings.models import DecisionSettings, WebSettings
from enrich.show.named import run_named
from enrich.show.record import show_record
from enrich.show.tables import print_table
from enrich.show.tree import record_tree
from enrich.workspace import Workspace

_OWN = ("STORE", "PROFILE", "BASE")
"""The settings by which the demo stays in its folder."""
QUERY = """\
PREFIX enr:  <https://w3id.org/enrich/ns#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
# The surest answers about technique, with their names.
SELECT ?record ?name ?confidence WHERE {
  GRAPH <https://data.example.org/enrich/graph/runs> { ?run enr:graph ?g ; enr:runState enr:Active }
  GRAPH ?g {
    ?prediction enr:about ?record ; enr:propertyName "technique" ;
      enr:answers ?value ; enr:confidence ?confidence .
  }
  GRAPH ?vocabulary { ?value skos:prefLabel ?name } FILTER(LANG(?name) = "en")
}
ORDER BY DESC(?confidence) ?record
LIMIT 10
"""


def tour(
    folder: Path,
    *,
    records: int = 2000,
    seed: int = 0,
    pictures: bool = True,
    progress: Progress = no_progress,
    console: Console | None = None,
) -> list[Score]:
    """Run the whole demo in a folder, talking on the console; returns the scores."""
    out = console or Console(highlight=False)
    began = time.monotonic()
    _expect_own_settings()
    _expect_free(folder)
    _title(out, "1  A museum, made up", folder)
    truth = _make(folder, records, seed, pictures, progress)
    out.print(
        f"{records:,} objects of four museums, in {folder / 'records.nq'}; {len(truth.values):,} values are left "
        f"out, and known only to {folder / 'truth.tsv'}."
    )
    with Workspace(load_settings(folder)) as workspace:
        _load(out, workspace, folder, progress)
        _gaps(out, workspace)
        _train(out, workspace, folder, progress)
        _run(out, workspace, folder, progress)
        scores = _compare(out, workspace, truth)
        _provenance(out, workspace, truth)
    _ask(out, folder)
    out.print(f"\nDone in {time.monotonic() - began:.0f} s.")
    return scores


def _expect_own_settings() -> None:
    """Raises InputError where the environment leads elsewhere than into the demo, for the steps that follow it too."""
    for variable in sorted(os.environ):
        said = variable.upper()
        if said.startswith(PREFIX) and said.removeprefix(PREFIX).split("__")[0] in _OWN:
            raise InputError(
                f"{variable} is set in the environment: unset it, for the demo has a store of its own"
            )


def _expect_free(folder: Path) -> None:
    """Raises InputError for a folder in which something would be lost: what is no demo, or what somebody judged."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / "truth.tsv").is_file():
        raise InputError(f"{folder} is not empty and holds no demo: name another folder")
    if not (folder / FILE_NAME).is_file():
        return
    with Workspace(load_settings(folder), reading=True) as earlier:
        if earlier.has_store and earlier.store.count(earlier.names.reviews):
            raise InputError(
                f"{folder} holds a demo in which answers were judged: name another folder, or remove this one"
            )


def _make(folder: Path, records: int, seed: int, pictures: bool, progress: Progress) -> Truth:
    for made in ("store", "model", ".cache"):
        shutil.rmtree(folder / made, ignore_errors=True)
    truth = write_museum(folder, records, seed)
    write_settings(folder, pictures=pictures, few=records < FEW)
    (folder / "technique.rq").write_text(QUERY, encoding="utf-8")
    if pictures:
        for number, made_object in enumerate(made_objects(records, seed)):
            progress("pictures", number, records)
            write_pictures(folder / "images", [made_object])
    return truth


def _load(out: Console, workspace: Workspace, folder: Path, progress: Progress) -> None:
    _title(out, "2  Into the triplestore", "enrich load records.nq vocabulary.nq")
    files = [folder / "records.nq", folder / "vocabulary.nq"]
    load_files(workspace.store, files, Manner(home=folder), progress)
    out.print(f"{workspace.store.count():,} statements in {len(workspace.store.graphs())} named graphs.")


def _gaps(out: Console, workspace: Workspace) -> None:
    _title(out, "3  What is missing", "enrich gaps")
    report = count_gaps(workspace)
    rows = [(name, g.missing, f"{g.missing / report.records:.0%}") for name, g in report.properties.items()]
    print_table(Table(("property", "missing", "share"), rows, numbers=(1, 2)), out)


def _train(out: Console, workspace: Workspace, folder: Path, progress: Progress) -> None:
    _title(out, "4  Learn from what is known", "enrich train --splits splits.tsv --model model")
    train(workspace, folder / "splits.tsv", folder / "model", progress=progress)
    result = evaluate(workspace, folder / "model", folder / "splits.tsv", "dev")
    out.print("On the held-out split, where the value is known (enrich evaluate --split dev):")
    print_table(evaluation_table(result), out)
    out.print(f"Mean macro-F1 on that split: {mean_line(result)}.")


def _run(out: Console, workspace: Workspace, folder: Path, progress: Progress) -> None:
    _title(out, "5  Fill the gaps", "enrich run --model model")
    summary = pipeline.run(workspace, folder / "model", progress=progress)
    out.print(
        f"{summary.records:,} records in {summary.seconds:.1f} s: {summary.predicted:,} values predicted, "
        f"{summary.abstained:,} times not sure enough to say, {summary.failed:,} failures. All of it became "
        f"visible at once, as run\n{summary.run}"
    )


def _compare(out: Console, workspace: Workspace, truth: Truth) -> list[Score]:
    _title(out, "6  Against the truth", "enrich query predictions --format csv")
    predicted = _rows(workspace, "predictions")
    candidates = _rows(workspace, "candidates")
    scores = [score(name, truth, predicted, candidates) for name in PROPERTIES]
    heads = ("property", "gaps", "coverage", "precision", "accuracy", "macro-F1")
    rows = [
        (
            s.property,
            s.gaps,
            *map(_percent, (s.coverage, s.precision, s.accuracy)),
            s.macro_f1,
        )
        for s in scores
    ]
    print_table(Table(heads, rows, numbers=range(1, 6)), out)
    out.print(
        "Coverage is the share of the gaps that it answered, precision the share of those answers that is right, and "
        f"accuracy what would be right had it always named its first candidate. {_sure(workspace.settings.decision)}"
    )
    return scores


def _sure(decision: DecisionSettings) -> str:
    if not decision.thresholds:
        return (
            "It answers when it is sure: above the threshold of each property, a lower bound on the share that is right "
            f"was {decision.target_precision:.0%} on data it did not learn from."
        )
    least = min(decision.thresholds.values())
    return (
        f"So few objects promise nothing: it answers from a confidence of {least:g} on because enrich.toml says so "
        "(decision.thresholds). From some hundreds of objects on thresholds are learnt, and promise something."
    )


def _provenance(out: Console, workspace: Workspace, truth: Truth) -> None:
    rows = [r for r in _rows(workspace, "predictions") if (r["record"], r["property"]) in truth.values]
    if not rows:
        out.print("Nothing was predicted: no gap passed its threshold.")
        return
    chosen = max(rows, key=lambda r: (r["property"] == "technique", float(r["confidence"]), r["record"]))
    _title(out, "7  Where one answer comes from", f"enrich show {chosen['record']}")
    shown = show_record(workspace, NamedNode(chosen["record"]))
    one = [
        p
        for p in shown["predictions"]
        if (p["property"], p["value"]) == (chosen["property"], chosen["value"])
    ]
    out.print(record_tree({**shown, "predictions": one}))
    true = (v.rpartition("/")[2] for v in truth.values[chosen["record"], chosen["property"]])
    out.print(f"The truth about its {chosen['property']}: {', '.join(true)}")


def _ask(out: Console, folder: Path) -> None:
    enrich = f"{_enrich()} --config {shlex.quote(str(folder / 'enrich.toml'))}"
    _title(out, "8  Ask yourself", f"{enrich} query {shlex.quote(str(folder / 'technique.rq'))}")
    out.print(Text(QUERY), soft_wrap=True)
    out.print(
        "And to take it all back: the same with runs, then with retract RUN. The museum's facts were never touched."
    )
    out.print()
    out.print(f"To look at it all and judge it, in a browser at http://127.0.0.1:{WebSettings().port}:")
    out.print(Text(f"{enrich} web"), soft_wrap=True)


def _enrich() -> str:
    """The command as it is called from here: by its name where the shell finds it, else by where it lies."""
    own = Path(sys.executable).with_name("enrich")
    named = not own.exists() or shutil.which("enrich") == str(own)
    return "enrich" if named else shlex.quote(os.path.relpath(own))


def _rows(workspace: Workspace, query: str) -> list[dict[str, str]]:
    text = io.StringIO()
    run_named(workspace, query).write(text, "csv")
    text.seek(0)
    return list(csv.DictReader(text))


def _title(out: Console, title: str, command: object) -> None:
    out.print()
    out.print(Rule(Text(title, style="bold"), align="left"))
    out.print(Text(str(command), style="dim"), soft_wrap=True)


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0%}"
