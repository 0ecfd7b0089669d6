"""Real models in real workers: what a run in one process says, by children that share what their parent read."""

from __future__ import annotations

import json

import pytest

from enrich.answering import run as pipeline
from enrich.learn.training import train
from enrich.settings.loading import load_settings
from enrich.workers.threads import THREAD_VARIABLES
from enrich.workspace import Workspace
from tests.workers import museum as m
from tests.workers.museum import Museum

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CANDIDATES = ("query", "candidates", "--format", "csv")


def said(museum: Museum) -> set[str]:
    """The candidates of all answers, without the run's name."""
    lines = museum.enrich(*CANDIDATES).stdout.splitlines()
    assert len(lines) > 100
    return {line.rpartition(",")[0] for line in lines}


@pytest.fixture
def learned(museum: Museum) -> Museum:
    """A museum whose model has learned a little, and could answer with several threads."""
    more = "soft_shutdown = 2\n"
    file = museum.folder / "enrich.toml"
    text = (
        file.read_text().replace("time_limit = 4", "time_limit = 55").replace("batch = 10\n", "batch = 50\n")
    )
    text = text.replace("visibility_timeout = 5", "visibility_timeout = 60").replace(
        more, "soft_shutdown = 5\n"
    )
    text = text.replace('model = "model"', 'model = "learned"')
    file.write_text(f"{text}\n[train.options.tabular]\nrounds = 8\ndepth = 3\n")
    with Workspace(load_settings(file), museum.store()) as workspace:
        train(workspace, None, museum.folder / "learned", modalities=("tabular",))
    return museum


def test_workers_say_what_one_process_says(learned: Museum) -> None:
    """Given a model that was read before the fork, and children with two threads each, then the run ends,
    with the answers that a run in one process gives."""
    with Workspace(load_settings(learned.folder / "enrich.toml"), learned.store()) as workspace:
        done = pipeline.run(workspace, learned.folder / "learned", limit=200)
    alone = said(learned)
    learned.enrich("retract", done.run or "", "--yes")
    for variable in THREAD_VARIABLES:
        learned.environment.pop(variable, None)
    worker = learned.worker(2, OMP_NUM_THREADS="2")
    job = learned.json("queue", "--model", "learned", "--limit", "200")["job"]
    found = learned.wait_for_job(job)
    learned.kill(worker)
    assert (found["answered"], found["failed"]) == (done.predicted + done.abstained, 0)
    assert said(learned) == alone
    read = [json.loads(line) for line in learned.logs('"model read"')]
    assert [line["shared"] for line in read] == [True], "the children did not share what their parent read"


def test_batches_in_a_queue_of_their_own(museum: Museum) -> None:
    """Given workers of two kinds, then those of the batches' queue do all batches, and nothing else."""
    environment = {"ENRICH_WORKERS__BATCH_QUEUE": "gpu"}
    museum.environment |= environment
    planner = museum.start("worker", "--queues", "enrich", "--concurrency", "1", "--name", "plans@test")
    job = museum.json("queue", "--model", "model", "--limit", "60")["job"]
    m.wait_for(lambda: museum.logs('"event": "planned"'), 60, "the plan")
    assert museum.job(job)["answered"] == 0, "a batch was done by a worker of another queue"
    museum.start("worker", "--queues", "gpu", "--concurrency", "1", "--name", "gpu@test")
    assert museum.wait_for_job(job)["failed"] == 0
    logs = {log.name: log.read_text() for log in museum.folder.glob("worker-*.log")}
    assert '"event": "batch"' not in logs["worker-0.log"]
    assert '"event": "batch"' in logs["worker-1.log"]
    assert '"event": "planned"' not in logs["worker-1.log"]
    museum.kill(planner)
