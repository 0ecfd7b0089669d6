"""Reviews by spreadsheet: what is predicted goes out as a table, is filled in, and comes back once."""

from __future__ import annotations

import cProfile
import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from pyoxigraph import Literal

from enrich.answering import run as pipeline
from enrich.errors import InputError
from enrich.graph.stores import open_store
from enrich.ontology.spans import EDTF
from enrich.ontology.terms import ENR, Term
from enrich.runs import verdicts as runs_verdicts
from enrich.runs.reviewing import Reviewer
from enrich.show.review_table import read_table, write_table
from enrich.workspace import Workspace
from tests.graph.test_dates import PLAIN, coins, within
from tests.graph.test_literals import PLACE, library
from tests.museums import THRESHOLDS, dummy_model, museum
from tests.runs.judging import judged, now, predictions


def test_a_table_goes_out_is_filled_in_and_comes_back_once(tmp_path: Path) -> None:
    workspace = museum(40)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    file = tmp_path / "judge.csv"
    given: dict[str, Term] = {"state": ENR.Pending}
    count = write_table(workspace, file, given)
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert count == len(rows) > 4
    fill: list[Callable[[dict[str, str]], object]] = [
        lambda r: r.update(decision="accept"),
        lambda r: r.update(decision="x", objection="too broad", note="a region, no town"),
        lambda r: r.update(decision="maybe"),
        lambda r: r.update(decision="correct", right_value="Nowhere at all"),
    ]
    for change, row in zip(fill, rows, strict=False):
        change(row)
    with file.open("w", newline="", encoding="utf-8-sig") as filled:
        writer = csv.DictWriter(filled, rows[0].keys(), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)

    judgements, unread = read_table(workspace, file)

    assert [(u.line, u.why.split(":")[0]) for u in unread] == [
        (4, "'maybe' is no decision"), (5, "no value is called 'Nowhere at all'"),
    ]  # fmt: skip
    done = judged(workspace, *judgements)
    assert [j.objection for j in judgements] == [None, "TooBroad"]
    again = Reviewer(workspace, "Ana Ruiz").write(judgements, now())
    assert (len(done.written), len(again.written), again.unchanged) == (2, 0, 2)
    assert write_table(workspace, file, given) == count - 2, "what has a verdict is not asked again"


def test_a_name_with_a_line_separator_loses_no_judgement(tmp_path: Path) -> None:
    workspace = museum(40)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    first = predictions(workspace)[0]
    with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows(
            [("recordName", "prediction", "decision"), ("a\u2028vase\x0b", first["prediction"], "accept")]
        )
    judgements, unread = read_table(workspace, tmp_path / "t.csv")
    assert ([j.decision for j in judgements], unread) == (["Accepted"], [])


def test_a_literal_is_called_by_its_text(tmp_path: Path) -> None:
    """Given places in two languages, one under a rule, then a text that is shown or stands in a record is the value as an
    answer writes it; another is none, unless it is spelt as N-Triples spell it."""
    places = [Literal("Brugge", language="nl"), Literal("Gent (B)", language="nl"), Literal("Lier")]
    workspace = library(PLACE + "keep = '^([^(]+)'", *([place] for place in places))

    found = right_values(
        workspace, tmp_path, "place", "Brugge", "Gent", "Gent (B)", "Lier", '"Aalst"@nl', "Aalst"
    )

    gent = Literal("Gent", language="nl")
    assert found == [
        places[0],
        gent,
        gent,
        places[2],
        Literal("Aalst", language="nl"),
        "no value is called 'Aalst'",
    ]


