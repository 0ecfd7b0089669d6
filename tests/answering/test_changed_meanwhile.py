"""What changes while a run is under way: facts, records, its profile, and the run itself, when it is cancelled."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from pyoxigraph import NamedNode, Quad

from enrich.answering import batch
from enrich.answering import run as pipeline
from enrich.errors import RunError
from enrich.graph.stores.base import Store
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.ontology.profile_files import load_profile
from enrich.runs.jobs import cancel
from enrich.runs.register import OPEN
from enrich.workers.context import WorkerContext
from enrich.workspace import Workspace
from tests.workers.small import (
    EVERYTHING,
    GAPS,
    RISD,
    VAM,
    Queue,
    answered,
    ask,
    begun,
    facts,
    killed_run,
    model_of,
    record,
    small_service,
    state,
)

ENGINES = ["workers", "enrich run"]
GoesOn = Callable[[], object]


@pytest.fixture(params=ENGINES)
def under_way(
    request: pytest.FixtureRequest, service: WorkerContext, queue: Queue
) -> tuple[NamedNode, GoesOn]:
    """A run with some batches done, and how it goes on."""
    if request.param == "workers":
        return begun(service, queue), queue.all
    run = NamedNode(killed_run(service))
    return run, lambda: pipeline.run(service.workspace, model_of(service))


def delete(store: Store, gone: list[NamedNode]) -> None:
    """Delete records with all that is said of them."""
    for thing in gone:
        for graph in (VAM, RISD):
            store.update(f"DELETE WHERE {{ GRAPH {graph} {{ {thing} ?p ?o }} }}")
            store.update(f"DELETE WHERE {{ GRAPH {graph} {{ ?s ?p {thing} }} }}")


def test_what_was_filled_in_or_deleted_meanwhile_is_not_answered(
    tmp_path: Path, redis_url: str, store: Store
) -> None:
    """On every kind of store the shards that held an answer to it are made smaller."""
    store.insert(facts())
    service = small_service(tmp_path, redis_url, store)
    queue = Queue(service)
    job = begun(service, queue)
    place = load_profile("silknow").property("place")
    filled, gone = [record(0), record(GAPS - 1)], [record(1), record(GAPS - 2)]
    for thing in filled:
        made = NamedNode(thing.value.replace("/object/", "/production/"))
        store.insert([Quad(made, place.predicate.predicate, place.classes[0], VAM)])
    delete(store, gone)
    queue.all()
    assert state(service, job) == "done"
    assert answered(service) == sorted(set(EVERYTHING) - {r.value for r in filled + gone})
    done = service.register.get(job)
    assert (done.records, (done.predicted or 0) + (done.abstained or 0)) == (GAPS - 4, GAPS - 4)
    shards = {g.value for g in store.graphs() if g.value.startswith(f"{service.names.graph_prefix}run/")}
    assert shards == service.register.shards(job)
    assert any(re.search(r"-p[0-9a-f]{16}$", shard) for shard in shards)
    service.let_go_of_runs()


def test_a_record_deleted_meanwhile_gets_no_answer(
    service: WorkerContext, under_way: tuple[NamedNode, GoesOn]
) -> None:
    run, goes_on = under_way
    gone = [record(0), record(GAPS - 1)]
    delete(service.store, gone)
    goes_on()
    assert state(service, run) == "done"
    assert answered(service) == sorted(set(EVERYTHING) - {r.value for r in gone})


@pytest.fixture
def profile_file(service: WorkerContext, tmp_path: Path) -> Path:
    """The profile of the service, in a file of its own."""
    file = tmp_path / "silknow.toml"
    file.write_bytes(Path("ontology/profiles/silknow.toml").read_bytes())
    service.settings.__dict__["profile"] = str(file)
    begun_anew(service)
    return file


def begun_anew(service: WorkerContext) -> None:
    """What another process would read, it reads."""
    service.let_go_of_runs()
    service.workspace = Workspace(service.settings, service.store)


def test_a_run_goes_on_only_with_the_profile_that_it_began_with(
    service: WorkerContext, profile_file: Path, under_way: tuple[NamedNode, GoesOn]
) -> None:
    """Given a profile that is edited meanwhile, then the run stops and says so, until it is as it was."""
    run, goes_on = under_way
    text = profile_file.read_text(encoding="utf-8")
    edited = text.replace('label = "place of production"', 'label = "where it was woven"')
    assert edited != text
    profile_file.write_text(edited, encoding="utf-8")
    begun_anew(service)
    with suppress(RunError):
        goes_on()
    assert state(service, run) == "failed"
    assert "profile" in str(service.plan(run).failure())
    profile_file.write_text(text, encoding="utf-8")
    begun_anew(service)
    service.plan(run).resume()
    goes_on()
    assert state(service, run) == "done"
    assert answered(service) == EVERYTHING


@pytest.mark.parametrize("engine", ENGINES)
def test_a_shard_that_is_written_on_after_its_run_was_cancelled_is_dropped(
    engine: str, tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a run that is cancelled, and its graphs dropped, before the second piece of a batch is written, then that
    piece is not left."""
    store, written = EmbeddedStore(shared=True), []
    store.insert(facts())
    service = small_service(tmp_path, redis_url, store)
    write_graph = store.write_graph

    def write(graph: NamedNode, triples: bytes) -> None:
        if len(written) == 1:
            cancel(store, service.names, NamedNode(service.register.runs(OPEN)[0].run))
        written.append(graph)
        write_graph(graph, triples)

    monkeypatch.setattr(batch, "PIECE", 2)
    monkeypatch.setattr(store, "write_graph", write)
    if engine == "workers":
        ask(service)
        Queue(service).all()
    else:
        with pytest.raises(RunError, match="was taken back while it was under way"):
            pipeline.run(service.workspace, model_of(service))
    assert len(written) > 1
    assert not [graph for graph in store.graphs() if "/graph/run/" in graph.value]
    service.let_go_of_runs()
    store.close()
