"""The register of runs: opened, filled shard by shard, made active in one update, and taken back."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pyoxigraph import Literal, NamedNode, Quad

from enrich.errors import RunError
from enrich.graph.stores.base import PAGE_TOKEN, Store, Term, first_of
from enrich.ontology.terms import AI_GENERATED, CREATOR_NAME, CRM, CRMDIG, DCT, ENR, PROV, RDF, XSD, Names
from enrich.runs.model_entities import ModelEntity, Snapshot
from enrich.runs.validation import validate
from enrich.workspace import Workspace

OPEN, ACTIVE, RETRACTED = "Open", "Active", "Retracted"
LOOKS = 10
"""How often it is looked whether a run that was retracted is so alone; each process that makes it active does so once."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the register. Counts are of gaps; they stand once the run was made active."""

    run: str
    state: str
    started: str
    order: int = 0
    """The place in the order in which runs were opened; 0 for a run of an earlier version."""
    ended: str | None = None
    model: str | None = None
    actor: str | None = None
    """On whose behalf it was made."""
    request: str | None = None
    alive_until: str | None = None
    facts: str | None = None
    """The fingerprint of the facts when the run had looked at every gap of its model."""
    expected: str | None = None
    """What is expected of its answers, by regime (see runs.expectation)."""
    records: int | None = None
    predicted: int | None = None
    abstained: int | None = None
    failed: int | None = None
    shards: int = 0
    title: str | None = None
    creator: str | None = None
    licence: str | None = None


def _ahead(store: Store) -> timedelta:
    """How far the store's clock is ahead of this machine's; less than two seconds is taken for none."""
    moment = first_of(store.select("SELECT (NOW() AS ?now) WHERE {}"))
    told = datetime.fromisoformat(moment.value) if isinstance(moment, Literal) else datetime.now(UTC)
    ahead = (told if told.tzinfo else told.replace(tzinfo=UTC)) - datetime.now(UTC)
    return ahead if abs(ahead) > timedelta(seconds=2) else timedelta(0)


def timestamp(moment: datetime) -> Literal:
    """A moment as xsd:dateTime in UTC."""
    return Literal(moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), datatype=XSD.dateTime)


