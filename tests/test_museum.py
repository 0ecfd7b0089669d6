"""The Python interface: docs/python.md runs from its first block to its last, and says when something is missing."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import enrich
from enrich.cli import main
from enrich.demo.configuration import write_settings
from enrich.demo.museum import write_museum
from enrich.errors import InputError, SettingsError

PAGE = Path(__file__).resolve().parents[1] / "docs" / "python.md"
CREATOR = (
    '\ncreator = "Museum of Made Things"\nlicence = "https://creativecommons.org/publicdomain/zero/1.0/"\n'
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which a made museum lies, loaded, as enrich demo would make it."""
    folder = tmp_path_factory.mktemp("notebook")
    write_museum(folder / "museum", 200)
    file = write_settings(folder / "museum", pictures=False)
    sure = "target_precision = 0.9\nthresholds = { place = 0.5, technique = 0.5 }"
    text = file.read_text().replace("\n[store]", f"{CREATOR}\n[store]")
    file.write_text(text.replace("target_precision = 0.9", sure))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "museum")
        assert main(["load", "records.nq", "vocabulary.nq"]) == 0
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def told(place: Path) -> dict[str, Any]:
    """What the blocks of the page leave behind."""
    del place
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) > 8
    for number, block in enumerate(blocks):
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)
    return names


def test_the_page_runs_and_its_answers_are_those_of_the_museum(told: dict[str, Any]) -> None:
    answers, summary = told["answers"], told["summary"]
    assert told["gaps"].records == 200
    assert len(answers.drop_duplicates(["record", "property"])) == summary.predicted > 0
    assert set(answers.property) <= {"place", "technique"}
    assert answers.record_name.all()
    assert answers.confidence.dtype == float
    assert (told["sure"].confidence >= 0.8).all()
    assert told["shown"]["record"] == answers.record[0]


def test_a_citation_says_whose_the_run_is(told: dict[str, Any]) -> None:
    citation = told["citation"]
    assert citation.creator == "Museum of Made Things"
    assert citation.licence == "https://creativecommons.org/publicdomain/zero/1.0/"
    assert citation.title.startswith("Predictions of ")
    for part in (citation.title, citation.creator, citation.licence, citation.date[:4], citation.run):
        assert part in citation.text


def test_queries_give_numbers_and_texts(place: Path, told: dict[str, Any]) -> None:
    """Given a query file, an ASK, a CONSTRUCT and an update, when they are asked, then rows have Python's numbers, and
    the update is refused."""
    del told
    (place / "museum" / "count.rq").write_text("SELECT (COUNT(*) AS ?n) (1.5 AS ?x) { ?s ?p ?o }")
    with enrich.open("museum") as museum:
        (row,) = museum.query("count.rq").itertuples(index=False)
        assert row.n > 1000
        assert row.x == 1.5
        spelled = museum.query(
            "SELECT ?n { VALUES ?n { 'ca. 1850'^^<http://www.w3.org/2001/XMLSchema#integer> } }"
        )
        assert spelled.n[0] == "ca. 1850"
        assert bool(museum.query("ASK { ?s ?p ?o }").answer[0]) is True
        assert len(museum.query("CONSTRUCT { ?s a ?t } { ?s a ?t } LIMIT 3").columns) == 3
        with pytest.raises(InputError, match="the query is an update"):
            museum.query("DROP ALL")
        with pytest.raises(InputError, match="asks about one record"):
            museum.query("evidence")
        with pytest.raises(InputError, match="no property 'plaice'"):
            museum.predictions(properties=["plaice"])


def test_a_run_is_taken_back(place: Path, told: dict[str, Any]) -> None:
    del place
    with enrich.open("museum/enrich.toml") as museum:
        assert museum.retract(told["summary"].run) > 0
        assert museum.predictions().empty
        assert [run.state for run in museum.runs()] == ["Retracted"]


def test_a_folder_without_a_museum_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no settings file"):
        enrich.open(tmp_path)
    write_settings(tmp_path)
    with pytest.raises(InputError, match="load the museum's graph with: enrich load FILE"):
        enrich.open(tmp_path)


def test_to_open_a_museum_loads_nothing_that_learns(place: Path) -> None:
    code = (
        "import sys, enrich\n"
        "with enrich.open('museum') as museum:\n    museum.gaps(); museum.runs()\n"
        "print(*(m for m in ('torch', 'sklearn', 'xgboost', 'celery', 'matplotlib', 'pandas') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_without_pandas_a_sentence_says_what_to_install(place: Path) -> None:
    """Given a Python without pandas, when answers are asked for, then the extra is named; the rest works."""
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "import enrich\n"
        "museum = enrich.open('museum')\n"
        "assert museum.gaps().records == 200\n"
        "try:\n    museum.predictions()\n"
        "except ModuleNotFoundError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True)
    assert done.stdout == "pandas is not installed; install it with: pip install 'museum-enrich[pandas]'\n"
