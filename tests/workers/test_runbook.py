"""The runbook of docs/operating.md, followed: every entry has tests that do what it says and see what it promises."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import pytest
from pyoxigraph import Literal, Quad

from enrich.graph.stores import open_store
from enrich.learn.training import train
from enrich.settings.loading import load_settings
from enrich.workspace import Workspace
from ontology.terms import RDFS
from tests.workers import museum as m
from tests.workers.museum import Museum, Server
from tests.workers.test_runs_together import nightly_settings, small_batches
from workers.app import make_app

FOLLOWED = {
    "EnrichNoWorker": ["test_parts.test_without_a_broker_every_verb_says_how_to_start_one"],
    "EnrichNoSuccessfulRun": [
        "test_runs_together.test_two_beats_make_up_one_missed_night",
        "test_schedule.test_a_night_that_met_no_broker_is_asked_for_when_it_is_back",
        "test_in_one_process.test_the_nightly_run_rests_in_its_windows",
    ],
    "EnrichStoreUnavailable": [
        "test_chaos.test_store_fails_hangs_and_goes_down",
        "test_chaos.test_disk_full",
    ],
    "EnrichBrokerUnavailable": [
        "test_chaos.test_redis_restarted_then_wiped",
        "test_broker_faults.test_redis_without_memory_is_waited_out",
        "test_broker_faults.test_a_connection_that_fell_silent_is_noticed",
    ],
    "EnrichRunStopped": [
        "test_runbook.test_a_stopped_night_says_why_and_does_not_keep_the_next_from_starting"
    ],
    "EnrichPoisonRecord": [
        "test_poison.test_poison_is_isolated",
        "test_runbook.test_a_quarantined_record_is_tried_again_when_its_data_has_changed",
    ],
    "EnrichManyFailures": ["test_runbook.test_a_run_taken_back_leaves_its_gaps_open"],
    "EnrichStalled": ["test_chaos.test_everything_lost_and_resumed"],
    "What is kept, and pruning": [
        "../cli/test_prune.test_a_dry_run_says_what_would_go_and_drops_nothing",
        "../cli/test_prune.test_answers_of_several_runs_are_dropped_only_with_yes",
    ],
    "Backups": ["test_runbook.test_a_store_restored_in_the_middle_of_a_run"],
    "Several museums on one Redis": ["test_shared_redis.test_two_museums_do_their_own_work"],
    "Upgrades": ["test_runbook.test_a_link_turned_to_a_newer_model_is_used_by_the_next_run"],
    "Several machines": ["test_models_in_workers.test_batches_in_a_queue_of_their_own"],
}
"""The tests that follow each entry, `module.test`."""

slow = pytest.mark.slow
HERE = Path(__file__).parent


def test_every_entry_is_followed_by_tests_that_are_there() -> None:
    text = (HERE.parents[1] / "docs" / "operating.md").read_text(encoding="utf-8")
    runbook = text[text.index("## Runbook") : text.index("## Figures")]
    entries = re.findall(r"^##+ (.+)$", runbook, re.MULTILINE)
    assert set(entries) - {"Runbook"} == set(FOLLOWED)
    for tests in FOLLOWED.values():
        for module, _, name in (test.rpartition(".") for test in tests):
            assert f"def {name}(" in (HERE / f"{module}.py").read_text(encoding="utf-8"), name


@slow
@pytest.mark.timeout(400)
def test_a_stopped_night_says_why_and_does_not_keep_the_next_from_starting(museum: Museum) -> None:
    """Given a night whose model is gone, then `enrich job` shows the reason; the next night starts all the same; the
    stopped one goes on when it is resumed, and another is given up."""
    nightly_settings(museum, "0 2 * * *")
    small_batches(museum)
    worker = museum.worker(1)
    app = make_app(load_settings(museum.folder / "enrich.toml"))
    app.send_task("enrich.nightly")
    m.wait_for(lambda: museum.jobs() and museum.jobs()[0]["answered"], 60, "the night to be under way")
    museum.kill(worker)
    (museum.folder / "model").rename(museum.folder / "elsewhere")
    museum.worker(1)
    (night,) = museum.jobs()
    m.wait_for(lambda: museum.job(night["job"])["state"] == "failed", 90, "the night to stop")
    assert "model" in museum.job(night["job"])["reason"]
    (museum.folder / "elsewhere").rename(museum.folder / "model")
    job = museum.json("queue", "--model", "model", "--limit", "3")["job"]
    museum.wait_for_job(job)
    museum.enrich("resume", night["job"])
    museum.wait_for_job(night["job"])
    museum.check(runs=2)


@slow
@pytest.mark.timeout(400)
def test_a_quarantined_record_is_tried_again_when_its_data_has_changed(
    museum: Museum,
) -> None:
    gaps = sorted(m.open_gaps(museum.folder, museum.store()))
    poison = gaps[0][0]
    for _ in range(20):
        done = museum.enrich("run", "--model", "model", check=False, POISON=f"segfault={poison}")
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGSEGV, done.stderr
    lost = {gap for gap in gaps if gap[0] == poison}
    museum.check(failed=len(lost))
    assert museum.json("run", "--model", "model")["run"] is None, (
        "it is not tried again while nothing changes"
    )
    store = museum.store()
    subject = next(q for q in [*store.select(f"SELECT ?g WHERE {{ GRAPH ?g {{ <{poison}> a ?class }} }}")])
    graph = subject[0]
    store.insert([Quad(m.ox.NamedNode(poison), RDFS.label, Literal("mended"), graph)])  # type: ignore[arg-type]
    again = museum.json("run", "--model", "model")
    assert (again["records"], again["failed"]) == (1, 0)


@slow
@pytest.mark.timeout(200)
def test_a_run_taken_back_leaves_its_gaps_open(museum: Museum) -> None:
    gaps = len(m.open_gaps(museum.folder, museum.store()))
    run = museum.json("run", "--model", "model")["run"]
    museum.enrich("retract", run)
    counted = museum.json("gaps")["properties"]
    assert sum(each["open"] for each in counted.values()) == gaps
    again = museum.json("run", "--model", "model")
    assert again["predicted"] + again["abstained"] == gaps


@slow
@pytest.mark.timeout(400)
def test_a_store_restored_in_the_middle_of_a_run(
    museum: Museum, graph: tuple[Server, str], tmp_path: Path
) -> None:
    """Given a backup that was made while a run wrote, when it is restored, then nothing of that run is seen; once it
    is cancelled, the next run answers every gap."""
    small_batches(museum)
    museum.slow(0.2)
    own = museum.start("run", "--model", "model", "--json")
    m.wait_for(lambda: [job for job in museum.jobs() if job["answered"]], 60, "the run to be under way")
    graph[0].end()
    museum.hurry()
    shutil.copytree(tmp_path / "store", tmp_path / "backup")
    graph[0].start()
    assert own.wait(120) in (0, 3)
    graph[0].end()
    shutil.rmtree(tmp_path / "store")
    shutil.copytree(tmp_path / "backup", tmp_path / "store")
    graph[0].start()
    assert m.answers_of(museum.store()) == []
    (job,) = museum.jobs()
    assert job["state"] == "running"
    museum.enrich("cancel", job["job"])
    museum.json("run", "--model", "model")
    museum.check()


@slow
@pytest.mark.timeout(400)
def test_a_link_turned_to_a_newer_model_is_used_by_the_next_run(museum: Museum) -> None:
    """Given a worker that has used a model through a link, when the link is turned, then the next job is done with
    the newer model and without a restart."""
    (museum.folder / "model").rename(museum.folder / "model-2026")
    (museum.folder / "model").symlink_to("model-2026")
    museum.worker(1)
    first = museum.json("queue", "--model", "model", "--limit", "5")["job"]
    museum.wait_for_job(first)
    with Workspace(load_settings(museum.folder / "enrich.toml"), open_store()) as workspace:
        facts = museum.store()
        quads = [Quad(*row) for row in facts.select("SELECT ?s ?p ?o ?g WHERE { GRAPH ?g { ?s ?p ?o } }")]  # type: ignore[arg-type]
        workspace.store.insert(q for q in quads if not workspace.names.owns(q.graph_name))  # type: ignore[arg-type]
        gone = next(q for q in quads if q.predicate == workspace.profile.properties[0].predicate.predicate)
        workspace.store.update(
            f"DELETE WHERE {{ GRAPH {gone.graph_name} {{ {gone.subject} {gone.predicate} {gone.object} }} }}"
        )
        train(workspace, None, museum.folder / "model-2027", modalities=("dummy",))
    (museum.folder / "model").unlink()
    (museum.folder / "model").symlink_to("model-2027")
    second = museum.json("queue", "--model", "model", "--limit", "5")["job"]
    museum.wait_for_job(second)
    used = {job["job"]: Path(job["model"]).name for job in museum.jobs()}
    assert used == {first: "model-2026", second: "model-2027"}
