"""Several runs, operators, beats and deliveries at once: one writes at a time, and nothing is done twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from pyoxigraph import NamedNode

from enrich.answering.batch_work import DONE, GONE, LOST, do_batch
from enrich.answering.finalize import finalize
from enrich.answering.planner import make_plan
from enrich.classifiers.model.description import ModelDescription
from enrich.runs.request import JOB, NIGHTLY, Request, make_request, open_run
from enrich.settings.loading import load_settings
from enrich.workers.app import make_app
from enrich.workers.context import WorkerContext
from enrich.workers.reconcile import reconcile
from enrich.workers.tasks import Messages
from tests.workers import museum as m
from tests.workers.museum import Museum

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Silent:
    """Sends nothing."""

    def plan(self, run: str) -> None:
        """Nothing."""

    def batch(self, run: str, name: str, *, nightly: bool) -> None:
        """Nothing."""


@contextmanager
def service(museum: Museum) -> Iterator[WorkerContext]:
    """A worker's service in this process."""
    made = WorkerContext(load_settings(museum.folder / "enrich.toml"))
    try:
        yield made
    finally:
        made.close()


def planned(museum: Museum, made: WorkerContext, **request: object) -> NamedNode:
    """A job that is planned, with the lease, whose batches nobody has been sent."""
    folder = museum.folder / "model"
    model = ModelDescription.read(folder)
    asked = make_request(made.workspace, JOB, folder, model, **request)  # type: ignore[arg-type]
    run, new = open_run(made.workspace, model, asked)
    assert new
    assert make_plan(made, run, lambda: None).complete
    reconcile(made, Silent())
    return run


def test_the_same_batch_five_times_at_once(museum: Museum) -> None:
    """Given five deliveries of every batch at the same time, then exactly one of each counts."""
    with service(museum) as first:
        run = planned(museum, first, limit=60)
        names = first.plan(run).names_pending(100)
        assert len(names) == 6
        start = threading.Barrier(5)

        def deliver(name: str) -> str:
            with service(museum) as own:
                own.models = first.models
                start.wait(20)
                return do_batch(own, run, name)

        for name in names:
            with ThreadPoolExecutor(5) as pool:
                outcomes = list(pool.map(deliver, [name] * 5))
            assert outcomes.count(DONE) == 1, outcomes
            assert set(outcomes) <= {DONE, GONE, LOST}
            assert do_batch(first, run, name) == GONE
        assert finalize(first, run)
        assert not finalize(first, run)
    answers = m.answers_of(museum.store())
    assert len({record for _, record, *_ in answers}) == 60
    assert len(answers) == len({(record, name) for _, record, name, _ in answers})
    graphs = {g.value for g in museum.store().graphs() if "/graph/run/" in g.value}
    assert graphs == {graph for graph, *_ in answers}, "graphs of deliveries that did not count are left"
    assert museum.facts() == museum.facts_before


def test_two_operators_at_once_are_told_of_one_run(museum: Museum) -> None:
    """Given the same job queued twice at once, then there is one run, and the second is told which."""
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda _: museum.enrich("queue", "--model", "model", "--json"), range(2)))
    assert len({done.stdout for done in said}) == 1
    assert sorted("is under way already" in done.stderr for done in said) == [False, True]
    assert len(museum.jobs()) == 1


def test_a_job_that_names_no_record_is_refused(museum: Museum) -> None:
    """Given records, or a context's value, that the graph does not have, when a job is queued, then there is none."""
    (museum.folder / "none.txt").write_text("https://elsewhere.example/1\n")
    for words, sentence in (
        (("--records", "none.txt"), "1 of the 1 records that none.txt names are no records"),
        (("--where", "museum=https://elsewhere.example/"), "no record has museum=https://elsewhere.example/"),
    ):
        refused = museum.enrich("queue", "--model", "model", *words, check=False)
        assert refused.returncode == 2
        assert sentence in refused.stderr
    assert museum.jobs() == []


