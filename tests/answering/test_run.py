"""Runs: every gap answered once, nothing doubled, nothing half visible, the facts untouched."""

from __future__ import annotations

import io
import multiprocessing
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest
from pyoxigraph import Literal, NamedNode, Quad

from enrich.answering import run as pipeline
from enrich.answering.batch import Batcher
from enrich.classifiers.data import Record
from enrich.classifiers.model.description import ModelDescription
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.prediction import Prediction
from enrich.errors import EnrichError, ModelError, RunError, SettingsError
from enrich.graph.gaps import count_gaps
from enrich.graph.stores import Store
from enrich.ontology.queries import named_query
from enrich.ontology.terms import ENR, RDFS
from enrich.runs import register as runs
from enrich.runs.attempts import Attempt
from enrich.runs.finding import list_runs
from enrich.runs.lease import grant_lease, release_lease
from enrich.runs.plan import Plan
from enrich.runs.register import ACTIVE, OPEN
from enrich.runs.request import RUN, make_request, open_run
from enrich.settings.loading import Settings
from enrich.settings.models import RunSettings
from enrich.workspace import Workspace
from tests.museums import batcher_of, dummy_model, museum


def rows(workspace: Workspace, name: str) -> list[tuple[str, ...]]:
    query = named_query(name).bind(**workspace.names.graphs)
    return sorted(tuple(t.value if t else "" for t in row) for row in workspace.store.select(query))


def facts(workspace: Workspace) -> list[bytes]:
    """The dump of every fact graph, lines sorted: stores give them in no order."""
    lines: list[bytes] = []
    for graph in workspace.reader.graphs:
        target = io.BytesIO()
        workspace.store.dump(target, graph)
        lines += sorted(target.getvalue().splitlines())
    return lines


def gaps_left(workspace: Workspace) -> int:
    return sum(g.open for g in count_gaps(workspace).properties.values())


def test_a_run_answers_every_gap_once_and_touches_no_fact(store: Store, tmp_path: Path) -> None:
    workspace = museum(40, store)
    model = dummy_model(workspace, tmp_path / "m")
    before, open_gaps = facts(workspace), gaps_left(workspace)

    summary = pipeline.run(workspace, model)
    again = pipeline.run(workspace, model)

    assert summary.predicted + summary.abstained + summary.failed == open_gaps
    assert summary.predicted > 0
    assert summary.abstained > 0
    assert again.run is None
    assert gaps_left(workspace) == 0
    current = [(r[1], r[3]) for r in rows(workspace, "current") if r[7].endswith(("Abstained", "Failed"))]
    assert len(current) == len(set(current)) == summary.abstained + summary.failed
    assert facts(workspace) == before


