"""The circuit of a host that fails is opened; hosts that ask to wait are waited for, within a bound."""

from __future__ import annotations

import pytest

from enrich.media.circuits import ERRORS_PER_FAILURE, HALF_OPEN_AFTER, Circuits
from enrich.media.refusal import NoAnswer, Refusal, ServerError
from tests.media.servers import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuits(clock: Clock) -> Circuits:
    return Circuits(3, 30.0, clock=clock, sleep=clock.sleep)


def test_the_circuit_of_a_silent_host_opens_after_failures_in_a_row(circuits: Circuits) -> None:
    for _ in range(3):
        circuits.admit("dead.org")
        circuits.refused("dead.org", NoAnswer("dead.org has no address"))
    opened = r"circuit of dead.org is open: 3 failures in a row, the last: dead.org has no"
    with pytest.raises(Refusal, match=opened) as refused:
        circuits.admit("dead.org")
    assert refused.value.kind.may_come
    circuits.admit("other.org")
    assert list(circuits.open()) == ["dead.org"]


def open_circuit(circuits: Circuits, host: str) -> None:
    for _ in range(3):
        circuits.refused(host, NoAnswer("late"))
    assert list(circuits.open()) == [host]


def test_an_open_circuit_lets_one_request_through_after_a_while(circuits: Circuits, clock: Clock) -> None:
    open_circuit(circuits, "down.org")
    clock.now += HALF_OPEN_AFTER - 1
    with pytest.raises(Refusal, match=r"circuit of down.org"):
        circuits.admit("down.org")

    clock.now += 2
    circuits.admit("down.org")

    with pytest.raises(Refusal, match=r"circuit of down.org"):
        circuits.admit("down.org")


def test_an_answer_closes_the_circuit(circuits: Circuits, clock: Clock) -> None:
    open_circuit(circuits, "back.org")
    clock.now += HALF_OPEN_AFTER
    circuits.admit("back.org")
    circuits.answered("back.org")
    for _ in range(5):
        circuits.admit("back.org")
    assert circuits.open() == {}


def test_a_failure_of_the_one_request_keeps_the_circuit_open(circuits: Circuits, clock: Clock) -> None:
    open_circuit(circuits, "down.org")
    clock.now += HALF_OPEN_AFTER
    circuits.admit("down.org")
    circuits.refused("down.org", NoAnswer("late"))
    clock.now += HALF_OPEN_AFTER - 1
    with pytest.raises(Refusal, match=r"circuit of down.org"):
        circuits.admit("down.org")
    clock.now += 1
    circuits.admit("down.org")


def test_an_answer_forgives_earlier_failures(circuits: Circuits) -> None:
    for _ in range(10):
        circuits.refused("shaky.org", NoAnswer("late"))
        circuits.refused("shaky.org", NoAnswer("late"))
        circuits.answered("shaky.org")
    circuits.admit("shaky.org")


def test_a_host_that_fails_but_answers_gets_more_tries(circuits: Circuits) -> None:
    for _ in range(3 * ERRORS_PER_FAILURE - 1):
        circuits.refused("ill.org", ServerError("500"))
    circuits.admit("ill.org")
    circuits.refused("ill.org", ServerError("500"))
    with pytest.raises(Refusal, match=r"30 failures in a row"):
        circuits.admit("ill.org")


def test_a_wait_asked_for_is_kept_by_all(circuits: Circuits, clock: Clock) -> None:
    for seconds in (20.0, 5.0):
        circuits.refused("busy.org", ServerError("busy", wait=seconds), again=True)
    circuits.admit("busy.org")
    circuits.admit("busy.org")
    assert clock.slept == [20]


def test_a_wait_beyond_the_bound_is_not_waited_for(circuits: Circuits, clock: Clock) -> None:
    circuits.refused("busy.org", ServerError("busy", wait=3600.0))
    with pytest.raises(Refusal, match=r"asks to wait 3600 s, more than 30 s"):
        circuits.admit("busy.org")
    clock.now += 3600
    circuits.admit("busy.org")
    assert clock.slept == []
