"""What is written behind the caller is written in order, and nothing after an error."""

from __future__ import annotations

import threading

import pytest

from enrich.answering.shard_writer import WriteBehind


def test_the_caller_goes_on_while_a_call_is_under_way() -> None:
    may_end, done = threading.Event(), []

    def slow() -> None:
        assert may_end.wait(10)
        done.append("slow")

    with WriteBehind() as write:
        write(slow)
        assert done == []
        may_end.set()
        write(done.append, "next")
        assert done[0] == "slow"
    assert done == ["slow", "next"]


def test_calls_never_overlap() -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        inside -= 1

    with WriteBehind() as write:
        for _ in range(200):
            write(work)
    assert most == 1


def fail() -> None:
    raise OSError("disk full")


def test_an_error_comes_with_the_next_call_and_nothing_is_done_after() -> None:
    done: list[str] = []

    def use() -> None:
        with WriteBehind() as write:
            write(fail)
            write(done.append, "after")

    with pytest.raises(OSError, match="disk full"):
        use()
    assert done == []


def test_an_error_of_the_last_call_comes_at_the_end() -> None:
    with pytest.raises(OSError, match="disk full"), WriteBehind() as write:
        write(fail)


def test_leaving_because_of_an_error_waits_for_what_is_under_way() -> None:
    began, may_end, done = threading.Event(), threading.Event(), []

    def slow() -> None:
        began.set()
        assert may_end.wait(10)
        done.append("slow")

    def use() -> None:
        with WriteBehind() as write:
            write(slow)
            assert began.wait(10)
            threading.Timer(0.05, may_end.set).start()
            raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        use()
    assert done == ["slow"]
