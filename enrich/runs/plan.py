"""The plan of a run, in the triplestore: its batches still to do, who has begun them, and the commit.

A plan is a graph `…/graph/run/ID/plan` beside the run's shards. It holds what must outlive Redis and the
workers, and is dropped when the run is finalized:

    <run>            enr:planner "token" ; enr:planned true ; enr:paused true ; enr:failure "why" ; enr:resumed "token" ;
                     enr:factsDigest "sha256"                 the facts when planning began
    <…/plan/list/0>  enr:lists "iri iri …"                    records that were named when the run was opened
    <…/plan/seen/0>  enr:looked "iri iri …"                   records that were looked at and had no open gap
    <…/plan/17>      enr:asks "iri iri …" ; enr:number 17 ; enr:gaps 40 ; enr:suspect 1 ; enr:attempt "token host pid …" ;
                     enr:ended "token …" ; enr:done "graph" ; enr:asked "iri iri …"

A batch is pending as long as it has `enr:asks`. A batch counts through one update, which turns `enr:asks`
into `enr:asked` and names the shard in the register; it changes nothing unless the batch is pending, the run is open
and the lease is the one the batch began with. So of many deliveries of a batch exactly one counts.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pyoxigraph import Literal, NamedNode

from enrich.graph.stores.base import PAGE_TOKEN, Row, Store, first_of
from enrich.ontology.terms import ENR, Names
from enrich.runs.attempts import Attempt
from enrich.runs.lease import Lease
from enrich.runs.register import number, timestamp

ASKS, NUMBER, SUSPECT, ATTEMPT = ENR.asks, ENR.number, ENR.suspect, ENR.attempt
_NOTHING = "nothing"
"""By what a batch without open gaps is done; as a word it comes after every shard."""
_TRUE = Literal(True)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that is still to do: its name within the plan, its records, and who has begun it."""

    name: str
    number: int
    records: tuple[NamedNode, ...]
    attempts: tuple[Attempt, ...] = ()
    bisections: int = 0
    """How often it was bisected, because batches that held it killed their workers."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run has come: its plan and what is left of it."""

    planned: bool
    pending: int
    paused: bool
    failure: str | None
    facts: str | None = None
    """The fingerprint of the facts when planning began; None when it is not known."""
    resumed: str | None = None
    """A token that changes with each `enrich resume`."""


