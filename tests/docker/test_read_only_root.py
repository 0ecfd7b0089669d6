"""What docs/operating.md does in containers, done in their file system: nothing but the volumes can be written."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from enrich.demo.museum import write_museum
from tests import servers
from tests.docker.image import ROOT, Image, can_be_emulated
from tests.workers import museum as m

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@contextmanager
def container(folder: Path) -> Iterator[Image]:
    """A worker's container beside a triplestore and a Redis, in a museum whose store is empty."""
    store, url = m.oxigraph_server(folder / "store")
    broker, broker_url = m.redis_server(folder / "redis")
    volumes = folder / "docker"
    volumes.mkdir()
    if not can_be_emulated(volumes):
        pytest.skip("a mount namespace with an overlay cannot be made here: not root")
    write_museum(folder / "made", 240)
    export = b"".join((folder / "made" / name).read_bytes() for name in ("records.nq", "vocabulary.nq"))
    (volumes / "records.nq.gz").write_bytes(gzip.compress(export))
    example = (ROOT / "docker" / "enrich.toml.example").read_text()
    (volumes / "enrich.toml").write_text(
        example.replace('profile = "silknow"', 'profile = "linked-art"').replace("blackout", "# blackout")
    )
    environment = {
        "ENRICH_WORKERS__BROKER": broker_url,
        "ENRICH_STORE__QUERY_URL": f"{url}/query",
        "ENRICH_STORE__UPDATE_URL": f"{url}/update",
        "ENRICH_STORE__GRAPH_STORE_URL": f"{url}/store",
        "ENRICH_WORKERS__METRICS_PORT": str(servers.free_port()),
        "ENRICH_WORKERS__METRICS_HOST": "127.0.0.1",
        "ENRICH_WORKERS__CONCURRENCY": "1",
        "ENRICH_WORKERS__TEND_EVERY": "1",
    }
    with m.running(store, broker):
        yield Image(volumes, environment)


def said_commands() -> list[str]:
    """The commands of the runbook that are given to a container."""
    text = (ROOT / "docs" / "operating.md").read_text()
    return re.findall(r"^docker compose (?:run|exec) .*?(?=\s+#|$)", text, re.MULTILINE)


def do(image: Image, line: str) -> str:
    """Do a `docker compose run` or `exec` of the docs in the container."""
    words = shlex.split(line)[2:]
    more = {}
    while words[1].startswith("-"):
        option = words.pop(1)
        if option == "-v":
            source, place, *_ = words.pop(1).split(":")
            more[source] = f"{place}:ro"
    verb, service, *rest = words
    inside = replace(image, service=service)
    if verb == "exec" and rest[0] != "enrich":
        return inside.run(rest)
    return inside.enrich(*(rest if verb == "run" else rest[1:]), more=more)


def test_nothing_but_the_volumes_can_be_written(tmp_path: Path) -> None:
    with container(tmp_path) as image:
        for place in ("/x", "/museum/x", "/museum/enrich.toml", "/opt/x"):
            with pytest.raises(pytest.fail.Exception, match="Read-only"):
                image.run(["bash", "-c", f"echo x > {place}"])
        image.run(["touch", "/tmp/x", "models/x", "reports/x", ".cache/x", "access/x"])


def test_a_profile_of_ones_own_is_mounted_by_the_line_that_compose_holds(tmp_path: Path) -> None:
    """Given the line of compose.yaml that is there to be uncommented, then the container reads the profile that it mounts."""
    text = (ROOT / "docker" / "compose.yaml").read_text()
    (source, place) = re.findall(r"^    # - \./(\S+):(\S+):ro$", text, re.MULTILINE)[0]
    with container(tmp_path) as image:
        (image.folder / source).write_text('extends = "linked-art"\ntitle = "Lace"\n')
        settings = image.folder / "enrich.toml"
        settings.write_text(settings.read_text().replace('"linked-art"', f'"{source}"'))
        do(image, said_commands()[0])
        checked = json.loads(image.enrich("profile", "check", "--json", more={source: f"{place}:ro"}))
        assert (checked["profile"], checked["records"]) == (Path(source).stem, 240)


def test_the_runbook_in_containers(tmp_path: Path) -> None:
    """Given an export and the commands of the docs in their order, then a model is learnt, measured and used, the link
    turned to a newer one and a token made, with a worker that runs all the while."""
    commands = said_commands()
    verbs = [re.split(r" (?:worker|web enrich web) ", line)[1].split()[0] for line in commands]
    assert verbs == ["load", "split", "train", "ln", "evaluate", "queue", "train", "ln", "token"]
    with container(tmp_path) as image, (tmp_path / "worker.log").open("wb") as log:
        command = image.command([sys.executable, "-m", "enrich", "worker"])
        worker = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            told = [do(image, line) for line in commands]
            after = do(image, commands[5]).strip()

            def job(name: str) -> dict[str, object]:
                found: dict[str, object] = json.loads(image.enrich("job", name, "--json"))
                return found

            before = told[5].strip()
            for name in (before, after):
                m.wait_for(lambda name=name: job(name)["state"] != "running", 200, f"the job {name}")
                assert job(name)["state"] == "done", job(name)
            assert str(job(before)["model"]).endswith("models/2026")
            assert str(job(after)["model"]).endswith("models/2027"), "the link was not turned"
            assert worker.poll() is None
            volumes = image.folder
            assert (volumes / "models" / "current").readlink() == Path("2027")
            assert "Night import" in (volumes / "access" / "tokens.json").read_text()
            assert (volumes / "reports" / "2026" / "report.html").stat().st_size > 10_000
        finally:
            worker.terminate()
            worker.wait(60)
        log.flush()
        written = (tmp_path / "worker.log").read_text()
        assert "Read-only" not in written
        assert "Traceback" not in written
