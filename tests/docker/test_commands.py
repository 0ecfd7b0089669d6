"""Every command that the image and the compose file run, executed here outside a container."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from tests import servers
from tests.workers import museum as m

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())[
    "services"
]


def command(name: str) -> list[str]:
    """What a service runs."""
    return [str(word) for word in SERVICES[name]["command"]]


def test_oxigraph(tmp_path: Path) -> None:
    binary = Path(sys.executable).parent / "oxigraph"
    port = servers.free_port()
    words = [
        w.replace("/data", str(tmp_path)).replace("0.0.0.0:7878", f"127.0.0.1:{port}")
        for w in command("oxigraph")
    ]
    server = m.Server([str(binary), *words], tmp_path, lambda: servers._answers(f"http://127.0.0.1:{port}/"))
    with m.running(server):
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/query?query=ASK%7B%7D").status == 200


def test_redis_and_its_health_check(tmp_path: Path) -> None:
    binary = shutil.which("redis-server") or servers._bundled_redis()
    port = servers.free_port()
    words = [str(binary), *command("redis")[1:], "--port", str(port), "--dir", str(tmp_path)]
    server = m.Server(words, tmp_path / "redis", lambda: servers._pongs(port))
    with m.running(server):
        connection = redis.Redis(port=port)
        assert connection.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert connection.config_get("appendonly") == {"appendonly": "yes"}
        assert SERVICES["redis"]["healthcheck"]["test"][1:] == ["redis-cli", "ping"]
        assert connection.ping()


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_ours_with_the_example_settings(name: str, tmp_path: Path) -> None:
    """Worker and beat start from the example, answer their health check, serve metrics and end when told."""
    store, url = m.oxigraph_server(tmp_path / "store")
    broker, broker_url = m.redis_server(tmp_path / "redis")
    folder = tmp_path / "museum"
    folder.mkdir()
    shutil.copy(ROOT / "docker" / "enrich.toml.example", folder / "enrich.toml")
    port = servers.free_port()
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("ENRICH_")},
        **SERVICES[name]["environment"],
        "ENRICH_WORKERS__BROKER": broker_url,
        "ENRICH_STORE__QUERY_URL": f"{url}/query",
        "ENRICH_STORE__UPDATE_URL": f"{url}/update",
        "ENRICH_STORE__GRAPH_STORE_URL": f"{url}/store",
        "ENRICH_WORKERS__METRICS_PORT": str(port),
        "ENRICH_WORKERS__METRICS_HOST": "127.0.0.1",
        "ENRICH_WORKERS__SCHEDULE": "0 2 * * *",
    }
    museum = m.Museum(folder, {**environment, "TEST_STORE": url, "PYTHONPATH": str(ROOT)})
    with m.running(store, broker):
        try:
            process = museum.start(*command(name))
            probe = SERVICES[name]["healthcheck"]["test"][2:]
            if name == "worker":
                m.wait_for(lambda: museum.logs("worker ready"), 60, "the worker")
                assert b"enrich_" in urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read()
                found = museum.enrich(*probe, check=False)
                assert "beat" in found.stderr
                assert found.returncode == 1
            else:
                m.wait_for(lambda: list(redis.Redis.from_url(broker_url).scan_iter("*:beat:*")), 60, "beat")
                assert museum.enrich(*probe).returncode == 0
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            museum.end()


def test_the_explorer_with_the_example_settings(tmp_path: Path) -> None:
    """Given the example, then the explorer starts, its health check passes, and it ends when told."""
    store, url = m.oxigraph_server(tmp_path / "store")
    folder = tmp_path / "museum"
    folder.mkdir()
    shutil.copy(ROOT / "docker" / "enrich.toml.example", folder / "enrich.toml")
    port = str(servers.free_port())
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("ENRICH_")},
        **SERVICES["web"]["environment"],
        "ENRICH_STORE__QUERY_URL": f"{url}/query",
        "ENRICH_STORE__UPDATE_URL": f"{url}/update",
        "ENRICH_STORE__GRAPH_STORE_URL": f"{url}/store",
        "ENRICH_WEB__HOST": "127.0.0.1",
        "ENRICH_WEB__PORT": port,
        "ENRICH_WEB__TRUSTED_PROXIES": "172.16.0.0/12",
        "ENRICH_WORKERS__METRICS_PORT": "0",
    }
    museum = m.Museum(folder, {**environment, "TEST_STORE": url, "PYTHONPATH": str(ROOT)})
    probe = [sys.executable, *SERVICES["web"]["healthcheck"]["test"][2:]]
    probe[-1] = probe[-1].replace("8765", port)
    with m.running(store):
        try:
            process = museum.start(*command("web"))
            m.wait_for(lambda: subprocess.run(probe, capture_output=True).returncode == 0, 60, "the explorer")
            told = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read()
            assert b"enrich_web_requests_total" in told
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            museum.end()


@pytest.mark.skipif(
    importlib.util.find_spec("flower") is None, reason="there is no Flower: pip install flower"
)
def test_flower(tmp_path: Path) -> None:
    broker, broker_url = m.redis_server(tmp_path / "redis")
    port = servers.free_port()
    words = [
        w.replace("redis://redis:6379/0", broker_url).replace("--port=5555", f"--port={port}")
        for w in command("flower")[1:]
    ]
    words += ["--address=127.0.0.1"]
    flower = m.Server(
        [sys.executable, "-m", "celery", *words],
        tmp_path / "flower",
        lambda: servers._answers(f"http://127.0.0.1:{port}/"),
    )
    with m.running(broker, flower):
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/").status == 200


def test_the_images_default_commands_are_verbs() -> None:
    text = (ROOT / "docker" / "Dockerfile").read_text()
    assert 'ENTRYPOINT ["enrich"]' in text
    done = subprocess.run(
        [sys.executable, "-m", "enrich", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    for verb in ("worker", "beat", "health", "queue", "jobs", "job", "cancel", "resume"):
        assert f"\n  {verb} " in done.stdout
