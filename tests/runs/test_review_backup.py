"""Reviews as a file: all of them come back, once, into the same store or another, and nothing else comes with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pyoxigraph import NamedNode

from enrich.answering import run as pipeline
from enrich.errors import EnrichError, InputError, ValidationError
from enrich.ontology.terms import Term
from enrich.runs.review_backup import Restored, back_up, restore
from enrich.runs.reviewing import Judgement, Reviewer
from enrich.workspace import Workspace
from tests.museums import dummy_model, museum
from tests.runs.test_reviewing import accepted, judged, now, predictions


@pytest.fixture
def judged_museum(tmp_path: Path) -> Workspace:
    workspace = museum(40)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    rows = predictions(workspace)
    right: Term = NamedNode(predictions(workspace, "time")[0]["value"])
    judged(workspace, Judgement(NamedNode(rows[0]["prediction"]), "Accepted", note='a "quoted" note\n'))
    judged(workspace, Judgement(NamedNode(rows[1]["prediction"]), "Rejected", objection="Wrong"), by="Ben")
    times = predictions(workspace, "time")
    judged(workspace, Judgement(NamedNode(times[0]["prediction"]), "Accepted"), by="Ben")
    done = judged(workspace, Judgement(NamedNode(times[1]["prediction"]), "Rejected"))
    Reviewer(workspace, "Ana Ruiz").withdraw(done.batch, now())
    assert right
    return workspace


def graph(workspace: Workspace, name: NamedNode) -> set[str]:
    rows = workspace.store.select(f"SELECT ?s ?p ?o WHERE {{ GRAPH {name} {{ ?s ?p ?o }} }}")
    return {" ".join(map(str, row)) for row in rows}


def test_what_was_backed_up_comes_back_once_and_with_what_follows_from_it(
    judged_museum: Workspace, tmp_path: Path
) -> None:
    """Given reviews in a file, when they are restored into a store that lost them, twice, then the three graphs are as
    they were."""
    file = tmp_path / "reviews.nt"
    assert back_up(judged_museum, file) == 5
    names = judged_museum.names
    before = {g: graph(judged_museum, g) for g in (names.reviews, names.verdicts, names.accepted)}
    assert accepted(judged_museum)
    for g in before:
        judged_museum.store.drop(g)

    assert restore(judged_museum, file, dry_run=True) == Restored(5, 5)
    assert graph(judged_museum, names.reviews) == set()
    assert restore(judged_museum, file) == Restored(5, 5)
    assert {g: graph(judged_museum, g) for g in before} == before
    assert restore(judged_museum, file) == Restored(5, 0)
    assert {g: graph(judged_museum, g) for g in before} == before


def cut(text: str) -> str:
    return text[: len(text) // 2]


def stranger(text: str) -> str:
    return text + "<https://m.example/a> <https://m.example/says> <https://m.example/b> .\n"


def other_base(text: str) -> str:
    return text.replace("https://data.example.org/enrich/review/", "https://elsewhere.example/review/")


def nonsense(text: str) -> str:
    return text.replace("ns#Accepted>", "ns#Splendid>")


def smuggled(text: str) -> str:
    lines = text.splitlines()
    at = next(n for n, line in enumerate(lines) if "ns#states>" in line)
    lines[at] = (
        lines[at].partition(' "')[0]
        + ' "<https://m.example/a> <https://m.example/b> <https://m.example/c> ." .'
    )
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("damage", "kind", "words"),
    [
        (cut, InputError, "damaged"),
        (stranger, InputError, "no review"),
        (other_base, InputError, "another base"),
        (nonsense, ValidationError, ""),
        (smuggled, InputError, "another thing accepted"),
        (lambda _: "", InputError, "is empty"),
    ],
    ids=["cut", "stranger", "other base", "nonsense", "smuggled", "empty"],
)
def test_a_file_that_is_no_backup_adds_nothing(
    judged_museum: Workspace,
    tmp_path: Path,
    damage: Callable[[str], str],
    kind: type[EnrichError],
    words: str,
) -> None:
    file = tmp_path / "reviews.nt"
    back_up(judged_museum, file)
    file.write_text(damage(file.read_text()))
    judged_museum.store.drop(judged_museum.names.reviews)
    with pytest.raises(kind, match=words):
        restore(judged_museum, file)
    assert graph(judged_museum, judged_museum.names.reviews) == set()


def test_without_reviews_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no reviews"):
        back_up(museum(10), tmp_path / "reviews.nt")
