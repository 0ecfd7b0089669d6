"""Reviews by spreadsheet: what is predicted goes out as a table, is filled in, and comes back once."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from enrich.answering import run as pipeline
from enrich.errors import InputError
from enrich.ontology.terms import ENR, Term
from enrich.runs.reviewing import Reviewer
from enrich.show.review_table import read_table, write_table
from tests.museums import dummy_model, museum
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


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("record,verdict\n")
    with pytest.raises(InputError, match="has no column 'prediction'"):
        read_table(museum(10), tmp_path / "t.csv")
