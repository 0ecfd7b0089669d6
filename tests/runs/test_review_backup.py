"""Reviews as a file: all of them come back, once, into the same store or another, and nothing else comes with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyoxigraph import NamedNode

from enrich.answering import run as pipeline
from enrich.errors import EnrichError, InputError, ValidationError
from enrich.graph.stores import Store, open_store
from enrich.ontology.terms import ENR
from enrich.runs.register import retract
from enrich.runs.review_backup import Restored, back_up, restore
from enrich.runs.reviewing import Judgement, Reviewer
from enrich.workspace import Workspace
from tests.museums import dummy_model, museum
from tests.runs.judging import accepted, answered, judged, now, predictions


def judged_by_two(store: Store, tmp_path: Path) -> Workspace:
    """A museum with five reviews of two curators, one of them taken back."""
    workspace = answered(store, tmp_path)
    rows = predictions(workspace)
    judged(workspace, Judgement(NamedNode(rows[0]["prediction"]), "Accepted", note='a "quoted" note\n'))
    judged(workspace, Judgement(NamedNode(rows[1]["prediction"]), "Rejected", objection="Wrong"), by="Ben")
    times = predictions(workspace, "time")
    judged(workspace, Judgement(NamedNode(times[0]["prediction"]), "Accepted"), by="Ben")
    done = judged(workspace, Judgement(NamedNode(times[1]["prediction"]), "Rejected"))
    Reviewer(workspace, "Ana Ruiz").withdraw(done.batch, now())
    return workspace


@pytest.fixture
def judged_museum(tmp_path: Path) -> Workspace:
    """The same in memory."""
    return judged_by_two(open_store(), tmp_path)


def graph(workspace: Workspace, name: NamedNode) -> set[str]:
    """What a graph says, but for when reviews were restored."""
    rows = workspace.store.select(f"SELECT ?s ?p ?o WHERE {{ GRAPH {name} {{ ?s ?p ?o }} }}")
    return {" ".join(map(str, row)) for row in rows if row[1] != ENR.restoredAtTime}


def test_what_was_backed_up_comes_back_once_and_with_what_follows_from_it(
    store: Store, tmp_path: Path
) -> None:
    """Given reviews in a file, when they are restored into a store that lost them, twice, then the three graphs are as
    they were."""
    judged_museum, file = judged_by_two(store, tmp_path), tmp_path / "reviews.nt"
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


def test_what_is_restored_while_a_run_is_under_way_is_heeded_by_it(tmp_path: Path) -> None:
    """Given a run that is open, when a value that it has answered comes back as turned down long ago, then the value is
    not made current, and the next run asks again."""
    workspace = museum(40)
    model = dummy_model(workspace, tmp_path / "m")
    first = pipeline.run(workspace, model).run
    assert first is not None
    row = predictions(workspace)[0]
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    judgement = Judgement(NamedNode(row["prediction"]), "Rejected")
    assert Reviewer(workspace, "Ana Ruiz").write([judgement], long_ago).written
    back_up(workspace, tmp_path / "reviews.nt")
    for lost in (workspace.names.reviews, workspace.names.verdicts):
        workspace.store.drop(lost)
    retract(workspace, first)
    waiting = [tmp_path / "reviews.nt"]

    def meanwhile(_: str, done: int, *__: object) -> None:
        if waiting and done:
            restore(workspace, waiting.pop())

    pipeline.run(workspace, model, progress=meanwhile)

    assert not waiting, "it was restored in the middle"
    assert row["value"] not in [r["value"] for r in predictions(workspace) if r["record"] == row["record"]]
    assert pipeline.run(workspace, model).records == 1


def test_of_a_store_that_lost_them_after_a_run_the_gaps_that_reviews_open_are_asked_again(
    tmp_path: Path,
) -> None:
    """Given a value turned down long ago, and a run that did not know of it, when the reviews are restored, then the next
    run asks for that record, and no other."""
    workspace = museum(40)
    model = dummy_model(workspace, tmp_path / "m")
    pipeline.run(workspace, model)
    row = predictions(workspace)[0]
    judgement = Judgement(NamedNode(row["prediction"]), "Rejected")
    Reviewer(workspace, "Ana Ruiz").write([judgement], datetime(2020, 1, 1, tzinfo=UTC))
    back_up(workspace, tmp_path / "reviews.nt")
    for lost in (workspace.names.reviews, workspace.names.verdicts):
        workspace.store.drop(lost)
    assert pipeline.run(workspace, model).run is None

    restore(workspace, tmp_path / "reviews.nt")

    assert pipeline.run(workspace, model).records == 1


def cut(text: str) -> str:
    return text[: len(text) // 2]


def cut_after_a_line(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[: len(lines) // 2])


def garbled(text: str) -> str:
    return text.replace("> <", "> ", 1)


def stranger(text: str) -> str:
    return "<https://m.example/a> <https://m.example/says> <https://m.example/b> .\n" + text


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
        (cut, InputError, "cut short"),
        (cut_after_a_line, InputError, "cut short"),
        (garbled, InputError, "damaged"),
        (stranger, InputError, "no review"),
        (other_base, InputError, "another base"),
        (nonsense, ValidationError, "a review accepts, rejects"),
        (smuggled, InputError, "another thing accepted"),
        (lambda _: "", InputError, "is empty"),
    ],
    ids=["cut", "cut after a line", "garbled", "stranger", "other base", "nonsense", "smuggled", "empty"],
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


def test_a_backup_is_replaced_by_none_that_lacks_its_reviews(
    judged_museum: Workspace, tmp_path: Path
) -> None:
    """Given a backup, when reviews were lost since, then it stays as it is; with them all it is written anew."""
    file, names = tmp_path / "reviews.nt", judged_museum.names
    assert back_up(judged_museum, file) == 5
    full = file.read_bytes()
    judged_museum.store.drop(names.reviews)
    judged(judged_museum, Judgement(NamedNode(predictions(judged_museum)[5]["prediction"]), "Accepted"))
    with pytest.raises(InputError, match=r"has 5 reviews that the store has not: enrich review restore"):
        back_up(judged_museum, file)
    assert file.read_bytes() == full
    restore(judged_museum, file)
    assert back_up(judged_museum, file) == 6
    assert restore(judged_museum, file) == Restored(6, 0)


@pytest.mark.parametrize(
    "there", ["title = 'My museum'\n", '<https://m.example/1> <https://m.example/p> "a" .\n']
)
def test_what_is_no_backup_is_not_replaced_by_one(
    judged_museum: Workspace, tmp_path: Path, there: str
) -> None:
    file = tmp_path / "reviews.nt"
    file.write_text(there)
    with pytest.raises(InputError, match="is no backup of reviews"):
        back_up(judged_museum, file)
    assert file.read_text() == there
    file.write_text("")
    assert back_up(judged_museum, file) == 5


def test_without_reviews_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no reviews"):
        back_up(museum(10), tmp_path / "reviews.nt")