class Plan:
    """The plan of one run."""

    def __init__(self, store: Store, names: Names, run: NamedNode) -> None:
        self.store = store
        self.names = names
        self.run = run
        self.run_id = names.run_id(run)
        self.graph = NamedNode(f"{names.graph_prefix}run/{self.run_id}/plan")

    def batch(self, name: str) -> NamedNode:
        """The IRI of a batch."""
        return NamedNode(f"{self.graph.value}/{name}")

    def shard(self, name: str, token: str) -> NamedNode:
        """The graph that one attempt at a batch writes to; every attempt has its own."""
        return NamedNode(f"{self.names.shard(self.run_id, 0).value.removesuffix('0')}{name}-{token}")

    # What was asked for

    def list_records(self, records: Sequence[NamedNode], size: int = 2_000) -> None:
        """Keep the records that a job is to stay within."""
        for position, start in enumerate(range(0, len(records), size)):
            said = Literal(_joined(records[start : start + size]))
            subject = NamedNode(f"{self.graph.value}/list/{position}")
            self._insert(f"{subject} {ENR.lists} {said} .")

    def listed(self) -> Iterator[NamedNode]:
        """The records that were kept."""
        rows = list(self._select("?s ?list", f"?s {ENR.lists} ?list"))
        for _, value in sorted(rows, key=lambda row: _tail(row[0])):
            if isinstance(value, Literal):
                yield from _split(value.value)

    # Planning

    def begin(self) -> str:
        """Become the planner: whoever was it before can add nothing more. Returns the token."""
        token = secrets.token_hex(8)
        said = f"{self.run} {ENR.planner}"
        self.store.update(
            f"DELETE {{ GRAPH {self.graph} {{ {said} ?old }} }} "
            f"INSERT {{ GRAPH {self.graph} {{ {said} {Literal(token)} }} }} "
            f"WHERE {{ {self._open()} OPTIONAL {{ GRAPH {self.graph} {{ {said} ?old }} }} }}",
            idempotent=True,
        )
        return token

    def add(self, token: str, name: str, number: int, records: Sequence[NamedNode], gaps: int) -> bool:
        """Add a batch with so many gaps; False when another planner has begun, or the run is no longer open."""
        batch = self.batch(name)
        self.store.update(
            f"INSERT {{ GRAPH {self.graph} {{ {batch} {ASKS} {Literal(_joined(records))} ; "
            f"{NUMBER} {Literal(number)} ; {ENR.gaps} {Literal(gaps)} }} }} WHERE {{ {self._open()} "
            f"GRAPH {self.graph} {{ {self.run} {ENR.planner} {Literal(token)} }} }}",
            idempotent=True,
        )
        return self.store.ask(
            f"ASK {{ GRAPH {self.graph} {{ {self.run} {ENR.planner} {Literal(token)} . {batch} {NUMBER} ?n }} }}"
        )

    def note_looked(self, records: Sequence[NamedNode]) -> None:
        """Keep that these records were looked at and have no open gap, for the planner that goes on."""
        subject = NamedNode(f"{self.graph.value}/seen/{secrets.token_hex(8)}")
        self._insert(f"{subject} {ENR.looked} {Literal(_joined(records))} .")

    def note_facts(self, fingerprint: str) -> None:
        """Keep the fingerprint of the facts, once, when planning begins."""
        self._insert(f"{self.run} {ENR.factsDigest} {Literal(fingerprint)} .")

    def complete(self, token: str) -> None:
        """Say that all batches were added; nothing happens when another planner has begun."""
        self.store.update(
            f"INSERT {{ GRAPH {self.graph} {{ {self.run} {ENR.planned} {_TRUE} }} }} "
            f"WHERE {{ GRAPH {self.graph} {{ {self.run} {ENR.planner} {Literal(token)} }} }}",
            idempotent=True,
        )

    # Doing

    def standing(self) -> Standing:
        """How far the run has come."""
        said = {
            p.value: o.value
            for p, o in self._select("?p ?o", f"{self.run} ?p ?o")
            if p is not None and o is not None
        }
        return Standing(
            planned=ENR.planned.value in said,
            pending=self.pending(),
            paused=ENR.paused.value in said,
            failure=said.get(ENR.failure.value),
            facts=said.get(ENR.factsDigest.value),
            resumed=said.get(ENR.resumed.value),
        )

    def failure(self) -> str | None:
        """Why the run cannot go on; None when it can."""
        why = first_of(self._select("?why", f"{self.run} {ENR.failure} ?why"))
        return None if why is None else why.value

    def gaps(self) -> int:
        """The gaps of all batches that were ever added, answered or not."""
        return self._number("(SUM(?n) AS ?sum)", f"?b {NUMBER} ?number ; {ENR.gaps} ?n")

    def pending(self) -> int:
        """Batches still to do."""
        return self._number("(COUNT(*) AS ?n)", f"?b {ASKS} ?list")

    def names_pending(self, most: int) -> list[str]:
        """The first batches still to do, by their number."""
        rows = self.store.select(
            f"SELECT ?b ?n WHERE {{ GRAPH {self.graph} {{ ?b {ASKS} ?list ; {NUMBER} ?n }} }} "
            f"ORDER BY ?n ?b LIMIT {most}"
        )
        return [self._name(b) for b, _ in rows if isinstance(b, NamedNode)]

    def planned_records(self) -> Iterator[NamedNode]:
        """The records of every batch, done or not. A batch that was bisected gives its records again."""
        return self._records(ASKS, ENR.asked)

    def looked_records(self) -> Iterator[NamedNode]:
        """The records that were looked at and had no open gap."""
        return self._records(ENR.looked)

    def _records(self, *predicates: NamedNode) -> Iterator[NamedNode]:
        return (record for _, records in self._said(*predicates) for record in _split(records))

    def _said(self, *predicates: NamedNode) -> Iterator[tuple[NamedNode, str]]:
        """What is said by one of these, with what it is said of; read page by page where rows are capped."""
        wanted = ", ".join(str(p) for p in predicates)
        query = f"SELECT ?b ?o WHERE {{ GRAPH {self.graph} {{ ?b ?how ?o FILTER(?how IN ({wanted})) }} {PAGE_TOKEN}\n}}"
        for b, said in self.store.select_by_key(query, "b"):
            if isinstance(b, NamedNode) and isinstance(said, Literal):
                yield b, said.value

    def last_number(self) -> int:
        """The highest number that a batch was ever given, -1 for none."""
        return self._number("(MAX(?n) AS ?most)", f"?b {NUMBER} ?n", none=-1)

    def look(self, name: str) -> Batch | None:
        """A batch with its attempts; None when it is done, or its run is no longer open."""
        batch = self.batch(name)
        rows = self.store.select(
            f"SELECT ?p ?o WHERE {{ {self._open()} GRAPH {self.graph} {{ {batch} {ASKS} ?list ; ?p ?o }} }}"
        )
        records: tuple[NamedNode, ...] = ()
        number, bisections = 0, 0
        attempts = []
        for predicate, value in rows:
            if value is None:
                continue
            if predicate == ASKS:
                records = tuple(_split(value.value))
            elif predicate == NUMBER:
                number = int(value.value)
            elif predicate == SUSPECT:
                bisections = int(value.value)
            elif predicate == ATTEMPT:
                attempts.append(Attempt.parse(value.value))
        return Batch(name, number, records, tuple(attempts), bisections) if records else None

    def attempt(self, name: str, attempt: Attempt) -> None:
        """Note, before anything is written, that a process has begun a batch."""
        batch = self.batch(name)
        self.store.update(
            f"INSERT {{ GRAPH {self.graph} {{ {batch} {ATTEMPT} {Literal(str(attempt))} }} }} "
            f"WHERE {{ {self._open()} GRAPH {self.graph} {{ {batch} {ASKS} ?list }} }}",
            idempotent=True,
        )

    def give_up(self, name: str, attempt: Attempt) -> None:
        """Note that an attempt ended without killing its process. What it wrote stays until the run is
        closed: where an answer of the store was lost, it may count after all."""
        batch, said = self.batch(name), Literal(str(attempt))
        self.store.update(
            f"DELETE {{ GRAPH {self.graph} {{ {batch} {ATTEMPT} {said} }} }} "
            f"INSERT {{ GRAPH {self.graph} {{ {batch} {ENR.ended} {said} }} }} "
            f"WHERE {{ GRAPH {self.graph} {{ {batch} {ATTEMPT} {said} }} }}",
            idempotent=True,
        )

    def commit(
        self, name: str, lease: Lease, shard: NamedNode | None, counts: Mapping[str, int], until: datetime
    ) -> bool:
        """Make a batch count: its shard is named in the register (none when nothing was open).

        The run is alive `until` then. False when the batch does not count: done by another delivery, the run
        finalized or cancelled, the lease lost.
        """
        batch = self.batch(name)
        named = ""
        if shard is not None:
            said = " ; ".join(f"{ENR[key]} {Literal(value)}" for key, value in counts.items())
            named = f"{self.run} {ENR.graph} {shard} . {shard} {said} . "
        what = shard.value if shard else _NOTHING
        told = f"{batch} {ENR.done} {Literal(what)}"
        self.store.update(
            f"DELETE {{ GRAPH {self.graph} {{ {batch} {ASKS} ?list }} "
            f"GRAPH {self.names.runs} {{ {self.run} {ENR.aliveUntil} ?until }} }} "
            f"INSERT {{ GRAPH {self.graph} {{ {told} ; {ENR.asked} ?list }} GRAPH {self.names.runs} {{ {named}"
            f"{self.run} {ENR.aliveUntil} {timestamp(until)} }} }} "
            f"WHERE {{ {self._open()} {lease.holds(self.names)} GRAPH {self.graph} {{ {batch} {ASKS} ?list }} "
            f"OPTIONAL {{ GRAPH {self.names.runs} {{ {self.run} {ENR.aliveUntil} ?until }} }} }}",
            idempotent=True,
        )
        return self._first_done(batch) == what

    def _first_done(self, batch: NamedNode) -> str | None:
        """By what a batch is done. Of two commits, neither of which saw the other, the first by name counts: whoever sees both
        after its own, as the later does, takes the other out."""
        rows = self._select("?what", f"{batch} {ENR.done} ?what")
        found = sorted(what.value for (what,) in rows if what is not None)
        for other in found[1:]:
            parts = [f"DELETE DATA {{ GRAPH {self.graph} {{ {batch} {ENR.done} {Literal(other)} }} }}"]
            if other != _NOTHING:
                named = f"{self.run} {ENR.graph} <{other}> . <{other}> ?p ?n"
                parts.append(f"DELETE WHERE {{ GRAPH {self.names.runs} {{ {named} }} }}")
            self.store.update(" ;\n".join(parts), idempotent=True)
        return found[0] if found else None

    def bisect(self, batch: Batch) -> tuple[str, str]:
        """Put the two halves of a batch in its place. Doing so twice changes nothing."""
        half = len(batch.records) // 2
        parts = {f"{batch.name}a": batch.records[:half], f"{batch.name}b": batch.records[half:]}
        said = " . ".join(
            f"{self.batch(name)} {ASKS} {Literal(_joined(records))} ; {NUMBER} {Literal(batch.number)} ; "
            f"{SUSPECT} {Literal(batch.bisections + 1)}"
            for name, records in parts.items()
        )
        whole = self.batch(batch.name)
        self.store.update(
            f"DELETE {{ GRAPH {self.graph} {{ {whole} {ASKS} ?list }} }} "
            f"INSERT {{ GRAPH {self.graph} {{ {said} . {whole} {ENR.asked} ?list }} }} "
            f"WHERE {{ {self._open()} GRAPH {self.graph} {{ {whole} {ASKS} ?list }} }}",
            idempotent=True,
        )
        return f"{batch.name}a", f"{batch.name}b"

    # The operator

    def pause(self) -> None:
        """Rest until resumed."""
        self._insert(f"{self.run} {ENR.paused} {_TRUE} .")

    def resume(self) -> None:
        """Go on after a pause, a failure, or when messages were lost."""
        for said in (ENR.paused, ENR.failure, ENR.resumed):
            self._clear(self.run, said)
        self._insert(f"{self.run} {ENR.resumed} {Literal(secrets.token_hex(8))} .")

    def fail(self, reason: str) -> None:
        """Say why the run cannot go on until it is resumed; nothing happens when it is no longer open."""
        self._clear(self.run, ENR.failure)
        self.store.update(
            f"INSERT {{ GRAPH {self.graph} {{ {self.run} {ENR.failure} {Literal(reason[:2000])} }} }} "
            f"WHERE {{ {self._open()} }}",
            idempotent=True,
        )

    # Closing

    def attempted(self) -> Iterator[NamedNode]:
        """The graphs of all attempts, of those that count as well."""
        for batch, attempt in self._said(ATTEMPT, ENR.ended):
            yield self.shard(self._name(batch), Attempt.parse(attempt).token)

    def drop(self) -> None:
        """Drop the plan."""
        self.store.drop(self.graph)

    # Within

    def _open(self) -> str:
        return f"GRAPH {self.names.runs} {{ {self.run} {ENR.runState} {ENR.Open} }}"

    def _name(self, batch: NamedNode) -> str:
        return batch.value.removeprefix(f"{self.graph.value}/")

    def _select(self, variables: str, pattern: str) -> Iterator[Row]:
        return self.store.select(f"SELECT {variables} WHERE {{ GRAPH {self.graph} {{ {pattern} }} }}")

    def _number(self, variable: str, pattern: str, none: int = 0) -> int:
        value = first_of(self._select(variable, pattern))
        return none if value is None else number(value)

    def _insert(self, triples: str) -> None:
        self.store.update(f"INSERT DATA {{ GRAPH {self.graph} {{ {triples} }} }}", idempotent=True)

    def _clear(self, subject: NamedNode, predicate: NamedNode) -> None:
        self.store.update(
            f"DELETE WHERE {{ GRAPH {self.graph} {{ {subject} {predicate} ?old }} }}", idempotent=True
        )


def _joined(records: Sequence[NamedNode]) -> str:
    """IRIs hold no spaces."""
    return " ".join(record.value for record in records)


def _split(text: str) -> Iterator[NamedNode]:
    return (NamedNode(part) for part in text.split())


def _tail(term: object) -> int:
    return int(term.value.rpartition("/")[2]) if isinstance(term, NamedNode) else 0
