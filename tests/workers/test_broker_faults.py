"""What may happen to Redis and its messages while workers run: each fault is outlived, and counted."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
import redis

from enrich.settings.loading import load_settings
from enrich.workers.broker import Broker
from tests import servers
from tests.workers import museum as m
from tests.workers.museum import Museum, Server
from tests.workers.proxy import HANG, PASS, proxy
from tests.workers.small import GAPS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def ready(museum: Museum, **extra: str) -> subprocess.Popen[bytes]:
    """A worker that is ready."""
    before = len(museum.logs("worker ready"))
    worker = museum.worker(**extra)
    m.wait_for(lambda: len(museum.logs("worker ready")) > before, 90, "the worker to be ready")
    return worker


def message(**changed: Any) -> str:
    """A message in Celery's form, but for what is changed."""
    body = base64.b64encode(b'[[], {}, {"callbacks": null}]').decode()
    said: dict[str, Any] = {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "enrich.reconcile", "id": "1", "root_id": "1", "argsrepr": "[]"},
        "properties": {
            "correlation_id": "1",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "enrich", "routing_key": "enrich"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "made-up-1",
        },
    }
    return json.dumps({**said, **changed})


TAGGED = json.loads(message())["properties"]
MALFORMED = [
    "",
    "no JSON",
    "\xff\xfe",
    "[" * 20_000,
    "null",
    "[]",
    "17",
    '"text"',
    "{}",
    '{"properties": null}',
    '{"__type__": "datetime", "__value__": "never"}',
    message(properties={}),
    message(properties={**TAGGED, "delivery_info": {}}),
    message(properties={**TAGGED, "delivery_tag": ["a", "list"]}),
    message(properties={**TAGGED, "body_encoding": "rot13"}),
    message(headers=None),
    message(headers=[]),
    message(headers={}),
    message(headers={"task": "enrich.reconcile"}),
    message(headers={"task": ["enrich.reconcile"], "id": "1"}),
    message(headers={"task": "enrich.unknown", "id": "1"}),
    message(headers={"task": "enrich.reconcile", "id": "1", "eta": "when it suits"}),
    message(headers={"task": "enrich.reconcile", "id": "1", "expires": {}}),
    message(headers={"task": "enrich.batch", "id": "1"}),
    message(body="%%%"),
    message(body=base64.b64encode(b"no JSON").decode()),
    message(body=base64.b64encode(b'{"an": "object"}').decode()),
    message(body=None),
    message(**{"content-type": "application/x-python-serialize"}),
    message(**{"content-encoding": "no such"}),
]


def failures(port: int, reason: str) -> float:
    """What a worker has counted."""
    said = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    lines = [line for line in said.splitlines() if f'enrich_failures_total{{reason="{reason}"}}' in line]
    return float(lines[0].rpartition(" ")[2])


def test_malformed_messages_are_dropped_and_counted(little: Museum) -> None:
    """Given all kinds of messages that are none, then the worker stays, works, and none comes again."""
    port = servers.free_port()
    worker = ready(little, ENRICH_WORKERS__METRICS_PORT=str(port))
    broker = Broker(load_settings(little.folder / "enrich.toml"))
    for text in MALFORMED:
        broker.redis.lpush(broker.queue("enrich"), text)
    m.wait_for(lambda: broker.queue_lengths() == {"enrich": 0}, 60, "the messages to be taken")
    job = little.json("queue", "--model", "model")["job"]
    little.wait_for_job(job, 180)
    assert worker.poll() is None
    counted = lambda: failures(port, "message") + failures(port, "task")  # noqa: E731
    m.wait_for(lambda: counted() >= len(MALFORMED) - 4, 30, "the messages to be counted")
    time.sleep(8)  # longer than the visibility time-out
    before = counted()
    time.sleep(8)
    assert counted() == before, "a message came again"
    unacked = f"unacked.{broker.target}"  # holds what is in work, for the moment
    m.wait_for(lambda: broker.redis.hlen(unacked) == 0, 20, "all messages to be acknowledged")
    little.check(gaps=GAPS)


def supervised(museum: Museum, until: Callable[[], bool], seconds: float) -> int:
    """Start worker and beat again whenever they end, as a supervisor does. Returns how often that was."""
    began, started = time.monotonic(), 0
    kept: dict[str, subprocess.Popen[bytes] | None] = {"worker": None, "beat": None}
    while time.monotonic() - began < seconds and not until():
        for words, process in kept.items():
            if process is None or process.poll() is not None:
                started += 1
                kept[words] = museum.worker() if words == "worker" else museum.start("beat")
        time.sleep(0.5)
    return started


def test_redis_without_memory_is_waited_out(little: Museum, broker: tuple[Server, str]) -> None:
    """Given a Redis whose memory is full for a while, under a supervisor, then the job is done when there is
    some again, and neither worker nor beat has ended."""
    connection = redis.Redis.from_url(broker[1])
    file = little.folder / "enrich.toml"
    file.write_text(file.read_text().replace("[workers]", '[workers]\nschedule = "0 0 1 1 *"'))
    little.slow(1)
    job = little.json("queue", "--model", "model")["job"]
    started = supervised(little, lambda: bool(little.job(job)["answered"]), 120)
    connection.config_set("maxmemory", 1)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        connection.set("a", "b")
    assert little.job(job)["state"] == "running", "the job was done before any harm"
    little.hurry()
    full = time.monotonic()
    more = supervised(little, lambda: time.monotonic() - full > 20, 30)
    connection.config_set("maxmemory", 0)
    connection.close()
    back = time.monotonic()
    little.wait_for_job(job, 180)
    assert time.monotonic() - back < 90
    assert little.logs("command not allowed when used memory"), (
        "the log does not say what the runbook tells to look for"
    )
    assert started == 2
    assert more <= 2, "only this supervisor's own first starts"
    little.check(gaps=GAPS)


def test_a_connection_that_fell_silent_is_noticed(little: Museum, broker: tuple[Server, str]) -> None:
    """Given connections to Redis through which nothing comes any more, though they are open, then the worker
    works on new ones within half a minute."""
    with proxy(int(broker[1].rpartition(":")[2].partition("/")[0])) as between:
        through = {"ENRICH_WORKERS__BROKER": f"redis://127.0.0.1:{between.port}/0"}
        worker = ready(little, **through)
        assert between.silence() >= 2
        silent = time.monotonic()
        job = little.json("queue", "--model", "model")["job"]
        m.wait_for(lambda: little.job(job)["answered"], 90, "work to go on")
        assert time.monotonic() - silent < 45, "half a minute, and the time of a job's first batch"
        little.wait_for_job(job, 120)
        between.mode = HANG
        between.silence()
        done = little.enrich("queue", "--model", "model", check=False, **through)
        assert done.returncode == 7, done.stderr
        assert "no broker answers" in done.stderr
        between.mode = PASS
        assert worker.poll() is None
    little.check(gaps=GAPS)
