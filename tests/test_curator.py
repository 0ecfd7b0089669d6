"""A curator's errand, by the documented commands alone: find and export what is sure, judge it, and undo it."""

from __future__ import annotations

import csv
import io
import json
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from enrich.cli import main
from tests.docs.followed import commands, follow
from tests.museums import museum_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A museum on disk whose gaps a small model has answered."""
    folder = museum_folder(tmp_path / "museum", 60)
    said(folder, "run", "--model", str(folder / "model"))
    return folder


def run(folder: Path, *words: str) -> tuple[int, str, str]:
    with chdir(folder), redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main(list(words))
    return code, out.getvalue(), err.getvalue()


def said(folder: Path, *words: str) -> str:
    """What a command that succeeds writes to stdout."""
    code, out, err = run(folder, *words)
    assert code == 0, err
    return out


def states(folder: Path) -> dict[str, str]:
    """The state of every current prediction."""
    rows = csv.DictReader(said(folder, "query", "predictions", "--format", "csv").splitlines())
    return {row["prediction"]: row["state"].rpartition("#")[2] for row in rows}


@pytest.mark.slow
def test_the_page_on_reviewing_can_be_followed(folder: Path) -> None:
    """Given a museum with predictions, every command of the page works, in its order."""
    text = commands("reviewing.md")
    text = text.replace(" --explain", "").replace("--property place", "--property time")
    text = text.replace("enrich web\n", "")  # it serves until it is stopped: tests/web/test_running.py
    follow(folder, text)
    assert {"Accepted", "Rejected"} <= set(states(folder).values())
    assert "wasDerivedFrom" not in (folder / "accepted.ttl").read_text()


def test_what_is_sure_of_one_museum_is_found_sorted_and_exported_with_names(folder: Path) -> None:
    """Given the answers of several museums, one query has those of one, the surest first, with names; and a table of
    what is at least so sure goes out for a spreadsheet."""
    museum = "https://museum.example.org/madrid"
    asked = ("--set", f"museum={museum}", "--set", "confidence=0.35", "--set", "order=-confidence")
    text = said(folder, "query", "predictions", *asked, "--labels", "--format", "csv")
    rows = list(csv.DictReader(text.splitlines()))
    assert rows
    assert all("/madrid-" in row["record"] and row["recordName"] for row in rows)
    sure = [float(row["confidence"]) for row in rows]
    assert sure == sorted(sure, reverse=True)
    assert min(sure) >= 0.35

    said(folder, "export", "--above", "0.35", "sure.csv")
    told = list(csv.DictReader((folder / "sure.csv").read_text().splitlines()))
    assert {(r["record"], r["value"]) for r in rows} <= {(r["record"], r["value"]) for r in told}
    assert {r["state"] for r in told} == {"Pending"}


def test_a_judgement_is_written_listed_and_taken_back(folder: Path) -> None:
    prediction = min(states(folder))
    done = json.loads(said(folder, "review", "accept", prediction[-20:], "--by", "Ana", "--json"))
    assert (len(done["reviews"]), done["refused"]) == (1, [])
    assert states(folder)[prediction] == "Accepted"
    (listed,) = json.loads(said(folder, "review", "list", "--json"))["reviews"]
    assert (listed["decision"], listed["prediction"]) == ("Accepted", prediction)

    said(folder, "review", "undo", done["batch"], "--by", "Ana", "--dry-run")
    assert states(folder)[prediction] == "Accepted"
    said(folder, "review", "undo", done["batch"], "--by", "Ana")
    assert states(folder)[prediction] == "Pending"
    again = json.loads(said(folder, "review", "undo", done["batch"], "--by", "Ana", "--json"))
    assert (again["reviews"], again["unchanged"]) == ([], 1), "it is taken back once"


def test_every_verb_has_json(folder: Path) -> None:
    """Given predictions, what each verb writes with --json is one object, and its figures are those of the review."""
    first, second, third = sorted(states(folder))[:3]
    (folder / "judged.csv").write_text(f"prediction,decision\n{third},accept\n{third[:-1]},accept\n")
    right = "https://museum.example.org/vocabulary/time/16th-century"
    for words, keys in (
        (
            ("reject", first, "--dry-run"),
            {"reviews", "unchanged", "refused", "overruled", "batch", "dry_run"},
        ),
        (("undecided", second), {"reviews", "unchanged", "refused", "overruled", "batch", "dry_run"}),
        (("correct", first, right), {"reviews", "unchanged", "refused", "overruled", "batch", "dry_run"}),
        (("export", "judge.csv"), {"file", "predictions"}),
        (("import", "judged.csv"), {"reviews", "unchanged", "refused", "overruled", "batch", "dry_run"}),
        (("list",), {"reviews"}),
        (("rebuild",), {"reviews", "unsound"}),
    ):
        found = json.loads(said(folder, "review", *words, "--json"))
        assert set(found) == keys, words
    assert found["reviews"] == 3, "one undecided, one corrected, and the one of two lines that could be used"
    assert [states(folder)[p] for p in (first, second, third)] == ["Corrected", "Undecided", "Accepted"]


def test_a_line_that_cannot_be_used_is_named_by_its_number_whatever_is_wrong_with_it(folder: Path) -> None:
    """Given lines without the right value, of no prediction and with no decision, among one that can be used, then each of
    them is named by the line of the table."""
    (prediction, *_) = sorted(states(folder))
    lines = ("prediction,decision,right_value", f"{prediction},correct,", f"{prediction},perhaps,",
             f"{prediction},accept,", f"{prediction[:-2]},reject,")  # fmt: skip
    (folder / "spring.csv").write_text("\r\n".join(lines), encoding="utf-8-sig")
    done = json.loads(said(folder, "review", "import", "spring.csv", "--by", "Ida", "--json"))
    assert len(done["reviews"]) == 1
    assert [(r["what"], r["why"].split(":")[0][:20]) for r in done["refused"]] == [
        ("spring.csv, line 2", "a correction names t"),
        ("spring.csv, line 3", "'perhaps' is no deci"),
        ("spring.csv, line 5", "no run has this pred"),
    ]


def test_a_table_that_somebody_fills_in_is_not_written_over(folder: Path) -> None:
    """Given a table half filled in, then an export to the same file leaves it as it is, --force or not where there is
    nothing to judge; with --force a table that is there is written anew."""
    said(folder, "review", "export", "winter.csv", "--property", "time")
    heads, first, *rest = (folder / "winter.csv").read_text().splitlines()
    filled = "\n".join([heads, first.removesuffix(",,,") + "reject,,,looked at it", *rest])
    (folder / "winter.csv").write_text(filled)
    nothing = ("--property", "material", "--above", "1")
    for words, expected, why in (
        ((), 2, "winter.csv is there already: name another file, or say --force"),
        (nothing, 2, "winter.csv is there already"),
        ((*nothing, "--force"), 1, "there are no predictions to judge: winter.csv was not written"),
    ):
        code, _, err = run(folder, "review", "export", "winter.csv", *words)
        assert (code, why in err) == (expected, True), err
        assert (folder / "winter.csv").read_text() == filled
    assert run(folder, "review", "export", "none.csv", *nothing)[0] == 1
    assert not (folder / "none.csv").exists()
    said(folder, "review", "export", "winter.csv", "--force")
    assert "looked at it" not in (folder / "winter.csv").read_text()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("accept",), "say which predictions, or --record with --property"),
        (("accept", "--record", "https://m.example/1"), "say both"),
        (("reject", "00000000000000000000"), "no run has this prediction"),
        (("correct", "00000000000000000000", "no iri"), "not an absolute IRI"),
        (("undo", "https://r.example/none"), "no review or batch is called"),
        (("import", "none.csv"), "no file none.csv"),
        (("accept", "00000000000000000000", "--by", " "), "needs the name of its curator"),
        (("export", "x.csv", "--property", "colour"), "has no property 'colour'"),
    ],
)
def test_what_cannot_be_judged_is_said_in_a_line(folder: Path, words: tuple[str, ...], why: str) -> None:
    code, _, err = run(folder, "review", *words)
    assert code == 2
    assert why in err
    assert all("Traceback" not in line for line in err.splitlines())
    assert set(states(folder).values()) == {"Pending"}
