"""The runbook's smaller sentences, followed without processes: what an operator reads and does, and what comes of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pyoxigraph import NamedNode, Quad
from structlog.testing import capture_logs

from enrich.classifiers.model.manifest import write_manifest
from enrich.cli import jobs as verbs
from enrich.errors import StoreUnavailable
from enrich.ontology.terms import ENR, RDFS
from enrich.workers import metrics
from enrich.workers.context import WorkerContext
from enrich.workers.tasks import run_nightly
from tests.workers import museum as m
from tests.workers.museum import BASE
from tests.workers.small import EVERYTHING, Queue, answered, ask, enrich_in, record, state
from tests.workers.test_failures_in_one_process import dead_attempts


@pytest.fixture
def operator(service: WorkerContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verbs about jobs look at the service's own store."""

    @contextmanager
    def opened(**_: object) -> Iterator[object]:
        yield service.workspace

    monkeypatch.setattr(verbs, "open_workspace", opened)


def night(service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch, day: int) -> NamedNode:
    """Ask for the night of a day in January."""
    slot = datetime(2026, 1, day, 2, tzinfo=UTC)
    monkeypatch.setattr("enrich.workers.tasks.last_slot", lambda *_: slot)
    return NamedNode(run_nightly(service, queue))  # type: ignore[arg-type]


def counted(reason: str) -> float:
    """Failures of this reason."""
    return REGISTRY.get_sample_value("enrich_failures_total", {"reason": reason}) or 0.0


def test_a_night_that_met_a_store_that_was_down_says_so_and_is_opened_when_asked_again(
    service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("the store is away")

    with monkeypatch.context() as patch, capture_logs() as lines:
        patch.setattr("enrich.workers.tasks.open_run", away)
        assert run_nightly(service, queue) == "error"  # type: ignore[arg-type]
    (said,) = [line for line in lines if "could not be opened" in line["event"]]
    assert said["reason"] == "the store is away"
    run = night(service, queue, monkeypatch, 1)
    queue.all()
    assert state(service, run) == "done"


@pytest.mark.usefixtures("operator")
def test_a_failed_night_is_listed_with_its_reason_and_does_not_keep_the_next_from_starting(
    service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a night that failed, then the next is begun and answers every gap; the failed one is given up."""
    first = night(service, queue, monkeypatch, 1)
    service.plan(first).fail("the model is gone")

    verbs.jobs()
    assert "failed" in capsys.readouterr().out
    verbs.job(first.value)
    assert "the model is gone" in capsys.readouterr().out
    second = night(service, queue, monkeypatch, 2)
    queue.all()

    assert first != second
    assert (state(service, first), state(service, second)) == ("failed", "done")
    verbs.cancel(first.value, yes=True)
    assert state(service, first) == "cancelled"
    assert answered(service) == EVERYTHING


@pytest.mark.usefixtures("operator")
def test_a_paused_job_is_listed_as_such_until_it_is_resumed(
    service: WorkerContext, queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ask(service)
    verbs.pause(run.value)
    verbs.jobs()
    assert "paused" in capsys.readouterr().out
    assert queue.all() == []
    verbs.resume(run.value)
    queue.all()
    assert state(service, run) == "done"


def quarantine(service: WorkerContext, queue: Queue, poison: NamedNode) -> None:
    """A job in which a record kills its processes until it is recorded as failed."""
    run = ask(service)
    queue.reconcile()
    queue.one()
    while queue.messages:
        name = queue.messages[0][2]
        found = service.plan(run).look(name)
        if found is not None and poison in found.records:
            dead_attempts(service, run, name, 3)
        queue.one()
    assert state(service, run) == "done"


def outcomes(service: WorkerContext, about: NamedNode) -> list[str]:
    """What was answered about a record, in the order of the runs."""
    ordered = (
        f"SELECT ?outcome WHERE {{ GRAPH <{BASE}graph/runs> {{ ?run {ENR.graph} ?g ; {ENR.order} ?order }} "
        f"GRAPH ?g {{ ?p {ENR.about} {about} ; {ENR.outcome} ?outcome }} }} ORDER BY ?order"
    )
    return [
        str(row[0].value).rpartition("#")[2] for row in service.store.select(ordered) if row[0] is not None
    ]


def test_the_log_names_a_quarantined_record_and_the_graph_says_why(
    service: WorkerContext, queue: Queue
) -> None:
    poison, before = record(7), {reason: counted(reason) for reason in metrics.REASONS}
    with capture_logs() as lines:
        quarantine(service, queue, poison)

    assert [line["record"] for line in lines if line["event"] == "record quarantined"] == [poison.value]
    rows = service.store.select(
        f"SELECT ?reason ?why WHERE {{ GRAPH ?g {{ ?p {ENR.about} {poison} ; {ENR.reason} ?reason ; {ENR.detail} ?why }} }}"
    )
    ((reason, why),) = rows
    assert reason is not None
    assert why is not None
    assert "killed its worker process 3 times" in why.value
    name = reason.value.rpartition("#")[2]
    assert counted(name) == before[name] + 1, "the metric counts by the reason that the graph says"


@pytest.mark.parametrize("what", ["nothing", "the model", "the record"])
def test_a_quarantined_record_is_tried_again_by_the_next_model_or_when_its_data_have_changed(
    service: WorkerContext, queue: Queue, tmp_path: Path, what: str
) -> None:
    poison = record(7)
    quarantine(service, queue, poison)
    if what == "the model":  # trained into the same folder
        (tmp_path / "model" / "README.md").write_text("Another model.\n")
        write_manifest(tmp_path / "model")
    if what == "the record":
        graph = NamedNode("http://data.silknow.org/graph/vam")
        service.store.insert([Quad(poison, RDFS.label, m.ox.Literal("mended"), graph)])

    ask(service)
    queue.all()

    told = outcomes(service, poison)
    assert told[0] == "Failed"
    assert len(told) == (1 if what == "nothing" else 2)
    assert "Failed" not in told[1:]


def test_a_worker_whose_settings_are_wrong_says_which_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "enrich.toml").write_text('[workers]\nconcurrency = "many"\n')
    done = enrich_in(tmp_path, "worker")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "workers.concurrency" in done.stderr


@pytest.mark.parametrize("deleted", [False, True])
def test_the_log_files_of_a_store_hold_what_was_written_last(tmp_path: Path, deleted: bool) -> None:
    """Given an Oxigraph that was killed, then what it said was written is there, unless its log files were deleted."""
    server, url = m.oxigraph_server(tmp_path / "store")
    written = Quad(record(1), RDFS.label, m.ox.Literal("new"), NamedNode("https://g.example/1"))
    with m.running(server):
        with m.open_store(query_url=f"{url}/query", update_url=f"{url}/update") as store:
            store.insert([written])
        server.end(signal.SIGKILL)
        logs = [file for file in (tmp_path / "store").glob("*.log") if file.stat().st_size]
        assert logs
        for file in logs if deleted else ():
            file.unlink()
        server.start()
        with m.open_store(query_url=f"{url}/query", update_url=f"{url}/update") as store:
            assert store.ask("ASK { GRAPH ?g { ?s ?p ?o } }") != deleted
