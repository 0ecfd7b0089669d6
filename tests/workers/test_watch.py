"""What a worker's main process finds of broker and store that are well, silent, full or gone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import redis
from prometheus_client import REGISTRY

from enrich.settings.loading import Settings
from enrich.workers import metrics, watch
from enrich.workers.broker import Broker
from tests.hostile_http import Answer, Script, hostile_server
from tests.workers import museum as m

YES = Answer(body=b'{"head":{},"boolean":true}')


def told() -> tuple[float | None, float | None]:
    """What is said of broker and store."""
    return REGISTRY.get_sample_value("enrich_broker_up"), REGISTRY.get_sample_value("enrich_store_up")


def settings(store: str, broker: str, **workers: object) -> Settings:
    """Settings of that store and broker."""
    return Settings(store={"query_url": f"{store}/query"}, workers={"broker": broker, **workers})  # type: ignore[arg-type]


def test_a_broker_that_is_full_or_gone_is_away(tmp_path: Path) -> None:
    server, url = m.redis_server(tmp_path / "redis")
    with hostile_server(lambda _: YES) as store:
        said = settings(store.url, url)
        broker = Broker(said)
        with m.running(server), redis.Redis.from_url(url) as asked:
            watch.look(broker, said)
            assert told() == (1, 1)
            asked.config_set("maxmemory", 1)
            watch.look(broker, said)
            assert told() == (0, 1)
            asked.config_set("maxmemory", 0)
            watch.look(broker, said)
            assert told() == (1, 1)
        watch.look(broker, said)
        assert told() == (0, 1)


@pytest.mark.parametrize("what", ["hangs", "fails", "cannot be written"])
def test_a_store_that_is_of_no_use_is_away(
    monkeypatch: pytest.MonkeyPatch, redis_url: str, what: str
) -> None:
    """Given a store that hangs, then one look takes no more than its own seconds, whatever `store.timeout` says."""
    monkeypatch.setattr(watch, "STORE_SECONDS", 0.2)
    never = threading.Event()
    answers: dict[str, Script] = {
        "hangs": lambda _: Answer(wait=never),
        "fails": lambda _: Answer(500, b"no"),
        "cannot be written": lambda asked: YES if "ASK" in asked.text else Answer(500, b"no space left"),
    }
    with hostile_server(answers[what]) as store:
        said = settings(store.url, redis_url)
        metrics.STORE_UP.set(1)
        watch.look(Broker(said), said)
        never.set()
    assert told() == (1, 0)


def test_it_is_looked_at_again_and_again_where_metrics_are_served(redis_url: str) -> None:
    with hostile_server(lambda _: YES) as store:
        with watch.watching(settings(store.url, redis_url, metrics_port=1, tend_every=0.01)):
            for broker, there in ((0, 0), (1, 1)):
                metrics.BROKER_UP.set(broker)
                metrics.STORE_UP.set(there)
                m.wait_for(lambda: told() == (1, 1), 5, "another look")
        m.wait_for(lambda: told() == (0, 0), 5, "the last word")
        asked = len(store.requests)
        with watch.watching(settings(store.url, redis_url, metrics_port=0, tend_every=0.01)):
            assert not threading.Event().wait(0.1)
        assert len(store.requests) == asked
