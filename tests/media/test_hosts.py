"""Hosts that do not answer are set aside; hosts that ask to wait are waited for, within a bound."""

from __future__ import annotations

import pytest

from enrich.media.hosts import ERRORS_PER_FAILURE, Hosts
from enrich.media.refusal import NoAnswer, Refusal, ServerError
from tests.media.servers import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hosts(clock: Clock) -> Hosts:
    return Hosts(3, 30.0, clock=clock, sleep=clock.sleep)


def test_a_silent_host_is_set_aside_after_failures_in_a_row(hosts: Hosts) -> None:
    for _ in range(3):
        hosts.admit("dead.org")
        hosts.failed("dead.org", NoAnswer("dead.org has no address"))
    with pytest.raises(
        Refusal, match=r"set aside for this run: 3 failures in a row, the last: dead.org has no"
    ):
        hosts.admit("dead.org")
    hosts.admit("other.org")
    assert list(hosts.set_aside()) == ["dead.org"]


def test_an_answer_forgives_earlier_failures(hosts: Hosts) -> None:
    for _ in range(10):
        hosts.failed("shaky.org", NoAnswer("late"))
        hosts.failed("shaky.org", NoAnswer("late"))
        hosts.answered("shaky.org")
    hosts.admit("shaky.org")


def test_a_host_that_fails_but_answers_gets_more_tries(hosts: Hosts) -> None:
    for _ in range(3 * ERRORS_PER_FAILURE - 1):
        hosts.failed("ill.org", ServerError("500"))
    hosts.admit("ill.org")
    hosts.failed("ill.org", ServerError("500"))
    with pytest.raises(Refusal, match=r"30 failures in a row"):
        hosts.admit("ill.org")


def test_a_wait_asked_for_is_kept_by_all(hosts: Hosts, clock: Clock) -> None:
    hosts.wait("busy.org", 20)
    hosts.wait("busy.org", 5)
    hosts.admit("busy.org")
    hosts.admit("busy.org")
    assert clock.slept == [20]


def test_a_wait_beyond_the_bound_is_not_waited_for(hosts: Hosts, clock: Clock) -> None:
    hosts.wait("busy.org", 3600)
    with pytest.raises(Refusal, match=r"asks to wait 3600 s, more than 30 s"):
        hosts.admit("busy.org")
    clock.now += 3600
    hosts.admit("busy.org")
    assert clock.slept == []