def new_run_id(moment: datetime) -> str:
    """An id that sorts by time and that no other run has."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H-%M-%SZ}-{secrets.token_hex(3)}"


class Register:
    """The graph of runs in one store."""

    def __init__(self, store: Store, names: Names) -> None:
        self.store = store
        self.names = names
        self._ahead: timedelta | None = None

    def open(
        self,
        *,
        actor: NamedNode,
        software: str,
        models: Sequence[ModelEntity],
        snapshots: Sequence[Snapshot],
        request: str,
        lease: timedelta,
        started: datetime | None = None,
        run_id: str | None = None,
        title: str = "",
        creator: str = "",
        licence: str | None = None,
    ) -> NamedNode:
        """Open a run by the first of `models`; nothing of it is visible yet. Returns its IRI. `title`, `licence` and
        `creator`, the name of the `actor`, are what a citation says."""
        moment = started or self.clock()
        run, agent = self.names.run(run_id or new_run_id(moment)), self.names.agent(software)
        cited = ((DCT.title, title), (CREATOR_NAME, creator))
        triples: list[tuple[NamedNode, NamedNode, NamedNode | Literal]] = [
            (run, RDF.type, PROV.Activity),
            (run, RDF.type, CRMDIG.D10_Software_Execution),
            (run, ENR.runState, ENR.Open),
            (run, ENR.order, Literal(self._last_order() + 1)),
            (run, PROV.startedAtTime, timestamp(moment)),
            (run, CRM.P14_carried_out_by, actor),
            (run, DCT.creator, actor),
            (run, CRM.P2_has_type, AI_GENERATED),
            (run, PROV.wasAssociatedWith, agent),
            (run, CRMDIG.L23_used_software_or_firmware, agent),
            (run, PROV.used, self.names.model(models[0].digest)),
            (run, ENR.request, Literal(request)),
            (run, ENR.aliveUntil, timestamp(self.clock() + lease)),
            (agent, RDF.type, PROV.SoftwareAgent),
            (agent, RDF.type, CRMDIG.D14_Software),
            (agent, DCT.hasVersion, Literal(software)),
            (agent, PROV.actedOnBehalfOf, actor),
            *((run, term, Literal(text)) for term, text in cited if text),
            *([(run, DCT.license, NamedNode(licence))] if licence else []),
        ]
        entities: list[ModelEntity | Snapshot] = [*models, *snapshots]
        for entity in entities:
            triples += entity.triples(self.names)
        quads = [Quad(s, p, o, self.names.runs) for s, p, o in triples]
        validate(quads)
        self.store.insert(quads)
        return run

    def _last_order(self) -> int:
        """The highest order of any run. Two runs opened at the same instant may share one; their IRIs decide."""
        query = f"SELECT (MAX(?n) AS ?last) WHERE {{ GRAPH {self.names.runs} {{ ?run {ENR.order} ?n }} }}"
        return number(first_of(self.store.select(query)))

    def activate(
        self,
        run: NamedNode,
        counts: Mapping[str, int],
        *,
        facts: str | None = None,
        expected: str = "",
        condition: str = "",
    ) -> None:
        """Make a whole run visible in one update. Raises RunError when it is not open.

        `facts` is the fingerprint of the facts when the run looked at every gap, None for a run that looked at some;
        `expected` what is expected of its answers, by regime; `condition` a pattern that must hold (see
        `lease.Lease.holds`).
        """
        self.expect(run, OPEN)
        said = "".join(f" ; {ENR[name]} {value}" for name, value in counts.items())
        said += f" ; {ENR.factsDigest} {Literal(facts)}" if facts else ""
        said += f" ; {ENR.expected} {Literal(expected)}" if expected else ""
        self._transition(
            run,
            delete=f"{run} {ENR.runState} {ENR.Open} .",
            insert=f"{run} {ENR.runState} {ENR.Active} ; {PROV.endedAtTime} {timestamp(self.clock())}{said} .",
            condition=condition,
        )
        self._only_retracted(run)
        self.expect(run, ACTIVE)
        self._rest(run)

    def _transition(
        self, run: NamedNode, *, delete: str, insert: str = "", where: str = "", condition: str = ""
    ) -> None:
        """One update of the register that changes nothing unless the run is open and `condition` holds.

        Every variable of `delete` must be bound: Virtuoso drops the whole template otherwise.
        """
        runs = self.names.runs
        came = f"INSERT {{ GRAPH {runs} {{ {insert} }} }} " if insert else ""
        self.store.update(
            f"DELETE {{ GRAPH {runs} {{ {delete} }} }} {came}WHERE {{ {condition} "
            f"GRAPH {runs} {{ {run} {ENR.runState} {ENR.Open} . {where} }} }}",
            idempotent=True,
        )

    def replace(self, subject: NamedNode, values: Mapping[NamedNode, Literal | None]) -> None:
        """Put values of some predicates, None for none, in the place of all that a subject has, in one update."""
        runs = self.names.runs
        parts = [f"DELETE WHERE {{ GRAPH {runs} {{ {subject} {p} ?old }} }}" for p in values]
        if said := " . ".join(f"{subject} {p} {value}" for p, value in values.items() if value is not None):
            parts.append(f"INSERT DATA {{ GRAPH {runs} {{ {said} }} }}")
        self.store.update(" ;\n".join(parts), idempotent=True)

    def renew(self, run: NamedNode, lease: timedelta) -> None:
        """Say that an open run is worked on, or waits for the lease."""
        alive = f"{run} {ENR.aliveUntil}"
        self._transition(
            run,
            delete=f"{alive} ?until .",
            insert=f"{alive} {timestamp(self.clock() + lease)} .",
            where=f"{alive} ?until .",
        )

    def clock(self) -> datetime:
        """The store's time, to the second: leases of processes on several machines go by one clock.

        The difference from this machine's clock is measured once; an embedded store has this machine's.
        """
        if self._ahead is None:
            self._ahead = timedelta(0) if self.store.exclusive else _ahead(self.store)
        return (datetime.now(UTC) + self._ahead).replace(microsecond=0)

    def alive(self, run: Run) -> bool:
        """Whether a process may still be working on an open run."""
        return run.alive_until is not None and datetime.fromisoformat(run.alive_until) > self.clock()

    def withdraw(self, run: NamedNode) -> None:
        """Take an open run that has written nothing out of the register, as if it had not been opened."""
        nothing = f"FILTER NOT EXISTS {{ {run} {ENR.graph} ?shard }}"
        self._transition(run, delete=f"{run} ?p ?o .", where=f"{run} ?p ?o {nothing}")

    def _rest(self, run: NamedNode) -> None:
        """A run that is no longer open is no longer alive."""
        alive = f"GRAPH {self.names.runs} {{ {run} {ENR.aliveUntil} ?until }}"
        self.store.update(f"DELETE {{ {alive} }} WHERE {{ {alive} }}", idempotent=True)

    def retract(self, run: NamedNode) -> None:
        """Hide a run at once, whatever its state; retracting twice changes nothing."""
        if self.get(run).state != RETRACTED:
            runs, state = self.names.runs, f"{run} {ENR.runState} ?state"
            self.store.update(
                f"DELETE {{ GRAPH {runs} {{ {state} }} }} INSERT {{ GRAPH {runs} {{ {run} {ENR.runState} "
                f"{ENR.Retracted} ; {ENR.retractedAtTime} {timestamp(self.clock())} }} }} "
                f"WHERE {{ GRAPH {runs} {{ {state} FILTER(?state != {ENR.Retracted}) }} }}",
                idempotent=True,
            )
        self._only_retracted(run)
        self._rest(run)

    def _only_retracted(self, run: NamedNode) -> None:
        """Take every other state from a run that is retracted. A server may carry out two updates of one state, neither of
        which sees the other: the later of two who look after their own sees both. Raises RunError when another stays."""
        state = f"{run} {ENR.runState} {ENR.Retracted} , ?other FILTER(?other != {ENR.Retracted})"
        both = f"GRAPH {self.names.runs} {{ {state} }}"
        gone = f"GRAPH {self.names.runs} {{ {run} {ENR.runState} ?other }}"
        for _ in range(LOOKS):
            if not self.store.ask(f"ASK {{ {both} }}"):
                return
            self.store.update(f"DELETE {{ {gone} }} WHERE {{ {both} }}", idempotent=True)
        raise RunError(f"run {run.value} is retracted, and made active again and again; retract it once more")

    def purge(self, run: NamedNode) -> int:
        """Drop a retracted run's graphs, unnamed ones too; the register keeps the run. Returns how many."""
        self.expect(run, RETRACTED)
        prefix = self.names.shard(self.names.run_id(run), 0).value.removesuffix("0")
        shards = {graph for graph in self.store.graphs() if graph.value.startswith(prefix)}
        for shard in sorted(shards, key=lambda g: g.value):
            self.store.drop(shard)
        return len(shards)

    def shards(self, run: NamedNode) -> set[str]:
        """The graphs that hold the run's answers: those that count."""
        return self._graphs(str(run))

    def all_shards(self) -> set[str]:
        """The graphs that hold answers of any run."""
        return self._graphs("?run")

    def _graphs(self, run: str) -> set[str]:
        query = f"SELECT ?g WHERE {{ GRAPH {self.names.runs} {{ {run} {ENR.graph} ?g }} {PAGE_TOKEN}\n}}"
        return {g.value for (g,) in self.store.select_by_key(query, "g") if isinstance(g, NamedNode)}

    def runs(self, state: str | None = None) -> list[Run]:
        """All runs, or those in one state, as they were opened; their shards are not counted."""
        return self._read(f"?run {ENR.runState} {ENR[state] if state else '?state'}")

    def counted(self) -> list[Run]:
        """All runs, as they were opened, with the number of their shards."""
        query = (
            f"SELECT ?run (COUNT(?g) AS ?n) WHERE {{ GRAPH {self.names.runs} {{ ?run {ENR.graph} ?g }} }} "
            f"GROUP BY ?run"
        )
        shards = {run.value: number(n) for run, n in self.store.select(query) if run is not None}
        return [replace(run, shards=shards.get(run.run, 0)) for run in self.runs()]

    def states(self) -> dict[str, str]:
        """The state of every run."""
        query = f"SELECT ?run ?state WHERE {{ GRAPH {self.names.runs} {{ ?run {ENR.runState} ?state {PAGE_TOKEN}\n }} }}"
        return {
            run.value: state.value.removeprefix(str(ENR))
            for run, state in self.store.select_by_key(query, "run")
            if run is not None and state is not None
        }

    def ended_since(self, moment: str) -> bool:
        """Whether an active run ended at this moment (as the register writes it) or later."""
        return self.store.ask(
            f"ASK {{ GRAPH {self.names.runs} {{ ?run {ENR.runState} {ENR.Active} ; {PROV.endedAtTime} ?ended "
            f"FILTER(?ended >= {Literal(moment, datatype=XSD.dateTime)}) }} }}"
        )

    def active_on(self, facts: str) -> list[Run]:
        """The active runs that looked at every gap when the facts had this fingerprint."""
        return self._read(f"?run {ENR.factsDigest} {Literal(facts)} ; {ENR.runState} {ENR.Active}")

    def get(self, run: NamedNode) -> Run:
        """One run. Raises RunError when the register has none of this IRI."""
        found = self._read(f"VALUES ?run {{ {run} }} ?run {ENR.runState} ?state")
        if not found:
            raise RunError(f"no run is called {run.value}; `enrich runs` lists them")
        return found[0]

    def _read(self, which: str) -> list[Run]:
        query = (
            f"SELECT ?run ?p ?o WHERE {{ GRAPH {self.names.runs} {{ {which} . ?run ?p ?o "
            f"FILTER(?p != {ENR.graph}) {PAGE_TOKEN}\n }} }}"
        )
        found: dict[str, dict[str, str]] = {}
        for run, predicate, value in self.store.select_by_key(query, "run"):
            if run is not None and predicate is not None and value is not None:
                said = found.setdefault(run.value, {})
                if said.get(predicate.value) != ENR.Retracted.value:  # of two states it hides the run
                    said[predicate.value] = value.value
        return sorted((_run(iri, said) for iri, said in found.items()), key=lambda run: (run.order, run.run))

    def expect(self, run: NamedNode, state: str) -> None:
        """Raise RunError unless the run is in this state."""
        found = self.get(run).state
        if found != state:
            raise RunError(f"run {run.value} is {found}, not {state}; `enrich runs` shows all")


