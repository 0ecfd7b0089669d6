"""Whatever is killed, lost or broken during a run: in the end each gap is answered exactly once."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis

from tests import servers
from tests.workers import museum as m
from tests.workers.museum import Museum, Server
from tests.workers.proxy import DOWN, ERROR, HANG, MISSING, PASS, proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def began(museum: Museum, job: str, share: float = 0.0) -> bool:
    """Whether more than a share of a job's gaps are answered; it must not have ended."""
    found = museum.job(job)
    assert found["state"] == "running", "the run ended before any damage was done"
    return bool(found["gaps"] and found["answered"] > share * found["gaps"])


def served(port: int) -> str:
    """What a worker tells Prometheus."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        return str(answer.read(), "utf-8")


def goes_on(museum: Museum, job: str, before: int) -> bool:
    """Whether more of a job is answered than before, or all of it."""
    found = museum.job(job)
    return bool(found["answered"] > before or found["state"] == "done")


def no_run_is_seen(museum: Museum) -> None:
    """No answer counts before the run is whole."""
    assert not m.answers_of(museum.store())


def test_workers_killed_for_a_whole_run(museum: Museum, capsys: pytest.CaptureFixture[str]) -> None:
    """Given two workers under a supervisor, when one process after another is killed, then all is done."""
    chance = random.Random(5)
    museum.slow(0.2)
    supervised = [museum.worker(2)]
    job = museum.json("queue", "--model", "model")["job"]
    kills = 0
    while museum.job(job)["state"] == "running":
        no_run_is_seen(museum) if kills < 3 else None
        time.sleep(chance.uniform(1.0, 2.5) * (1 + kills / 20))  # a busy machine needs longer to get on
        worker = supervised[0]
        if worker.poll() is not None:
            supervised[0] = museum.worker(2)
            continue
        children = psutil.Process(worker.pid).children()
        if not children:
            continue
        if chance.random() < 0.15:
            museum.kill(worker)
        else:
            chance.choice(children).send_signal(signal.SIGKILL)
        kills += 1
        assert kills < 80, "the run did not get on"
    assert kills, "the run ended before any damage was done"
    last = time.monotonic()
    museum.wait_for_job(job, 60)
    failed = museum.check(failed=None)["Failed"]
    # Chance may kill a record each time that it is tried alone: then it is quarantined, and the log says so.
    quarantined = museum.logs("record quarantined")
    assert len(quarantined) <= 3
    assert bool(failed) == bool(quarantined)
    with capsys.disabled():
        print(f"\n{kills} kills; done {time.monotonic() - last:.1f} s after the last")


def test_planner_killed(museum: Museum, capsys: pytest.CaptureFixture[str]) -> None:
    """Given a planner that is killed in the middle, then the plan is taken up, and no record is planned twice."""
    museum.slow(0.2)
    worker = museum.worker(1)
    job = museum.json("queue", "--model", "model")["job"]
    m.wait_for(lambda: museum.job(job)["batches_left"], 60, "the first batches of the plan")
    museum.kill(worker)
    killed = time.monotonic()
    no_run_is_seen(museum)
    museum.worker(2)
    m.wait_for(lambda: began(museum, job), 60, "work to go on")
    museum.hurry()
    with capsys.disabled():
        print(f"\nwork goes on {time.monotonic() - killed:.1f} s after the planner was killed")
    museum.wait_for_job(job)
    museum.check()


def test_redis_restarted_then_wiped(
    museum: Museum, broker: tuple[Server, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a Redis that keeps nothing, when it is restarted, and later emptied, then the run goes on."""
    museum.slow(0.2)
    port = servers.free_port()
    museum.worker(2, ENRICH_WORKERS__METRICS_PORT=str(port))
    job = museum.json("queue", "--model", "model")["job"]
    m.wait_for(lambda: began(museum, job), 60, "the first batches")
    m.wait_for(lambda: "enrich_broker_up 1.0" in served(port), 20, "a worker to tell that Redis is there")
    broker[0].end(signal.SIGKILL)
    museum.hurry()
    m.wait_for(lambda: "enrich_broker_up 0.0" in served(port), 20, "a worker to tell that Redis is away")
    assert "enrich_store_up 1.0" in served(port)
    broker[0].start()
    back = time.monotonic()
    before = museum.job(job)["answered"]
    m.wait_for(lambda: goes_on(museum, job, before), 60, "work after the restart")
    with capsys.disabled():
        print(f"\nwork goes on {time.monotonic() - back:.1f} s after Redis is back")
    redis.Redis.from_url(broker[1]).flushall()
    museum.wait_for_job(job)
    museum.check()


