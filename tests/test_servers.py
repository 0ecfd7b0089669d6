"""The test servers start, answer and end; a missing one skips here and fails under CI."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from tests import servers


def test_redis_answers_and_is_gone_afterwards(tmp_path: Path) -> None:
    with servers.redis(tmp_path / "redis") as url, redis.Redis.from_url(url) as client:
        assert client.ping()
        client.set("key", "value")
        assert client.get("key") == b"value"
    with redis.Redis.from_url(url) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_a_missing_server_skips_but_not_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no server"):
        servers.missing("no server")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no server"):
        servers.missing("no server")
