"""The runbook of docs/operating.md, followed: every sentence has tests that do what it says and see what it promises."""

from __future__ import annotations

import json
import re
import shutil
import signal
from pathlib import Path

import pytest
from pyoxigraph import Literal, Quad

from enrich.graph.stores import open_store
from enrich.learn.training import train
from enrich.ontology.terms import RDFS
from enrich.settings.loading import load_settings
from enrich.workers.app import make_app
from enrich.workspace import Workspace
from tests.workers import museum as m
from tests.workers.followed import FOLLOWED
from tests.workers.museum import Museum, Server
from tests.workers.small import GAPS
from tests.workers.test_runs_together import nightly_settings, small_batches

slow = pytest.mark.slow
TESTS = Path(__file__).resolve().parents[1]


def sentences(text: str) -> list[str]:
    """The sentences of a part of the runbook; what stands in a table, in code or beside a picture is none, nor is a
    paragraph of figures that says which command made them."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    paragraphs = [" ".join(part.split()) for part in prose.split("\n\n")]
    said = [
        p for p in paragraphs if p and not p.startswith(("|", "![", "`python benchmarks", "With pruning,"))
    ]
    return [s for p in said for s in re.split(r"(?<=[.?])\s+(?=[A-Z`*])(?!Write\b|Stop\b|Set\b)", p)]


def test_every_sentence_is_followed_by_tests_that_are_there() -> None:
    text = (TESTS.parent / "docs" / "operating.md").read_text(encoding="utf-8")
    runbook = text[text.index("## Runbook") : text.index("## Figures")]
    _, *parts = re.split(r"^##+ (.+)$", runbook, flags=re.MULTILINE)
    entries = {
        name: sentences(part) for name, part in zip(parts[::2], parts[1::2], strict=True) if part.strip()
    }
    assert set(entries) == set(FOLLOWED)
    for entry, found in entries.items():
        begun = {
            sentence: [words for words in FOLLOWED[entry] if sentence.startswith(words)] for sentence in found
        }
        assert {s: words for s, words in begun.items() if len(words) != 1} == {}, (
            f"{entry}: sentences without a test"
        )
        assert {w for words in begun.values() for w in words} == set(FOLLOWED[entry]), (
            f"{entry}: tests without a sentence"
        )


def test_every_test_that_follows_the_runbook_is_there() -> None:
    for test in {test for entry in FOLLOWED.values() for tests in entry.values() for test in tests}:
        module, _, name = test.rpartition(".")
        file = TESTS / ("" if "/" in module else "workers") / f"{module}.py"
        assert f"def {name}(" in file.read_text(encoding="utf-8"), test


@slow
@pytest.mark.timeout(400)
def test_a_stopped_night_says_why_and_does_not_keep_the_next_from_starting(museum: Museum) -> None:
    """Given a night whose model is gone, then `enrich jobs` shows that it failed and `enrich job` the reason; what is
    asked next is done all the same, and the night goes on when it is resumed."""
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
    assert [job["state"] for job in museum.json("jobs")["jobs"]] == ["failed"]
    assert "model" in museum.json("job", night["job"])["reason"]
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
    museum.enrich("retract", run, "--yes")
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
    museum.enrich("cancel", job["job"], "--yes")
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


@slow
@pytest.mark.timeout(400)
def test_a_worker_told_to_end_finishes_what_it_has_begun_and_another_goes_on(little: Museum) -> None:
    """Given a worker in the middle of a job, when it is told to end, then the batch in hand counts; the next worker,
    of a newer version perhaps, does the rest and none of it twice."""
    little.slow(0.5)
    worker = little.worker()
    job = little.json("queue", "--model", "model")["job"]
    m.wait_for(lambda: little.job(job)["answered"], 60, "work to begin")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    told = [json.loads(line)["outcome"] for line in little.logs('"event": "batch"')]
    assert set(told) == {"done"}
    before = little.job(job)
    assert before["state"] == "running"
    assert before["answered"] == 2 * len(told), "what was done counts"
    little.hurry()
    little.worker()
    little.wait_for_job(job)
    little.check(gaps=GAPS)