def test_everything_lost_and_resumed(museum: Museum, broker: tuple[Server, str]) -> None:
    """Given a run whose workers and messages are all gone, when it is resumed, then only the rest is done."""
    museum.slow(0.2)
    worker = museum.worker(1)
    job = museum.json("queue", "--model", "model")["job"]
    m.wait_for(lambda: began(museum, job, 0.2), 60, "a part to be done")
    museum.kill(worker)
    museum.hurry()
    redis.Redis.from_url(broker[1]).flushall()
    shards = {g.value for g in museum.store().graphs() if "/graph/run/" in g.value}
    before = museum.job(job)
    assert before["state"] == "running"
    said = museum.json("resume", before["run"])
    assert said["job"] == job
    museum.worker(1)
    museum.wait_for_job(job)
    museum.check()
    kept = {g.value for g in museum.store().graphs()}
    named = {graph for graph, *_ in m.answers_of(museum.store())}
    assert len(shards & kept & named) >= before["answered"] / 60, "finished work was done again"


def test_store_fails_hangs_and_goes_down(
    tmp_path: Path,
    graph: tuple[Server, str],
    broker: tuple[Server, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Given a store that is down, then hangs, then answers every other connection with 404 and then with 500 (for
    STORE_OUTAGE seconds each: "60 30 15" under CI), then the run waits and goes on. Work goes on among errors too: a
    batch takes longer while there are some, so that the run does not end before the last of them."""
    usual = "60 30 15" if servers.under_ci() else "8 8 4"
    down, hanging, errors = (float(s) for s in (os.environ.get("STORE_OUTAGE") or usual).split())
    with m.running(graph[0], broker[0]), proxy(int(graph[1].rpartition(":")[2])) as before_store:
        museum = m.set_up(tmp_path / "museum", graph[1], broker[1])
        museum.environment |= {
            "ENRICH_STORE__QUERY_URL": f"{before_store.url}/query",
            "ENRICH_STORE__UPDATE_URL": f"{before_store.url}/update",
            "ENRICH_STORE__GRAPH_STORE_URL": f"{before_store.url}/store",
        }
        try:
            museum.slow(0.2)
            museum.worker(2)
            job = museum.json("queue", "--model", "model")["job"]
            for mode, seconds, every in (
                (DOWN, down, 1),
                (HANG, hanging, 1),
                (MISSING, errors, 2),
                (ERROR, errors, 2),
            ):
                m.wait_for(lambda: began(museum, job), 60, "the first batches")
                museum.slow(0.2 if every == 1 else 1.0)
                refused = before_store.refused
                before_store.every, before_store.mode = every, mode
                time.sleep(seconds)
                before_store.mode = PASS
                assert before_store.refused > refused, f"nobody met the store while {mode}"
                back = time.monotonic()
                before = museum.job(job)["answered"]
                m.wait_for(lambda before=before: goes_on(museum, job, before), 60, "work to go on")
                with capsys.disabled():
                    print(f"\nafter {mode}: work goes on after {time.monotonic() - back:.1f} s")
            museum.hurry()
            museum.wait_for_job(job)
            museum.check()
        finally:
            museum.end()


def test_disk_full(
    template: Path,
    tmp_path: Path,
    broker: tuple[Server, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Given a store whose disk is full, then nothing counts that was not written; once there is room (and
    the server was started again) the run is done."""
    with small_disk(tmp_path / "disk", megabytes=300) as disk:
        shutil.copytree(template / "store", disk / "store")
        shutil.copytree(template / "museum" / "model", tmp_path / "museum" / "model")
        server, url = m.oxigraph_server(disk / "store")
        with m.running(server, broker[0]):
            museum = m.set_up(tmp_path / "museum", url, broker[1])
            try:
                fill(disk, leave=8_000_000)
                museum.worker(2)
                job = museum.json("queue", "--model", "model")["job"]
                m.wait_for(lambda: museum.logs("to be done again"), 60, "the disk to be full")
                assert museum.job_or_none(job) in (None, "running")
                (disk / "filler").unlink()
                server.end(signal.SIGKILL)
                server.start()
                back = time.monotonic()
                museum.wait_for_job(job)
                with capsys.disabled():
                    print(f"\ndone {time.monotonic() - back:.1f} s after there was room again")
                museum.check()
            finally:
                museum.end()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own in memory; the test is skipped where none may be mounted."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here: not root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, leave: int) -> None:
    """Fill a file system but for so many bytes."""
    free = shutil.disk_usage(folder).free - leave
    with (folder / "filler").open("wb") as file:
        while free > 0:
            free -= file.write(b"x" * min(free, 1_000_000))