def test_a_date_is_called_by_its_text(tmp_path: Path) -> None:
    """Given dates by century, then what is shown, what a record says and any other date that has a class are its class."""
    workspace = coins(open_store(), tmp_path, PLAIN + 'by = "century"', within(Literal("um 1788")))

    found = right_values(workspace, tmp_path, "time", "1700/1799", "um 1788", "1650", "1650-1849")

    years = ("1700/1799", "1700/1799", "1600/1699")
    assert found == [*(Literal(y, datatype=EDTF) for y in years), "no value is called '1650-1849'"]
    german = coins(
        open_store(),
        tmp_path,
        PLAIN + 'by = "century"\nlanguage = "de"',
        within(Literal("um 1788", language="de")),
    )
    assert right_values(german, tmp_path, "time", "um 1788", "1650") == [
        Literal(y, datatype=EDTF) for y in years[1:]
    ]


def right_values(workspace: Workspace, folder: Path, name: str, *said: str) -> list[Term | str | None]:
    """What is put in by each line of a table of corrections, or why it is not."""
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
        rows = ((f"urn:example:{n}", name, "correct", text) for n, text in enumerate(said))
        csv.writer(file).writerows([("prediction", "property", "decision", "right_value"), *rows])
    judgements, unread = read_table(workspace, folder / "t.csv")
    found = {j.line: j.value for j in judgements} | {u.line: u.why for u in unread}
    return [found[line] for line in sorted(found)]


def test_a_prediction_is_judged_by_its_first_line(tmp_path: Path) -> None:
    """Given two lines that say otherwise of one prediction, and one of them again after a line that cannot be read, then
    the first that can be read is taken, and the same table adds nothing when it comes once more."""
    workspace = museum(40)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    one, other = (p["prediction"] for p in predictions(workspace)[:2])
    lines = [(one, "accept"), (one, "reject"), (other, "perhaps"), (other, "reject"), (other, "accept")]
    file = tmp_path / "t.csv"
    file.write_text("prediction,decision\n" + "".join(f"{p},{said}\n" for p, said in lines))

    judgements, unread = read_table(workspace, file)

    assert [(j.prediction.value, j.decision) for j in judgements] == [(one, "Accepted"), (other, "Rejected")]
    assert [(u.line, u.why.split(":")[0]) for u in unread] == [
        (3, "line 2 judges this prediction already"),
        (4, "'perhaps' is no decision"),
        (6, "line 5 judges this prediction already"),
    ]
    assert len(judged(workspace, *judgements).written) == 2
    assert not judged(workspace, *read_table(workspace, file)[0]).written


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("record,verdict\n")
    with pytest.raises(InputError, match="has no column 'prediction'"):
        read_table(museum(10), tmp_path / "t.csv")


def test_what_a_row_costs_does_not_grow_with_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given tables of a few rows, of a hundred more and of five hundred more, when each is imported, and once more where
    it adds nothing, then five times the rows take at most five times the calls, and a fifth of that.

    `benchmarks/review_import.py` measures the time, of a hundred times the rows.
    """
    monkeypatch.setattr(runs_verdicts, "AT_ONCE", 20)
    workspace = museum(250, decision={"thresholds": dict.fromkeys(THRESHOLDS, 0.0)})
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    write_table(workspace, tmp_path / "all.csv", {"state": ENR.Pending})
    with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    least, few, many = (calls(workspace, tmp_path / "t.csv", rows[:size]) for size in (20, 120, 520))
    for start, less, more in zip(least, few, many, strict=True):
        assert more - start <= 1.2 * 5 * (less - start)


def calls(workspace: Workspace, table: Path, rows: list[dict[str, str]]) -> list[int]:
    """How many functions are called while these rows are imported, and once more, by one who has reviewed nothing before."""
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, "decision": "ax?"[n % 3]} for n, row in enumerate(rows))
    for graph in (workspace.names.reviews, workspace.names.verdicts, workspace.names.accepted):
        workspace.store.drop(graph)
    counted = []
    for written in (len(rows), 0):
        with cProfile.Profile() as profile:
            judgements, _ = read_table(workspace, table)
            done = Reviewer(workspace, "Ana Ruiz").write(judgements, now())
        assert len(done.written) == written
        counted.append(sum(entry.callcount for entry in profile.getstats()))
    return counted
