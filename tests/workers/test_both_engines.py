"""`enrich run` and workers on one store, killed, stopped and begun together: each gap is answered once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from pyoxigraph import NamedNode

from tests.workers import museum as m
from tests.workers.http_proxy import LOSE, TWICE, store_proxy
from tests.workers.museum import Museum, Server
from tests.workers.proxy import DOWN, ERROR, PASS, proxy
from tests.workers.test_runs_together import small_batches

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

RUN = ("run", "--model", "model", "--json")
UNDER_WAY, NO_STORE = 6, 3


def ended(process: subprocess.Popen[bytes], seconds: float = 120) -> int:
    """The exit code of a process that ends."""
    return process.wait(seconds)


def so_far(museum: Museum) -> int:
    """The gaps answered until now, by all runs."""
    return sum(job["answered"] for job in museum.jobs())


def test_enrich_run_killed_again_and_again_ends_whole(museum: Museum) -> None:
    """Given a run that is killed at random moments, when it is started again each time, then it goes on where
    it was, and in the end nothing is doubled or left."""
    small_batches(museum)
    chance = random.Random(4)
    for _ in range(6):
        process = museum.start(*RUN)
        time.sleep(chance.uniform(1.5, 3.0))
        museum.kill(process)
    runs = {job["run"] for job in museum.jobs()}
    assert len(runs) <= 1, "a killed run was not taken up"
    if not any(job["state"] == "done" for job in museum.jobs()):
        museum.json(*RUN)
    museum.check()


def test_enrich_run_isolates_poison_as_workers_do(museum: Museum) -> None:
    """Given a record that ends its process, when the run is started again each time, then that record alone
    fails, by name."""
    gaps = sorted(m.open_gaps(museum.folder, museum.store()))
    poison = gaps[len(gaps) // 2][0]
    for _ in range(20):
        done = museum.enrich(*RUN, check=False, POISON=f"segfault={poison}")
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGSEGV, done.stderr
    lost = {gap for gap in gaps if gap[0] == poison}
    museum.check(failed=len(lost))
    assert {(r, n) for _, r, n, outcome in m.answers_of(museum.store()) if outcome == "Failed"} == lost


def test_enrich_run_has_the_same_time_limit(museum: Museum) -> None:
    """Given a record that takes for ever, then its batch is bisected when its time is up, within one run."""
    gaps = sorted(m.open_gaps(museum.folder, museum.store()))
    poison = gaps[0][0]
    done = museum.enrich(*RUN, POISON=f"hang={poison}", ENRICH_WORKERS__TIME_LIMIT="2")
    lost = {gap for gap in gaps if gap[0] == poison}
    assert f'"failed": {len(lost)}' in done.stdout
    museum.check(failed=len(lost))


def test_two_begun_in_the_same_instant(museum: Museum) -> None:
    """Given two runs begun at once, three times over, then one goes on and the other is told of it."""
    small_batches(museum)
    for turn in range(3):
        both = [museum.start(*RUN) for _ in range(2)]
        codes = sorted(ended(process) for process in both)
        assert codes in ([0, UNDER_WAY], [0, 0]), museum.logs()[-3:]
        museum.check()
        for job in museum.jobs():
            if job["state"] == "done" and turn < 2:
                museum.enrich("retract", job["run"], "--yes")


def test_a_job_and_enrich_run_begun_together(museum: Museum) -> None:
    """Given workers with a job and a run of its own process begun together, then whoever is first goes on, and
    no gap is answered twice."""
    small_batches(museum)
    museum.worker(2)
    own = museum.start(*RUN)
    job = museum.json("queue", "--model", "model")["job"]
    code = ended(own)
    museum.wait_for_job(job)
    if code != 0:
        assert code == UNDER_WAY
    museum.check(runs=1 + (code == 0 and len(museum.jobs()) > 1))


def test_a_job_stopped_in_the_middle_and_enrich_run_over_all(museum: Museum) -> None:
    """Given a job whose workers are gone and whose lease has run out, when a run of its own process answers all
    and the job goes on, then the job adds nothing."""
    small_batches(museum)
    museum.environment["ENRICH_RUN__LEASE"] = "2"
    museum.slow(0.1)
    worker = museum.worker(1)
    job = museum.json("queue", "--model", "model")["job"]
    m.wait_for(lambda: museum.job(job)["answered"], 60, "work to begin")
    museum.kill(worker)
    museum.hurry()
    time.sleep(3)
    museum.json(*RUN)
    museum.worker(1)
    museum.wait_for_job(job)
    museum.check(runs=2)


def test_a_worker_stopped_for_longer_than_its_messages_wait(museum: Museum) -> None:
    """Given a worker that stands still for longer than the visibility time-out and is let go again, then what it
    had begun counts once."""
    small_batches(museum)
    museum.slow(0.1)
    stopped = museum.worker(1)
    job = museum.json("queue", "--model", "model")["job"]
    m.wait_for(lambda: museum.job(job)["answered"], 60, "work to begin")
    os.killpg(stopped.pid, signal.SIGSTOP)
    museum.hurry()
    museum.worker(1)
    time.sleep(8)
    os.killpg(stopped.pid, signal.SIGCONT)
    museum.wait_for_job(job)
    museum.check()


def test_enrich_run_stopped_for_longer_than_its_lease(little: Museum) -> None:
    """Given a run that stands still until its lease is over and another process has completed it, when it is let go
    again, then it says so, and what it had begun counts once."""
    little.environment["ENRICH_RUN__LEASE"] = "2"
    little.slow(0.3)
    stopped = little.start(*RUN)
    m.wait_for(lambda: so_far(little), 60, "the run to be under way")
    os.killpg(stopped.pid, signal.SIGSTOP)
    little.hurry()
    time.sleep(2.5)
    little.json(*RUN)
    os.killpg(stopped.pid, signal.SIGCONT)
    assert ended(stopped) == UNDER_WAY
    assert little.logs("has taken the lease"), little.logs()[-3:]
    little.check()


def test_enrich_run_on_a_store_that_goes_down_and_fails(little: Museum) -> None:
    """Given a store that goes down, and later answers with 500 only, when the run is started again each time, then it
    goes on where it was, and in the end nothing is doubled or left."""
    with proxy(int(little.environment["TEST_STORE"].rpartition(":")[2])) as before_store:
        for name in ("query", "update"):
            little.environment[f"ENRICH_STORE__{name.upper()}_URL"] = f"{before_store.url}/{name}"
        little.environment["ENRICH_STORE__GRAPH_STORE_URL"] = f"{before_store.url}/store"
        little.slow(0.3)
        for mode in (DOWN, ERROR):
            before = so_far(little)
            own = little.start(*RUN)
            m.wait_for(lambda before=before: so_far(little) > before, 60, "work to begin")
            before_store.mode = mode
            assert ended(own) == NO_STORE, (mode, little.logs()[-3:])
            before_store.mode = PASS
        little.hurry()
        little.json(*RUN)
    little.check()


def test_what_a_killed_process_wrote_for_a_run_that_had_ended_is_dropped(museum: Museum) -> None:
    """Given a run that has ended and a graph that a late process wrote for it, when that process is killed, then the
    graph is dropped though no other run follows."""
    worker = museum.worker(1)
    museum.wait_for_job(museum.json("queue", "--model", "model")["job"])
    run = next(g for g in museum.store().graphs() if "/graph/run/" in g.value).value.rpartition("/")[0]
    museum.store().write_graph(
        NamedNode(f"{run}/late"), b"<https://m.example/a> <https://m.example/b> <https://m.example/c> ."
    )
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    assert children
    museum.check()


def test_clocks_two_hours_apart(museum: Museum) -> None:
    """Given a worker whose clock is two hours ahead and an operator whose is two behind, then leases go by the
    store's clock: a run under way is not taken for dead, and each gap is answered once."""
    small_batches(museum)
    museum.worker(1, CLOCK_SHIFT="7200")
    job = museum.json("queue", "--model", "model", CLOCK_SHIFT="-7200")["job"]
    m.wait_for(lambda: museum.job(job)["answered"], 60, "work to begin")
    own = museum.enrich(*RUN, check=False, CLOCK_SHIFT="-7200")
    assert own.returncode in (0, UNDER_WAY), own.stderr
    museum.wait_for_job(job)
    museum.check()


