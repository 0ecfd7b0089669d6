"""Servers that cap their answers: the cap is learned, what it cut is refused, and pages pass it."""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path

import pyoxigraph as ox
import pytest

from enrich.answering import run as pipeline
from enrich.demo.museum import museum_quads
from enrich.errors import QueryRefused, ResultTruncated
from enrich.graph.gaps import GapCount, count_gaps
from enrich.graph.stores import PAGE_TOKEN
from enrich.show.answers import Answer as QueryAnswer
from enrich.workspace import Workspace
from tests.graph.stores.made_answers import PAGED, SELECT, quads, store_at
from tests.hostile_http import Answer, Request, Script, hostile_server, results
from tests.museums import dummy_model, museum


def capped(held: int | ox.Store, cap: int) -> Script:
    """A server that holds a store, or so many quads, gives at most `cap` rows and says nothing, as some public
    endpoints do.

    It evaluates by an Oxigraph in memory, and cuts what comes out of it.
    """
    store = held if isinstance(held, ox.Store) else ox.Store()
    if isinstance(held, int):
        store.extend(quads(held))

    def script(request: Request) -> Answer:
        if request.path == "/update":
            store.update(request.text)
            return Answer(204)
        found = store.query(request.text, use_default_graph_as_union=True)
        if isinstance(found, ox.QueryTriples):
            lines = "".join(f"{triple} .\n" for triple in islice(found, cap)).encode()
            return Answer(body=lines, media_type="application/n-triples")
        if isinstance(found, ox.QueryBoolean):
            return Answer(body=found.serialize(format=ox.QueryResultsFormat.JSON) or b"")
        names = tuple(variable.value for variable in found.variables)
        out = io.StringIO()
        QueryAnswer(names, map(tuple, islice(found, cap))).write(out, "json")
        return Answer(body=out.getvalue().encode())

    return script


CAPS = [12, 37, 99, 100, 250, 500, 1_000, 2_500, 10_000]


@pytest.mark.parametrize("cap", CAPS)
def test_a_silent_cap_is_learned_and_what_it_cut_is_refused(cap: int) -> None:
    with (
        hostile_server(capped(cap + 3, cap)) as server,
        pytest.raises(ResultTruncated, match=f"{cap:,} of {cap + 3:,}"),
    ):
        list(store_at(server).select(SELECT))
    with hostile_server(capped(cap, cap)) as server:
        assert len(list(store_at(server).select(SELECT))) == cap


@pytest.mark.parametrize("cap", CAPS)
def test_a_construct_that_was_capped_is_refused(cap: int) -> None:
    with (
        hostile_server(capped(cap + 3, cap)) as server,
        pytest.raises(ResultTruncated, match=f"{cap:,} of {cap + 3:,}"),
    ):
        list(store_at(server).construct("CONSTRUCT WHERE { ?s ?p ?o }"))


@pytest.mark.parametrize("cap", CAPS)
def test_what_has_a_key_passes_any_cap(cap: int) -> None:
    with hostile_server(capped(2_345, cap)) as server:
        store = store_at(server)
        found = [row[0] for row in store.select_by_key(PAGED, "s")]
        assert len(set(found)) == len(found) == 2_345
        assert len(list(store.select_by_key(PAGED, "s", 300))) == 2_345


@pytest.mark.parametrize("rows", [40, 3_000])
def test_a_server_without_a_cap_is_probed_once_and_not_counted(rows: int) -> None:
    with hostile_server(capped(rows, 1_000_000)) as server:
        store = store_at(server)
        for _ in range(3):
            assert len(list(store.select(SELECT))) == rows
        assert len(server.requests) == 4
        assert not any("COUNT" in r.text for r in server.requests)


def test_a_cap_above_the_first_probe_is_found_by_a_larger_one() -> None:
    with hostile_server(capped(15_500, 15_000)) as server:
        store = store_at(server)
        with pytest.raises(ResultTruncated, match="15,000 of 15,500"):
            list(store.select(SELECT))
        assert len(list(store.select_by_key(PAGED, "s"))) == 15_500


@pytest.mark.parametrize("page", [300, 1_000, 5_000])
def test_pages_by_key_pass_a_cap_even_one_below_the_page(page: int) -> None:
    with hostile_server(capped(2_345, 1_000)) as server:
        found = [row[0] for row in store_at(server).select_by_key(PAGED, "s", page)]
    assert len(set(found)) == len(found) == 2_345


def test_a_run_through_a_capped_server_counts_every_gap_and_answers_it(tmp_path: Path) -> None:
    alone = museum(100)
    model, there = dummy_model(alone, tmp_path / "m"), count_gaps(alone)
    assert there.properties["time"].missing == 39
    store = ox.Store()
    store.extend(museum_quads(100, seed=3))
    with hostile_server(capped(store, 30)) as server:
        workspace = Workspace(alone.settings, store_at(server, timeout=60))
        assert count_gaps(workspace) == there
        done = pipeline.run(workspace, model, properties=["time"])
        assert done.predicted + done.abstained == 39
        assert count_gaps(workspace).properties["time"] == GapCount(39, 0)


def test_a_query_that_cannot_be_paged_is_refused() -> None:
    with hostile_server(capped(300, 100)) as server, pytest.raises(QueryRefused, match="#PAGE#"):
        store_at(server).select_by_key(SELECT, "s")


def test_a_key_with_more_rows_than_a_page_is_not_passed_over() -> None:
    same = Answer(body=results(["s"], [["http://example.org/1"]] * 50))
    with hostile_server(lambda _: same) as server, pytest.raises(ResultTruncated, match="50 rows or more"):
        list(store_at(server).select_by_key(f"SELECT ?s WHERE {{ ?s ?p ?o {PAGE_TOKEN} }}", "s", 50))
