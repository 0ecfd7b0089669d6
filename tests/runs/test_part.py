"""A part of a run is taken back: what is in it no longer counts, and the rest stands as it was."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pyoxigraph import NamedNode

from enrich.answering.run import run as answer_gaps
from enrich.errors import InputError, RunError
from enrich.graph.stores import Store
from enrich.graph.where import records_where
from enrich.runs import part as parts
from enrich.runs.narrowing import leave_out
from enrich.runs.part import Part, part_of, take_back, taken_back
from enrich.runs.register import Register
from enrich.runs.register import retract as retract_run
from enrich.runs.shards import COUNTED, held_counts
from enrich.workspace import Workspace
from tests.museums import dummy_model, museum
from tests.runs.made_runs import NAMES, add_run
from tests.runs.test_current import by_gap, queried
from tests.runs.test_prune import workspace as with_runs


class Killed(BaseException):
    """What kills a process."""


@pytest.fixture
def answered(tmp_path: Path) -> tuple[Workspace, NamedNode]:
    """A made museum with one run of several shards."""
    workspace = museum(60, run={"shard": 30})
    summary = answer_gaps(workspace, dummy_model(workspace, tmp_path / "model"))
    assert summary.run is not None
    run = NamedNode(summary.run)
    assert len(Register(workspace.store, workspace.names).shards(run)) > 2
    return workspace, run


def values(workspace: Workspace, run: NamedNode) -> Counter[tuple[str, str, float]]:
    """What a run asserts: record, property and confidence."""
    shards = Register(workspace.store, workspace.names).shards(run)
    return Counter(row[1:] for g in shards for row in parts._asserted(workspace.store, NamedNode(g)))


def counts_agree(workspace: Workspace, run: NamedNode) -> bool:
    register = Register(workspace.store, workspace.names)
    held = held_counts(workspace.store, [NamedNode(g) for g in sorted(register.shards(run))])
    total: Counter[str] = sum(held.values(), Counter())
    found = register.get(run)
    return all(getattr(found, name) == total[name] for name in COUNTED)


def test_a_part_goes_and_the_rest_stands(answered: tuple[Workspace, NamedNode]) -> None:
    workspace, run = answered
    before, part = values(workspace, run), Part("material", below=0.4)
    wanted = Counter({v: n for v, n in before.items() if part.holds(v[1], v[2], None)})
    assert 0 < wanted.total() < sum(n for v, n in before.items() if v[1] == "material")

    found = part_of(workspace, run, part)
    assert (found.by_property, values(workspace, run)) == (Counter(material=wanted.total()), before)
    taken = take_back(workspace, found)

    assert taken == wanted.total()
    assert values(workspace, run) == before - wanted
    assert counts_agree(workspace, run)
    (noted,) = taken_back(workspace.store, workspace.names, run)
    assert (noted.part, noted.answers, noted.by) == (part, taken, workspace.settings.actor)


def test_a_part_is_of_a_museum(answered: tuple[Workspace, NamedNode]) -> None:
    workspace, run = answered
    (record, *_) = workspace.reader.iris()
    ((chosen,),) = [workspace.reader.read([record])[0].record.context["museum"]]
    own = {r.value for r in records_where(workspace.reader, [f"museum={chosen}"])}
    before = values(workspace, run)

    take_back(workspace, part_of(workspace, run, Part(museum=chosen)))

    assert values(workspace, run) == Counter({v: n for v, n in before.items() if v[0] not in own})
    assert any(v[0] in own for v in before)
    assert counts_agree(workspace, run)


def test_its_gaps_are_open_again(answered: tuple[Workspace, NamedNode], tmp_path: Path) -> None:
    workspace, run = answered
    model = tmp_path / "model"
    assert answer_gaps(workspace, model).run is None
    before = values(workspace, run)

    take_back(workspace, part_of(workspace, run, Part("time")))
    again = answer_gaps(workspace, model)

    assert again.run is not None
    assert values(workspace, NamedNode(again.run)) == Counter(
        {v: n for v, n in before.items() if v[1] == "time"}
    )


def test_a_gap_of_which_a_value_stays_is_answered_still(
    answered: tuple[Workspace, NamedNode], tmp_path: Path
) -> None:
    workspace, run = answered
    before = Register(workspace.store, workspace.names).get(run)

    assert take_back(workspace, part_of(workspace, run, Part("material", below=0.4)))

    assert Register(workspace.store, workspace.names).get(run).predicted == before.predicted
    assert answer_gaps(workspace, tmp_path / "model").run is None


def test_an_older_answer_counts_again(store: Store) -> None:
    old = add_run(store, "r1", {(0, "place"): ["a"], (1, "place"): ["a"]}, order=1)
    new = add_run(store, "r2", {(0, "place"): ["b"], (1, "time"): ["b"], (2, "place"): []}, order=2)
    workspace = with_runs(store)

    assert take_back(workspace, part_of(workspace, new, Part("place", below=0.9))) == 1

    assert by_gap(queried(store, "current")) == {
        (0, "place"): (old, {"a"}),
        (1, "place"): (old, {"a"}),
        (1, "time"): (new, {"b"}),
        (2, "place"): (new, set()),
    }


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_killed_in_the_middle_and_repeated_it_is_as_if_done_at_once(
    answered: tuple[Workspace, NamedNode], monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    workspace, run = answered
    before, part = values(workspace, run), Part("time")
    left = steps

    def dying(*args: object, **said: object) -> bool | None:
        nonlocal left
        if not left:
            raise Killed
        left -= 1
        return leave_out(*args, **said)  # type: ignore[arg-type]

    monkeypatch.setattr(parts, "leave_out", dying)
    with pytest.raises(Killed):
        take_back(workspace, part_of(workspace, run, part))
    assert counts_agree(workspace, run)
    monkeypatch.undo()

    take_back(workspace, part_of(workspace, run, part))

    assert values(workspace, run) == Counter({v: n for v, n in before.items() if v[1] != "time"})
    assert counts_agree(workspace, run)
    (noted,) = taken_back(workspace.store, workspace.names)
    assert noted.answers == sum(n for v, n in before.items() if v[1] == "time")


def test_a_run_that_is_retracted_meanwhile_keeps_its_graphs(answered: tuple[Workspace, NamedNode]) -> None:
    workspace, run = answered
    found = part_of(workspace, run, Part("time"))
    retract_run(workspace, run.value, purge=False)
    graphs = set(workspace.store.graphs())

    assert take_back(workspace, found) == 0
    assert set(workspace.store.graphs()) == graphs


def test_what_another_took_back_meanwhile_is_neither_counted_again_nor_in_the_way(
    answered: tuple[Workspace, NamedNode],
) -> None:
    """Given two curators who have looked at two properties of a run, when both then take theirs back, then both are gone
    and each is said as often as it went; the same part, taken back twice, is counted once."""
    workspace, run = answered
    before = Counter(name for _, name, _ in values(workspace, run).elements())
    found = {name: part_of(workspace, run, Part(name)) for name in ("material", "time")}
    again = part_of(workspace, run, Part("time"))

    taken = {name: take_back(workspace, part) for name, part in found.items()}

    assert taken == {name: before[name] for name in found}
    assert take_back(workspace, again) == 0
    assert not {name for _, name, _ in values(workspace, run)} & set(found)
    assert {n.part.property: n.answers for n in taken_back(workspace.store, workspace.names)} == taken
    assert counts_agree(workspace, run)


def test_what_is_expected_of_the_run_follows(answered: tuple[Workspace, NamedNode]) -> None:
    workspace, run = answered
    register = Register(workspace.store, workspace.names)
    before = register.get(run).expected

    take_back(workspace, part_of(workspace, run, Part("time")))

    after = register.get(run).expected
    assert before
    assert after
    assert after != before


def test_no_part_is_refused(answered: tuple[Workspace, NamedNode], store: Store) -> None:
    workspace, run = answered
    for part, said in (
        (Part(), "which part"),
        (Part(below=0.5, above=0.5), "nothing is below"),
        (Part(museum="no iri"), "museum=no iri"),
    ):
        with pytest.raises(InputError, match=said):
            part_of(workspace, run, part)
    other = with_runs(store)
    waiting = add_run(store, "r1", {(0, "place"): ["a"]}, order=1, state="Open")
    with pytest.raises(RunError, match="is Open"):
        part_of(other, waiting, Part("place"))
    assert NAMES.run("r1") == waiting
