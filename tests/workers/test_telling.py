"""What a worker tells of itself: metrics without files, and logs that a full disk does not stop."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import structlog
from prometheus_client import REGISTRY

from enrich.workers import logs, metrics
from tests import servers
from tests.workers import museum as m
from tests.workers.museum import Museum
from tests.workers.small import GAPS
from tests.workers.test_chaos import fill, small_disk


def value(name: str, **labels: str) -> float:
    """What a metric stands at in this process."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture
def logged() -> Iterator[None]:
    """Logging as it was before, afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        yield
    finally:
        logging.captureWarnings(False)
        structlog.reset_defaults()
        root.handlers = before
        root.setLevel(level)


@pytest.mark.usefixtures("logged")
def test_logs_are_json_with_run_and_batch(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    with logs.about(run="r", batch="7"):
        logs.log.info("batch", outcome="done")
        logging.getLogger("celery").warning("from a %s", "library")
    ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (ours["event"], ours["run"], ours["batch"], ours["outcome"]) == ("batch", "r", "7", "done")
    assert (theirs["event"], theirs["batch"]) == ("from a library", "7")


def test_all_that_a_worker_says_is_a_line_of_json_on_stderr(
    tmp_path: Path, redis_url: str, oxigraph_server: servers.Endpoint
) -> None:
    """Given a worker that Celery and the libraries have something to say in, when it is started and told to stop, then
    stdout is empty, each line of stderr is an object, and there is none for every request to the store."""
    (tmp_path / "enrich.toml").write_text(f'profile = "linked-art"\n[workers]\nbroker = "{redis_url}"\n')
    store = {f"ENRICH_STORE__{key.upper()}": url for key, url in asdict(oxigraph_server).items() if url}
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        worker = subprocess.Popen(
            [sys.executable, "-m", "enrich", "worker"],
            cwd=tmp_path,
            env={**os.environ, **store},
            stdout=out,
            stderr=err,
        )
        try:
            m.wait_for(lambda: "worker ready" in (tmp_path / "err").read_text(), 90, "the worker")
        finally:
            worker.terminate()
            assert worker.wait(60) == 0
    assert (tmp_path / "out").read_bytes() == b""
    said = [json.loads(line) for line in (tmp_path / "err").read_text().splitlines()]
    assert "worker: Warm shutdown (MainProcess)" in {line["event"] for line in said}
    assert not [line for line in said if line.get("logger") == "httpx2"]


FULL = """
import sys
from enrich.workers import logs

lost = []
logs.be_careful(lambda: lost.append(1))
logs.configure()
logs.log.info("ours")
logs.logging.getLogger("celery").warning("theirs")
print("and more", flush=True)
sys.exit(10 + len(lost))
"""


def test_lines_that_cannot_be_written_are_counted() -> None:
    """Given output on a device without room, then saying something raises nothing, and ends well."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-c", FULL], stdout=full, stderr=full, check=False)
    assert done.returncode >= 12, done.returncode


def test_counters_are_there_from_the_start() -> None:
    """An increase is seen from the first event on only where there was a zero before."""
    there = {
        (sample.name, *sorted(sample.labels.values()))
        for family in REGISTRY.collect()
        for sample in family.samples
        if family.name.startswith("enrich_")
    }
    assert {("enrich_failures_total", reason) for reason in ("store", "broker", "log", "message")} <= there
    assert {("enrich_answers_total", "failed"), ("enrich_batches_total", "done")} <= there
    assert {("enrich_poison_records_total",), ("enrich_runs", "stopped")} <= there


def in_a_child(what: Callable[[], object]) -> int:
    """Do something in a forked process; its exit code."""
    child = os.fork()
    if not child:
        try:
            what()
        except Exception:  # noqa: BLE001 - told by the exit code
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_what_children_count_is_served_by_their_parent() -> None:
    port = servers.free_port()
    stop = metrics.serve(port, "127.0.0.1")
    try:
        before = value("enrich_batches_total", outcome="done")
        for _ in range(2):
            assert in_a_child(metrics.BATCHES.labels("done").inc) == 0
        m.wait_for(lambda: value("enrich_batches_total", outcome="done") == before + 2, 10, "the numbers")
        said = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        assert 'enrich_batches_total{outcome="done"}' in said
    finally:
        stop()


def test_a_parent_that_does_not_listen_costs_numbers_only() -> None:
    """Given a pipe that is full, then a child goes on at once; how many numbers were lost is told later."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    metrics.Metric.pipe = (write, os.getpid())

    def much() -> None:
        for _ in range(5_000):
            metrics.POISON.inc()
        assert metrics.Metric.lost > 0
        os.read(read, 1 << 20)
        metrics.POISON.inc()

    try:
        assert in_a_child(much) == 0
        last = os.read(read, 1 << 20).decode().splitlines()[-1]
        name, labels, how, number = json.loads(last)
        assert (name, labels, how) == ("enrich_failures", ["metrics"], "inc")
        assert number > 0
    finally:
        metrics.Metric.pipe = None
        os.close(read)
        os.close(write)


def test_a_port_that_is_taken_is_told_and_no_more() -> None:
    with servers.socket.create_server(("127.0.0.1", 0)) as taken:
        metrics.serve(taken.getsockname()[1], "127.0.0.1")()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_full_disk_for_logs_and_metrics_stops_no_worker(little: Museum, tmp_path: Path) -> None:
    """Given a disk without room for the logs, temporary files and metrics of a worker, then it works all the
    same, and its metrics are served."""
    port = servers.free_port()
    with small_disk(tmp_path / "disk", megabytes=2) as disk:
        fill(disk, leave=0)
        extra = {"TMPDIR": str(disk), "PROMETHEUS_MULTIPROC_DIR": str(disk)}
        usual, little.folder = little.folder, disk
        (disk / "enrich.toml").symlink_to(usual / "enrich.toml")
        (disk / "model").symlink_to(usual / "model")
        worker = little.worker(2, **extra, ENRICH_WORKERS__METRICS_PORT=str(port))
        little.folder = usual
        job = little.json("queue", "--model", "model")["job"]
        little.wait_for_job(job, 180)
        assert worker.poll() is None
        said = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        lines = dict(line.rsplit(" ", 1) for line in said.splitlines() if line.startswith("enrich_"))
        answers = [float(n) for name, n in lines.items() if name.startswith("enrich_answers_total{")]
        assert sum(answers) == GAPS
        assert float(lines['enrich_failures_total{reason="log"}']) > 0
        little.check(gaps=GAPS)
        little.kill(worker)
