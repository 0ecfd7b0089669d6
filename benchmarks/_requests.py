"""How many requests a piece of work makes of a store, but for the fingerprints of graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

COUNTED = ("select", "ask", "construct", "update", "insert", "write_graph", "drop", "graphs")


def count_requests(store: Any) -> Callable[[], int]:
    """Counts the calls of a store from now on; the function given tells how many there were, and stops counting."""
    calls = 0

    def counted(name: str) -> Any:
        real = getattr(type(store), name)

        def call(*given: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            return real(store, *given, **named)

        return call

    for name in COUNTED:
        setattr(store, name, counted(name))

    def stop() -> int:
        for name in COUNTED:
            delattr(store, name)
        return calls

    return stop