@pytest.mark.parametrize("mode", [LOSE, TWICE])
def test_answers_lost_and_requests_delivered_twice(
    mode: str, tmp_path: Path, graph: tuple[Server, str], broker: tuple[Server, str]
) -> None:
    """Given a store whose every third answer to a write is lost after it acted, or that gets every third write
    twice, then both engines end whole."""
    with m.running(graph[0], broker[0]), store_proxy(int(graph[1].rpartition(":")[2])) as between:
        museum = m.set_up(tmp_path / "museum", graph[1], broker[1])
        museum.environment |= {
            "ENRICH_STORE__QUERY_URL": f"{between.url}/query",
            "ENRICH_STORE__UPDATE_URL": f"{between.url}/update",
            "ENRICH_STORE__GRAPH_STORE_URL": f"{between.url}/store",
        }
        between.mode = mode
        try:
            museum.worker(1)
            job = museum.json("queue", "--model", "model", "--limit", "40")["job"]
            museum.wait_for_job(job, 200)
            museum.json(*RUN)
            assert between.meddled > 5
            museum.check(runs=2)
        finally:
            museum.end()


def test_enrich_run_is_paused_resumed_and_cancelled_by_the_same_verbs(museum: Museum) -> None:
    """Given a run of its own process, then `enrich pause`, `resume` and `cancel` do to it what they do to jobs."""
    small_batches(museum)
    museum.slow(0.1)
    own = museum.start(*RUN)
    m.wait_for(lambda: [job for job in museum.jobs() if job["answered"]], 60, "the run to be under way")
    (job,) = museum.jobs()
    museum.enrich("pause", job["job"])
    time.sleep(3)
    before = museum.job(job["job"])["answered"]
    time.sleep(3)
    assert museum.job(job["job"])["answered"] == before
    assert own.poll() is None
    museum.hurry()
    museum.enrich("resume", job["job"])
    assert ended(own) == 0
    museum.check()
    museum.enrich("retract", job["run"], "--yes")
    museum.slow(0.1)
    own = museum.start(*RUN)
    m.wait_for(
        lambda: museum.jobs()[-1]["state"] == "running" and museum.jobs()[-1]["answered"],
        60,
        "the second run to be under way",
    )
    museum.enrich("cancel", museum.jobs()[-1]["job"], "--yes")
    assert ended(own) == UNDER_WAY
    assert not [g for g in museum.store().graphs() if "/graph/run/" in g.value]
    assert museum.facts() == museum.facts_before
