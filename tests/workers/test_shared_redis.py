"""Several museums on one Redis: each does its own work, and what is not its own is put back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import redis

from enrich.settings.loading import load_settings
from enrich.workers.broker import Broker
from tests.workers import museum as m
from tests.workers.conftest import made
from tests.workers.museum import Museum, Server
from tests.workers.small import GAPS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
OTHER = "https://other.example.org/enrich/"


def answered(museum: Museum) -> int:
    """The answers that the museum's own job gave."""
    job = museum.json("queue", "--model", "model")["job"]
    return int(museum.wait_for_job(job, 180)["answered"])


def broker_of(museum: Museum) -> Broker:
    """The broker as a museum sees it."""
    return Broker(load_settings(museum.folder / "enrich.toml"))


@pytest.mark.parametrize("base", [OTHER, m.BASE], ids=["other base", "same base"])
def test_two_museums_do_their_own_work(tmp_path: Path, broker: tuple[Server, str], base: str) -> None:
    """Given a second museum's worker and beat on the same Redis, then each job is done by its own worker, and
    each counts its own."""
    with (
        m.running(broker[0]),
        made(tmp_path / "a", broker[1]) as ours,
        made(tmp_path / "b", broker[1], base=base) as theirs,
    ):
        for museum in (ours, theirs):
            museum.worker()
            m.wait_for(lambda museum=museum: museum.logs("worker ready"), 90, "the worker")
        assert answered(ours) == GAPS
        assert not theirs.logs('"event": "batch"'), "the other museum's worker did our batches"
        assert answered(theirs) == GAPS
        assert ours.json("health")["workers"] == theirs.json("health")["workers"] == 1
        ours.kill(ours.processes[0])
        found = ours.enrich("health", "--json", check=False)
        assert json.loads(found.stdout)["workers"] == 0, "the other museum's worker is not ours"
        assert found.returncode == 1


def test_a_message_of_another_museum_is_put_back(tmp_path: Path, broker: tuple[Server, str]) -> None:
    """Given a message of ours in their queue, then it is in our queue again, once, and that is said."""
    with (
        m.running(broker[0]),
        made(tmp_path / "a", broker[1]) as ours,
        made(tmp_path / "b", broker[1], base=OTHER) as theirs,
    ):
        ours.enrich("queue", "--model", "model")
        mine, other = broker_of(ours), broker_of(theirs)
        assert mine.queue_lengths() == {"enrich": 1}
        assert mine.redis.lmove(mine.queue("enrich"), other.queue("enrich"))
        theirs.worker()
        said = m.wait_for(lambda: theirs.logs("put back"), 90, "the message to be put back")
        m.wait_for(lambda: mine.queue_lengths() == {"enrich": 1}, 20, "the message to be ours again")
        assert len(said) == 1
        assert mine.queue("enrich") in said[0]
        ours.worker()
        m.wait_for(lambda: ours.jobs()[0]["state"] == "done", 180, "our job to be done")
        assert len(theirs.logs("put back")) == 1
        assert redis.Redis.from_url(broker[1]).llen("enrich") == 0, "nothing is in a queue of nobody"
