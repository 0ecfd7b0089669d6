"""A ticket: of those who make shards of active runs smaller behind a server, one at a time does so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from pyoxigraph import Literal, NamedNode, Quad

from enrich.answering.context import Context
from enrich.answering.finalize import tidy
from enrich.answering.observer import Observer
from enrich.errors import RunError
from enrich.graph.stores import Store, open_store
from enrich.ontology.terms import ENR
from enrich.runs import ticket as tickets
from enrich.runs.attempts import Attempt
from enrich.runs.part import Part, part_of, take_back
from enrich.runs.register import Register
from enrich.runs.ticket import LIFE, Ticket
from tests.runs.made_runs import NAMES, add_run
from tests.runs.test_prune import workspace

GRAPH = NamedNode(f"{NAMES.graph_prefix}tickets")


@pytest.fixture(autouse=True)
def _waits_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "PATIENCE", 0.0)


def of_another(store: Store, age: float = 0.0, **said: object) -> Attempt:
    """The ticket of another process, as old as that."""
    made = Attempt.here(Register(store, NAMES).clock() - timedelta(seconds=age))
    made = replace(made, **said)  # type: ignore[arg-type]
    store.insert([Quad(GRAPH, ENR.attempt, Literal(str(made)), GRAPH)])
    return made


def held(store: Store) -> set[str]:
    rows = store.select(f"SELECT ?t WHERE {{ GRAPH {GRAPH} {{ ?s ?p ?t }} }}")
    return {t.value for (t,) in rows if t is not None}


def test_one_has_it_at_a_time(remote_store: Store) -> None:
    register = Register(remote_store, NAMES)
    with Ticket(register):
        with pytest.raises(RunError, match=r"another process .* in \d+ s if it has died"), Ticket(register):
            pass
        assert len(held(remote_store)) == 1
    with Ticket(register):
        pass
    assert held(remote_store) == set()


def test_of_two_who_ask_at_once_each_gives_way_and_tries_again(
    remote_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given another's ticket that is seen beside one's own, then one's own is out while one waits, and goes in again."""
    monkeypatch.setattr(tickets, "PATIENCE", 60.0)
    other = of_another(remote_store)
    waited = []

    def meanwhile(seconds: float) -> None:
        waited.append(seconds)
        assert held(remote_store) == {str(other)}
        remote_store.drop(GRAPH)

    monkeypatch.setattr("time.sleep", meanwhile)
    with Ticket(Register(remote_store, NAMES)) as ticket:
        assert held(remote_store) == {str(ticket.own)}
    assert len(waited) == 1


@pytest.mark.parametrize(
    "dead", [{"age": 9.0, "born": "1"}, {"age": LIFE + 5}, {"age": LIFE + 5, "host": "far/1/2"}]
)
def test_the_dead_stop_nobody(remote_store: Store, dead: dict[str, float]) -> None:
    """A process that is gone from this machine, or that has not put its ticket in anew."""
    of_another(remote_store, **dead)  # type: ignore[arg-type]
    with Ticket(Register(remote_store, NAMES)) as ticket:
        assert held(remote_store) == {str(ticket.own)}


def test_it_holds_on_while_the_work_goes_on(remote_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given one that has ended before it was put in anew, when another has begun since, then it waits for that one."""
    register = Register(remote_store, NAMES)
    now = register.clock()

    def later(seconds: float) -> Callable[[], object]:
        return lambda: now + timedelta(seconds=seconds)

    with Ticket(register) as ticket:
        first = ticket.own
        ticket.renew()
        assert ticket.own == first
        monkeypatch.setattr(register, "clock", later(LIFE * 0.5))
        ticket.renew()
        assert ticket.own != first
        assert held(remote_store) == {str(ticket.own)}
        monkeypatch.setattr(register, "clock", later(LIFE * 1.6))
        of_another(remote_store, age=-LIFE * 1.5)
        with pytest.raises(RunError, match="another process"):
            ticket.renew()


def test_a_store_of_one_process_needs_none() -> None:
    store = open_store()
    with Ticket(Register(store, NAMES)):
        assert held(store) == set()


def test_without_it_nothing_is_taken_back_or_pruned(remote_store: Store) -> None:
    """A run that ends goes on; the next one prunes."""
    add_run(remote_store, "r1", {(0, "place"): ["a"]}, order=1)
    new = add_run(remote_store, "r2", {(0, "place"): ["b"]}, order=2)
    museum = workspace(remote_store)
    said: list[str] = []

    class Told(Observer):
        def log(self, level: str, event: str, **rest: object) -> None:
            said.append(f"{level}: {event}, {rest.get('reason')}")

    of_another(remote_store)
    with pytest.raises(RunError, match="another process"):
        take_back(museum, part_of(museum, new, Part("place")))
    tidy(Context(museum.settings, workspace=museum, observer=Told()))

    (line,) = said
    assert line.startswith("warning: not tidied; the next run does it, another process")
    assert len(part_of(museum, new, Part("place")).shards) == 1
    remote_store.drop(GRAPH)
    assert take_back(museum, part_of(museum, new, Part("place"))) == 1
