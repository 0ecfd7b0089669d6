"""A load that adds beside one that replaces: whoever cannot have all that was said is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyoxigraph import Quad

from enrich.errors import StoreError
from enrich.graph.load_register import LOADING, register_of
from enrich.graph.loading import load_files
from enrich.graph.stores import Store
from tests.conftest import STORES, opened
from tests.graph.test_replacing import OURS, G, H, all_of, manner, opened_again, place, put, told, values

__all__ = ["place"]


@pytest.fixture(params=STORES[2:])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """A store that holds wool, and another view of it: no process has it alone."""
    with opened(request, request.param, tmp_path) as one, opened_again(request, request.param, one) as other:
        put(one, all_of("wool"))
        yield one, other


def marks(store: Store) -> list[str]:
    return [mark.value for mark in register_of(store, OURS).marks().get(G, ())]


def test_a_load_while_a_replacement_compares_stops_the_replacement(
    two: tuple[Store, Store], place: Path
) -> None:
    """Given felt that is added while hemp is compared with wool, then hemp is told and has written nothing."""
    store, other = two
    (place / "felt.nq").write_text(told(9_000, "felt"))

    def compared() -> Iterator[Quad]:
        yield from all_of("hemp")
        load_files(other, [place / "felt.nq"], manner(place))

    with pytest.raises(
        StoreError, match=f"another load wrote to {G.value} while this one compared, and this"
    ):
        put(store, compared())
    assert {value for _, value in values(store)} == {"wool", "felt"}
    assert put(store, all_of("hemp")).removed == 601
    assert len(marks(store)) == 1


def test_a_load_whose_graph_is_replaced_meanwhile_is_told(
    two: tuple[Store, Store], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given hemp in the place of wool while felt is being added, then felt is told, and comes with the next try."""
    store, other = two
    (place / "felt.nq").write_text(told(9_000, "felt"))
    insert = store.insert

    def interrupted(quads: Iterator[Quad], *, bulk: bool = False) -> None:
        put(other, all_of("hemp"))
        insert(quads, bulk=bulk)

    monkeypatch.setattr(store, "insert", interrupted)
    with pytest.raises(
        StoreError, match=f"another load replaced {G.value} while this one wrote to it.*load again"
    ):
        load_files(store, [place / "felt.nq"], manner(place))
    monkeypatch.undo()
    load_files(store, [place / "felt.nq"], manner(place))
    assert {value for _, value in values(store)} == {"hemp", "felt"}


def test_loads_one_after_the_other_and_into_other_graphs_tell_nobody(
    two: tuple[Store, Store], place: Path
) -> None:
    """Nor do two that add to one graph at once, nor what a killed one left; marks do not pile up."""
    store, other = two
    (place / "felt.nq").write_text(told(9_000, "felt"))
    (place / "silk.nq").write_text(told(9_000, "silk") + told(1, "silk", H))
    for _ in range(3):
        load_files(store, [place / "felt.nq"], manner(place))
    with register_of(store, OURS).adding([G]):
        load_files(other, [place / "silk.nq"], manner(place))
    assert len(marks(store)) == 2
    left = register_of(store, OURS).adding([G])
    left.__enter__()
    assert any(mark.startswith(LOADING) for mark in marks(store))
    assert put(store, all_of("hemp")).removed == 602
    assert len(marks(store)) == 1
