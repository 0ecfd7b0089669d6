"""A nightly run, fired by beat when its minute comes, on the silk graph, and on Virtuoso."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from enrich.graph.stores import open_store
from enrich.settings.loading import load_settings
from enrich.workspace import Workspace
from tests import servers
from tests.workers import museum as m
from tests.workers.museum import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def next_minute() -> str:
    """A schedule that is due once an hour, the next time within a minute and a half."""
    soon = datetime.now(UTC) + timedelta(seconds=70)
    return f"{soon.minute} * * * *"


def test_on_the_silk_graph(
    tmp_path: Path, museum_data: Path, broker: tuple[Server, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Given the silk graph (NIGHTLY_RECORDS of it; all by 0), then beat's run answers every gap exactly once."""
    records = int(os.environ.get("NIGHTLY_RECORDS") or 2000)
    server, url = m.oxigraph_server(tmp_path / "store")
    with m.running(server, broker[0]):
        with m.store_at(url) as store:
            m.load(store, m.subset(museum_data / "silknow" / "records.nq.gz", records or 1_000_000))
            m.load(store, m.vocabulary(museum_data))
        museum = m.set_up(tmp_path / "museum", url, broker[1], batch=250)
        settings = (
            museum.folder / "enrich.toml"
        )  # the time is set last: it must not pass while a model is trained
        text = settings.read_text().replace("[workers]\n", f'[workers]\nschedule = "{next_minute()}"\n')
        settings.write_text(text)
        patient = {"ENRICH_WORKERS__VISIBILITY_TIMEOUT": "120", "ENRICH_WORKERS__TIME_LIMIT": "90"}
        patient |= {"ENRICH_STORE__TIMEOUT": "60"}
        try:
            museum.worker(2, **patient)
            museum.start("beat", **patient)
            nightly = m.wait_for(museum.jobs, 150, "beat to fire")[0]
            done = museum.wait_for_job(nightly["job"], 400)
            outcomes = museum.check()
            assert done["gaps"] == done["answered"] == outcomes.total()
            with capsys.disabled():
                print(
                    f"\n{done['records']} records, {done['gaps']} gaps, {done['started']} to {done['ended']}"
                )
        finally:
            museum.end()


@pytest.mark.virtuoso
def test_on_virtuoso(template: Path, tmp_path: Path, museum_data: Path, broker: tuple[Server, str]) -> None:
    """Given the same on Virtuoso, with digest authentication and its capped results."""
    from shutil import copytree

    copytree(template / "museum" / "model", tmp_path / "museum" / "model")
    with (
        servers.virtuoso(tmp_path / "virtuoso") as endpoint,
        m.running(broker[0]),
        open_store(**asdict(endpoint)) as store,
    ):
        m.load(store, m.subset(museum_data / "silknow" / "records.nq.gz", 300))
        m.load(store, m.vocabulary(museum_data))
        before = m.facts_digest(store)
        text = m.SETTINGS.format(
            base=m.BASE,
            store="http://127.0.0.1:1",
            broker=broker[1],
            batch=20,
            more=f'schedule = "{next_minute()}"',
        )
        (tmp_path / "museum" / "enrich.toml").write_text(text)
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("ENRICH_")},
            "ENRICH_STORE__QUERY_URL": endpoint.query_url,
            "ENRICH_STORE__UPDATE_URL": endpoint.update_url,
            "ENRICH_STORE__GRAPH_STORE_URL": endpoint.graph_store_url,
            "ENRICH_STORE__AUTH": endpoint.auth,
            "ENRICH_STORE__USER": str(endpoint.user),
            "ENRICH_STORE__PASSWORD": str(endpoint.password),
            "ENRICH_STORE__TIMEOUT": "30",
            "ENRICH_WORKERS__VISIBILITY_TIMEOUT": "60",
            "ENRICH_WORKERS__TIME_LIMIT": "50",
            "PYTHONPATH": str(Path.cwd()),
        }
        museum = m.Museum(tmp_path / "museum", environment)
        settings = load_settings(tmp_path / "museum" / "enrich.toml")
        try:
            museum.worker(2)
            museum.start("beat")
            from enrich.runs.jobs import list_jobs

            with Workspace(settings, store) as workspace:
                m.wait_for(
                    lambda: [j for j in list_jobs(workspace) if j.state == "done"], 250, "the nightly run"
                )
            answers = Counter((record, name) for _, record, name, _ in m.answers_of(store))
            assert set(answers) == m.open_gaps(museum.folder, store)
            assert set(answers.values()) == {1}
            assert m.facts_digest(store) == before
        finally:
            museum.end()