def _run(iri: str, said: dict[str, str]) -> Run:
    def count(name: str) -> int | None:
        return int(said[ENR[name].value]) if ENR[name].value in said else None

    return Run(
        run=iri,
        state=said[ENR.runState.value].removeprefix(str(ENR)),
        started=said.get(PROV.startedAtTime.value, ""),
        order=count("order") or 0,
        ended=said.get(PROV.endedAtTime.value),
        model=said.get(PROV.used.value),
        actor=said.get(CRM.P14_carried_out_by.value),
        request=said.get(ENR.request.value),
        alive_until=said.get(ENR.aliveUntil.value),
        facts=said.get(ENR.factsDigest.value),
        expected=said.get(ENR.expected.value),
        records=count("records"),
        predicted=count("predicted"),
        abstained=count("abstained"),
        failed=count("failed"),
        title=said.get(DCT.title.value),
        creator=said.get(CREATOR_NAME.value),
        licence=said.get(DCT.license.value),
    )


def number(term: Term | None) -> int:
    """The number in a row, 0 for none; Virtuoso writes sums of whole numbers in several ways."""
    return int(float(term.value)) if isinstance(term, Literal) else 0


def retract(workspace: Workspace, run: str, purge: bool = True) -> int:
    """Take a run back: hidden at once, then its graphs dropped. Returns the number of graphs dropped."""
    register, iri = Register(workspace.store, workspace.names), NamedNode(run)
    register.retract(iri)
    return register.purge(iri) if purge else 0
