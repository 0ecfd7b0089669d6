"""The test servers start, answer and end; what is skipped for want of one fails under CI."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from tests import conftest, servers


def test_redis_answers_and_is_gone_afterwards(tmp_path: Path) -> None:
    with servers.redis(tmp_path / "redis") as url, redis.Redis.from_url(url) as client:
        assert client.ping()
        client.set("key", "value")
        assert client.get("key") == b"value"
    with redis.Redis.from_url(url) as client, pytest.raises(redis.ConnectionError):
        client.ping()


@pytest.mark.parametrize(("ci", "outcome"), [("", "skipped"), ("true", "failed")])
def test_what_is_skipped_fails_under_ci(ci: str, outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pytest.skip.Exception, match="no server"):
        servers.missing("no server")
    monkeypatch.setenv("CI", ci)
    made = conftest.pytest_runtest_makereport()
    next(made)
    longrepr = ("file", 1, "Skipped: no server")
    with pytest.raises(StopIteration) as end:
        made.send(pytest.TestReport("x", ("file", 1, "x"), {}, "skipped", longrepr, "setup"))
    report = end.value.value
    assert report.outcome == outcome
    assert "no server" in str(report.longrepr)