def test_the_same_museum_and_model_give_the_same_answers_on_every_store(store: Store, tmp_path: Path) -> None:
    workspace, reference = museum(30, store), museum(30)
    model = dummy_model(reference, tmp_path / "m")
    for each in (workspace, reference):
        pipeline.run(each, model)

    def without_run(found: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return sorted((*row[:4], f"{float(row[4]):.6f}", row[5]) for row in found)

    assert without_run(rows(workspace, "candidates")) == without_run(rows(reference, "candidates"))


def test_a_new_model_supersedes_and_gives_way_again(tmp_path: Path) -> None:
    workspace = museum(30)
    first = pipeline.run(workspace, dummy_model(workspace, tmp_path / "a"))
    told_first = rows(workspace, "predictions")
    second = pipeline.run(workspace, dummy_model(workspace, tmp_path / "b", seed=1))
    told_second = rows(workspace, "predictions")
    assert second.run is not None

    assert {row[-2] for row in told_first} == {first.run}
    assert {row[-2] for row in told_second} == {second.run}
    assert len(told_first) == len(told_second)
    runs.retract(workspace, second.run)
    assert rows(workspace, "predictions") == told_first


def test_a_run_says_which_answers_it_dropped_for_good(tmp_path: Path) -> None:
    """Given answers that may go as soon as newer ones are there, when the next run drops them, then it says of which run."""
    workspace = museum(12, run={"keep_days": 0})
    first = pipeline.run(workspace, dummy_model(workspace, tmp_path / "a"))
    second = pipeline.run(workspace, dummy_model(workspace, tmp_path / "b", seed=1))
    time.sleep(1.1)  # the register tells whole seconds
    third = pipeline.run(workspace, dummy_model(workspace, tmp_path / "c", seed=2), limit=1)
    assert first.pruned is second.pruned is None
    assert third.pruned is not None
    assert set(third.pruned.answers) == {first.run}
    assert third.pruned.answers.total() == sum(e.answered + e.abstained for e in first.expected.values())


def test_a_changed_input_is_asked_again_and_only_it(tmp_path: Path) -> None:
    workspace = museum(30)
    model = dummy_model(workspace, tmp_path / "m")
    pipeline.run(workspace, model)
    subject = next(s for s in workspace.reader.read_all() if s.missing)
    graph = NamedNode(workspace.reader.graphs[0].value)
    workspace.store.insert([Quad(subject.iri, RDFS.label, Literal("a new title"), graph)])

    summary = pipeline.run(workspace, model)

    assert (summary.records, summary.predicted + summary.abstained) == (1, len(subject.missing))
    assert gaps_left(workspace) == 0


def test_properties_records_and_a_limit_bound_a_run(tmp_path: Path) -> None:
    workspace = museum(40)
    model = dummy_model(workspace, tmp_path / "m")
    lacking = [s.iri.value for s in workspace.reader.read_all() if "place" in s.missing]

    limited = pipeline.run(workspace, model, properties=["place"], limit=3)
    named = pipeline.run(workspace, model, properties=["place"], records=lacking[:5])

    assert limited.records == 3
    assert limited.predicted + limited.abstained == 3
    assert named.records <= 5
    assert {r[2] for r in rows(workspace, "predictions")} <= {"place"}


def test_what_the_model_did_not_learn_or_the_profile_lacks_is_refused(tmp_path: Path) -> None:
    workspace = museum(10)
    model = dummy_model(workspace, tmp_path / "m")

    with pytest.raises(SettingsError, match="no property 'colour'"):
        pipeline.run(workspace, model, properties=["colour"])
    with pytest.raises(EnrichError, match="absolute IRI"):
        pipeline.run(workspace, model, records=["not an iri"])


def test_a_record_that_is_none_gets_no_answer(tmp_path: Path) -> None:
    workspace = museum(10)
    model = dummy_model(workspace, tmp_path / "m")
    lacking = next(s for s in workspace.reader.read_all() if s.missing)

    summary = pipeline.run(workspace, model, records=["https://o.example/stranger", lacking.iri.value])

    assert (summary.records, summary.failed) == (1, 0)
    assert summary.predicted + summary.abstained == len(lacking.missing)
    assert not [row for row in rows(workspace, "current") if "stranger" in row[1]]


class Fragile(Model):
    """A model that one record breaks, or every record."""

    breaks_on: str = ""

    def predict(self, records: Sequence[Record]) -> dict[str, Prediction]:
        if any(self.breaks_on in r.id for r in records):
            raise ValueError("out of cheese")
        return super().predict(records)


def fragile(workspace: Workspace, folder: Path, breaks_on: str) -> Batcher:
    model = Fragile.load(dummy_model(workspace, folder))
    model.breaks_on = breaks_on
    return batcher_of(workspace, model)


def test_a_record_that_breaks_the_model_fails_alone_with_its_reason(tmp_path: Path) -> None:
    workspace = museum(20)
    victim = next(s for s in workspace.reader.read_all() if s.missing)
    batcher = fragile(workspace, tmp_path / "m", victim.iri.value)

    questions = batcher.questions(list(workspace.reader.iris()))
    answered = [a for piece in batcher.answer(questions) for a in piece]

    failed = {(a.subject.iri, a.decision.detail) for a in answered if a.decision.outcome == ENR.Failed}
    assert failed == {(victim.iri, "ValueError: out of cheese")}


def test_a_model_that_breaks_on_everything_stops_the_run(tmp_path: Path) -> None:
    workspace = museum(20)
    batcher = fragile(workspace, tmp_path / "m", "")

    with pytest.raises(ModelError, match=r"failed on all \d+ records.*out of cheese"):
        list(batcher.answer(batcher.questions(list(workspace.reader.iris()))))


def test_a_run_that_died_is_taken_up_again_and_nothing_is_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = museum(40, run={"batch": 5})
    model = dummy_model(workspace, tmp_path / "m")
    total = gaps_left(workspace)
    commit = Plan.commit
    calls = iter([False, False, True])

    def dies(self: Plan, *args: object) -> bool:
        if next(calls, False):
            raise KeyboardInterrupt
        return commit(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Plan, "commit", dies)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(workspace, model)
    (dead,) = list_runs(workspace)
    assert (dead.state, dead.shards) == (OPEN, 2)
    assert rows(workspace, "current") == []

    summary = pipeline.run(workspace, model)

    assert (summary.run, summary.resumed) == (dead.run, True)
    assert summary.predicted + summary.abstained + summary.failed == total
    assert gaps_left(workspace) == 0


def test_on_a_shared_store_a_run_under_way_is_not_joined_until_its_lease_ends(
    remote_store: Store, tmp_path: Path
) -> None:
    workspace = museum(10, remote_store)
    model = dummy_model(workspace, tmp_path / "m")
    other = begun_elsewhere(workspace, model, ("place",))

    with pytest.raises(RunError, match="is under way"):
        pipeline.run(workspace, model)
    runs.retract(workspace, other.value)
    assert pipeline.run(workspace, model).run is not None


def begun_elsewhere(workspace: Workspace, model: Path, properties: Sequence[str]) -> NamedNode:
    """A run that a process of another machine has begun."""
    described = ModelDescription.read(model)
    run, _ = open_run(
        workspace, described, make_request(workspace, RUN, model, described, properties=properties)
    )
    taken_elsewhere(workspace, run)
    return run


def taken_elsewhere(workspace: Workspace, run: NamedNode) -> Attempt:
    """The process of another machine that holds the lease for a run from now on."""
    now = runs.Register(workspace.store, workspace.names).clock()
    there = replace(Attempt.here(now), host="another-machine")
    assert grant_lease(workspace.store, workspace.names, run, holder=there).run == run
    return there


@pytest.mark.parametrize("same", [True, False], ids=["the same run", "another"])
def test_of_two_that_begin_in_one_instant_the_run_that_goes_on_stays(
    remote_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    """Given a process that has entered its run, when another one gets the lease in that instant, for that very run or for
    one of its own, then the first gives up, and the run that the other goes on with stays, and no other."""
    workspace = museum(10, remote_store)
    model = dummy_model(workspace, tmp_path / "m")
    held: list[tuple[NamedNode, Attempt]] = []

    def entered(*asked: Any) -> tuple[NamedNode, bool]:
        run, new = open_run(*asked)
        goes_on = run
        if not same:
            described = ModelDescription.read(model)
            request = make_request(workspace, RUN, model, described, properties=("place",))
            goes_on, _ = open_run(workspace, described, request)
        held.append((goes_on, taken_elsewhere(workspace, goes_on)))
        return run, new

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "open_run", entered)
        with pytest.raises(RunError, match="is under way"):
            pipeline.run(workspace, model)

    ((run, there),) = held
    assert [(left.run, left.state) for left in list_runs(workspace)] == [(run.value, OPEN)]
    release_lease(workspace.store, workspace.names, run, there)
    done = pipeline.run(workspace, model, properties=() if same else ("place",))
    assert (done.run, done.resumed) == (run.value, True)


def test_hostile_texts_and_classes_come_back_as_they_went_in(store: Store, tmp_path: Path) -> None:
    workspace = museum(12, store)
    subject = next(s for s in workspace.reader.read_all() if s.missing)
    nasty = 'a"b\\c}\n} ; DROP ALL #‮ ' + "x" * 100
    graph = workspace.reader.graphs[0]
    workspace.store.insert([Quad(subject.iri, RDFS.label, Literal(nasty, language="en"), graph)])
    model = dummy_model(workspace, tmp_path / "m")

    summary = pipeline.run(workspace, model)

    assert summary.failed == 0
    (read,) = workspace.reader.read([subject.iri])
    assert nasty in {t.value for t in read.record.texts}
    assert read.record.known == subject.record.known


def run_in_a_process(path: Path, model: Path, begun: Event) -> None:
    """A whole run over the store at `path`, as another process would do it."""
    from enrich.graph.stores import open_store

    store = open_store(path=path)
    settings = Settings(profile="linked-art", run=RunSettings(batch=20))
    with Workspace(settings, store) as workspace:
        begun.set()
        pipeline.run(workspace, model)
    store.close()


@pytest.mark.slow
def test_killed_twenty_times_the_run_ends_whole(tmp_path: Path) -> None:
    from enrich.graph.stores import open_store

    store = open_store(path=tmp_path / "store")
    workspace = museum(400, store)
    model = dummy_model(workspace, tmp_path / "m")
    before, total = facts(workspace), gaps_left(workspace)
    store.close()
    chance = random.Random(5)
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(["enrich.answering.run", "enrich.classifiers.dummy"])
    kills, active = 0, False
    while kills < 20 and not active:
        begun = forked.Event()
        process = forked.Process(target=run_in_a_process, args=(tmp_path / "store", model, begun))
        process.start()
        assert begun.wait(60)
        time.sleep(chance.uniform(0.0, 0.25))
        process.kill()
        process.join()
        kills += 1
        store = open_store(path=tmp_path / "store")
        seen = Workspace(workspace.settings, store)
        states = [run.state for run in list_runs(seen)]
        active = ACTIVE in states
        assert len(states) <= 1
        assert active or rows(seen, "current") == []
        store.close()

    begun = forked.Event()
    process = forked.Process(target=run_in_a_process, args=(tmp_path / "store", model, begun))
    process.start()
    process.join(120)
    assert process.exitcode == 0

    store = open_store(path=tmp_path / "store")
    seen = Workspace(workspace.settings, store)
    (run,) = list_runs(seen)
    assert run.state == ACTIVE
    assert gaps_left(seen) == 0
    assert (run.predicted or 0) + (run.abstained or 0) + (run.failed or 0) == total
    assert facts(seen) == before
    store.close()
