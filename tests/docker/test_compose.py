"""The compose file is valid by the Compose specification, and says what the service needs."""

from __future__ import annotations

import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from enrich.settings.loading import Settings
from enrich.settings.models import WorkersSettings
from enrich.web.who import Doors

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker" / "compose.yaml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file with its merges done."""
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return found


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The example settings."""
    return tomllib.loads((ROOT / "docker" / "enrich.toml.example").read_text())


def test_is_valid(compose: dict[str, Any]) -> None:
    spec = pytest.importorskip("compose_spec", reason="pip install compose-spec")
    parsed = spec.PyCompose.from_yaml(yaml.safe_dump(compose))
    assert set(parsed.service_names()) == set(compose["services"])


def test_an_invalid_file_would_be_noticed(compose: dict[str, Any]) -> None:
    spec = pytest.importorskip("compose_spec", reason="pip install compose-spec")
    wrong = {**compose, "services": {"worker": {"image": "enrich", "comand": ["worker"]}}}
    with pytest.raises(ValueError, match="comand"):
        spec.PyCompose.from_yaml(yaml.safe_dump(wrong))


def test_what_runs_unasked(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {n for n, s in services.items() if "profiles" not in s} == {
        "oxigraph", "redis", "worker", "beat", "web",
    }  # fmt: skip
    assert services["virtuoso"]["profiles"] == ["virtuoso"]
    assert services["flower"]["profiles"] == ["flower"]


def test_versions_are_pinned(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        tag = service["image"].partition(":")[2]
        assert tag, f"{name}: no tag"
        assert tag != "latest", f"{name}: latest is another image tomorrow"


def test_everything_comes_back_by_itself(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["restart"] == "unless-stopped", name


def test_nothing_listens_to_the_world(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name}: {port}"


@pytest.mark.parametrize("name", ["worker", "beat", "web"])
def test_our_containers_may_do_little(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    asked = service["healthcheck"]["test"]
    assert asked[:3] == ["CMD", "enrich", "health"] or "/health" in asked[-1]


def test_the_explorer_believes_a_proxy_alone(
    compose: dict[str, Any], example: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Given the settings of the container, then it starts, reading is open, and a name counts from the proxy's network."""
    monkeypatch.chdir(tmp_path)
    for name, value in compose["services"]["web"]["environment"].items():
        monkeypatch.setenv(name, value.replace("${ENRICH_PROXIES:-172.16.0.0/12}", "172.16.0.0/12"))
    doors = Doors(Settings(**example))
    assert (doors.local, doors.header, doors.reading) == (False, "X-Forwarded-User", "open")
    assert [str(network) for network in doors.proxies] == ["172.16.0.0/12"]


def test_the_audit_of_changes_is_in_no_cache(compose: dict[str, Any]) -> None:
    web = compose["services"]["web"]
    audit = PurePosixPath("/museum", web["environment"]["ENRICH_WEB__INDEX"]).with_name("audit.jsonl")
    volumes = {path: name for name, _, path in (v.partition(":") for v in web["volumes"])}
    assert volumes[str(audit.parent)] == "access"


def test_volumes_are_declared(compose: dict[str, Any]) -> None:
    used = {
        volume.partition(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
    }
    assert {volume for volume in used if not volume.startswith(".")} <= set(compose["volumes"])
    for volume in used:
        if volume.startswith("./") and volume != "./enrich.toml":
            assert (ROOT / "docker" / volume).exists(), volume


def test_the_environment_names_settings_that_there_are(
    compose: dict[str, Any], example: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in compose["services"]["worker"]["environment"].items():
        monkeypatch.setenv(name, value)
    settings = Settings(**example)
    assert settings.workers.broker == "redis://redis:6379/0"
    assert settings.store.update_url == "http://oxigraph:7878/update"
    from enrich.runs.blackout import windows
    from enrich.workers.config import check
    from enrich.workers.schedule import nightly_crontab

    check(settings)
    assert nightly_crontab(settings.workers) is not None
    assert len(windows(settings.workers)) == 1


def test_a_worker_has_time_to_finish(compose: dict[str, Any], example: dict[str, Any]) -> None:
    grace = compose["services"]["worker"]["stop_grace_period"]
    assert grace.endswith("s")
    assert int(grace[:-1]) > WorkersSettings(**example["workers"]).soft_shutdown