def test_a_job_overtakes_the_nightly_run(museum: Museum) -> None:
    """Given a nightly run under way, when a job is queued, then it is done first, and no gap twice."""
    nightly_settings(museum, "0 2 * * *")
    museum.slow(0.1)
    worker = museum.worker(1, ENRICH_RUN__BATCH="2")
    settings = load_settings(museum.folder / "enrich.toml")
    make_app(settings).send_task("enrich.nightly")
    m.wait_for(lambda: museum.jobs() and museum.jobs()[0]["answered"], 60, "the nightly run to be under way")
    chosen = sorted({record for record, _ in m.open_gaps(museum.folder, museum.store())})[-30:]
    (museum.folder / "some.txt").write_text("\n".join(chosen))
    job = museum.json("queue", "--model", "model", "--records", "some.txt")["job"]
    museum.wait_for_job(job, 60)
    kinds = {found["kind"]: found for found in museum.jobs()}
    assert kinds["nightly"]["state"] == "running", "the nightly run was done before the job"
    museum.hurry()
    assert kinds["job"]["answered"] > 0
    museum.wait_for_job(kinds["nightly"]["job"])
    museum.check(runs=2)
    ended = {found["kind"]: found["ended"] for found in museum.jobs()}
    assert ended["job"] <= ended["nightly"]
    museum.kill(worker)


def small_batches(museum: Museum) -> None:
    """Make a run long enough for a command to be started while it goes on."""
    file = museum.folder / "enrich.toml"
    text = file.read_text()
    assert "batch = 10\n" in text
    file.write_text(text.replace("batch = 10\n", "batch = 2\n"))


def test_cancel_and_retract_during_a_run(museum: Museum) -> None:
    """Given runs under way, when one is cancelled and one retracted, then nothing of them is left or seen."""
    small_batches(museum)
    museum.slow(0.1)
    museum.worker(2)
    for verb in ("cancel", "retract"):
        said = museum.json("queue", "--model", "model")
        m.wait_for(lambda job=said["job"]: museum.job(job)["answered"], 60, "work to begin")
        museum.enrich(verb, said["run"], "--yes")
        assert museum.job(said["job"])["state"] == "cancelled"
    museum.hurry()
    done = museum.json("queue", "--model", "model")["job"]
    museum.wait_for_job(done)
    m.wait_for(lambda: not museum.logs("unforeseen"), 1, "no surprise")
    museum.check()


def test_pause_and_resume(museum: Museum) -> None:
    """Given a job that is paused, then it rests until it is resumed."""
    small_batches(museum)
    museum.worker(1)
    said = museum.json("queue", "--model", "model")
    m.wait_for(lambda: museum.job(said["job"])["answered"], 60, "work to begin")
    museum.enrich("pause", said["job"])
    m.wait_for(lambda: not museum.job(said["job"])["holds_lease"], 20, "the lease to be given up")
    before = museum.job(said["job"])["answered"]
    assert museum.job(said["job"])["paused"]
    museum.enrich("resume", said["job"])
    museum.wait_for_job(said["job"])
    assert before < museum.job(said["job"])["answered"]
    museum.check()


def nightly_settings(museum: Museum, schedule: str) -> None:
    """Set the schedule in enrich.toml."""
    file = museum.folder / "enrich.toml"
    file.write_text(file.read_text() + f'schedule = "{schedule}"\n')


def test_two_beats_make_up_one_missed_night(museum: Museum) -> None:
    """Given a night that was missed and two beats, then one run answers every gap exactly once.

    One beat is killed meanwhile."""
    nightly_settings(museum, "0 * * * *")
    with service(museum) as made:
        model = ModelDescription.read(museum.folder / "model")
        before = Request(
            NIGHTLY, str(museum.folder / "model"), model.digest, ("place",), slot="2026-01-01T00:00:00Z"
        )
        run, _ = open_run(made.workspace, model, before)
        made.register.activate(run, {"records": 0, "predicted": 0, "abstained": 0, "failed": 0})
    beats = [museum.start("beat"), museum.start("beat")]
    museum.worker(2)
    m.wait_for(lambda: len(museum.jobs()) == 2, 60, "beat to fire")
    museum.kill(beats[0])
    nightly = museum.jobs()[1]
    assert nightly["kind"] == "nightly"
    museum.wait_for_job(nightly["job"])
    museum.check(runs=1)  # the empty night before is forgotten when the next one ends


def test_messages_of_every_kind_can_be_sent(museum: Museum) -> None:
    """What is sent is JSON, with its priority; it waits until a worker comes."""
    with service(museum) as made:
        app = make_app(made.settings)
        messages = Messages(app, made.settings)
        messages.plan("https://data.example.org/enrich/run/none")
        messages.batch("https://data.example.org/enrich/run/none", "0", nightly=True)
        messages.reconcile()
        assert made.broker.queue_lengths() == {"enrich": 3}
