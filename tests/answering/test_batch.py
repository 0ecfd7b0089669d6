"""How a batch is answered: piece by piece, pictures fetched ahead, and nothing lost between the pieces."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from pyoxigraph import NamedNode

from enrich.answering import batch as batches
from enrich.answering.batch import Batcher, Question
from enrich.classifiers.data import Picture, Record
from enrich.errors import ModelError
from enrich.graph.records import Subject
from enrich.ontology.terms import ENR
from enrich.settings.models import MediaSettings


class Pictures:
    """Stands for a source of pictures; tells when each was fetched."""

    settings = MediaSettings(ahead=4, parallel=2)

    def __init__(self) -> None:
        self.fetched = {n: threading.Event() for n in range(12)}

    def get(self, picture: Picture) -> Picture:
        self.fetched[int(picture.url)].set()
        return Picture(picture.url, failure="seen")


class Breaking:
    """Stands for a model that looks at pictures, and breaks on every record."""

    members = {"image": None}  # noqa: RUF012

    def predict(self, records: Sequence[Record]) -> dict[str, object]:
        assert all(p.failure == "seen" for r in records for p in r.pictures)
        raise ValueError("out of cheese")


def question(number: int, problem: str | None = None) -> Question:
    iri = f"http://museum.org/object/{number}"
    return Question(
        Subject(NamedNode(iri), Record(iri, pictures=(Picture(str(number)),)), problem=problem), ("place",)
    )


def batcher(model: Breaking, pictures: Pictures) -> Batcher:
    workspace = SimpleNamespace()
    return Batcher(workspace, model, ("place",), None, None, pictures)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PIECE", 3)


def test_pictures_of_the_next_records_are_fetched_while_the_caller_is_busy() -> None:
    pictures = Pictures()
    pieces = batcher(Breaking(), pictures).answer([question(n) for n in range(12)])

    first = next(pieces)

    assert [a.subject.iri.value[-1] for a in first] == ["0", "1", "2"]
    for n in (3, 4, 5):
        assert pictures.fetched[n].wait(10), "nothing asked for it, and yet it must come"
    assert not pictures.fetched[11].is_set(), "no more are fetched than may wait"
    pieces.close()
    assert not pictures.fetched[11].is_set()


def test_every_record_is_answered_once_and_in_order() -> None:
    asked = [question(n, "not to be read" if n == 4 else None) for n in range(7)]
    pieces = list(batcher(Breaking(), Pictures()).answer(asked))
    found = [a for piece in pieces for a in piece]
    assert [len(piece) for piece in pieces] == [3, 3, 1]
    assert [a.subject.iri for a in found] == [q.subject.iri for q in asked]
    assert [a.decision.detail for a in found] == [
        "not to be read" if n == 4 else "ValueError: out of cheese" for n in range(7)
    ]
    assert {a.decision.outcome for a in found} == {ENR.Failed}


def test_a_model_that_breaks_on_all_of_a_batch_is_at_fault_itself() -> None:
    pieces = batcher(Breaking(), Pictures()).answer([question(n) for n in range(9)])
    assert [len(next(pieces)) for _ in range(3)] == [3, 3, 3]
    with pytest.raises(ModelError, match="all 9 records"):
        next(pieces)


def test_where_pictures_are_looked_at_the_first_pieces_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is predicted until the pictures of a whole piece are there."""
    monkeypatch.setattr(batches, "PIECE", 20)
    asked = [question(n) for n in range(7)]
    pictured = list(batcher(Breaking(), Pictures()).answer(asked))
    monkeypatch.setattr(batches, "FIRST", 2)
    grown = list(batcher(Breaking(), Pictures()).answer(asked))
    monkeypatch.setattr(Breaking, "members", {})
    blind = list(batcher(Breaking(), Pictures()).answer(asked))
    assert [[len(piece) for piece in pieces] for pieces in (pictured, grown, blind)] == [[7], [2, 3, 2], [7]]
