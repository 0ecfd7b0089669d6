"""A ticket for what makes shards of active runs smaller: one process at a time does so.

Of two updates that exchange the same shard, Oxigraph behind a server may carry out both: what the one left out would be
there again. A ticket is a triple in `…/graph/tickets`. Whoever puts one in, and then sees no other, goes on: of two at once
the later sees both. Who sees another takes its own out, and tries again after a while. Tickets are put in anew while the
work goes on; one that was not, or whose process is gone from this machine, stops nobody.
"""

import random
import time
from contextlib import suppress
from typing import Self

from pyoxigraph import Literal, NamedNode

from enrich.errors import RunError, StoreError
from enrich.ontology.terms import ENR
from enrich.runs.attempts import Attempt
from enrich.runs.register import Register

LIFE = 300.0
"""Seconds for which a ticket holds, by the store's clock."""
PATIENCE = 30.0
"""Seconds to wait for a ticket."""


class Ticket:
    """The right to make shards of active runs smaller, within a `with`; an embedded store of one process needs none.

    Raises RunError when another process has it for longer than one waits.
    """

    def __init__(self, register: Register) -> None:
        self.register = register
        self.graph = NamedNode(register.names.graph_prefix + "tickets")
        self.own: Attempt | None = None

    def __enter__(self) -> Self:
        try:
            if not self.register.store.exclusive:
                self._wait()
        except BaseException:
            self._give_back()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._give_back()

    def renew(self) -> None:
        """Have the ticket hold on, or wait for another where it has ended; to be called now and then."""
        if self.own is None or self._age(self.own) < LIFE / 4:
            return
        old, self.own = self.own, None
        if self._age(old) > LIFE:
            self._wait()
        else:
            self._put_in()
        self._take_out(old)

    def _wait(self) -> None:
        """Put a ticket in, again and again, until it is alone."""
        end = time.monotonic() + PATIENCE
        while True:
            self._put_in()
            if not (others := self._others()):
                return
            self._take_out(self.own)
            if time.monotonic() >= end:
                left = max(LIFE - self._age(each) for each in others)
                raise RunError(
                    f"another process is taking answers out of runs: try again when it has ended, or in {left:.0f} s "
                    "if it has died"
                )
            time.sleep(random.uniform(0.1, 1.0))

    def _others(self) -> list[Attempt]:
        """The tickets of others that hold. Those that do not are taken out."""
        query = f"SELECT ?t WHERE {{ GRAPH {self.graph} {{ {self.graph} {ENR.attempt} ?t }} }}"
        found = {Attempt.parse(t.value) for (t,) in self.register.store.select(query) if t is not None}
        others, now = found - {self.own}, self.register.clock()
        dead = {each for each in others if self._age(each) > LIFE or each.dead(LIFE, now)}
        for each in dead:
            self._take_out(each)
        return sorted(others - dead, key=lambda each: each.at)

    def _age(self, ticket: Attempt) -> float:
        return self.register.clock().timestamp() - ticket.at

    def _give_back(self) -> None:
        with suppress(StoreError):  # it ends by itself
            self._take_out(self.own)

    def _put_in(self) -> None:
        self.own = Attempt.here(self.register.clock())
        self.register.store.update(self._said("INSERT DATA", self.own), idempotent=True)

    def _take_out(self, ticket: Attempt | None) -> None:
        if ticket is not None:
            self.register.store.update(self._said("DELETE DATA", ticket), idempotent=True)

    def _said(self, what: str, ticket: Attempt) -> str:
        return f"{what} {{ GRAPH {self.graph} {{ {self.graph} {ENR.attempt} {Literal(str(ticket))} }} }}"
