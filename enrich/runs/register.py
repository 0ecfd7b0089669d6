"""The register of runs: opened, filled shard by shard, made active in one update, and taken back."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pyoxigraph import Literal, NamedNode, Quad

from enrich.errors import RunError
from enrich.graph.stores.base import Store, Term
from enrich.runs.validation import validate
from ontology.terms import CRMDIG, DCT, ENR, MLS, PROV, RDF, XSD, Names

if TYPE_CHECKING:
    from enrich.workspace import Workspace

OPEN, ACTIVE, RETRACTED = "Open", "Active", "Retracted"
_COUNTED = ("predicted", "abstained", "failed")


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
    request: str | None = None
    alive_until: str | None = None
    records: int | None = None
    predicted: int | None = None
    abstained: int | None = None
    failed: int | None = None
    shards: int = 0


@dataclass(frozen=True, slots=True)
class ModelEntity:
    """A model version for the register, with what it was made from (ingredients, members, snapshots)."""

    digest: str
    name: str
    derived_from: tuple[str, ...] = ()
    calibration: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The data a model learned from: the digest of what was read, when, and in which role."""

    digest: str
    issued: str
    role: str = "TrainingData"


def now() -> datetime:
    """The time, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


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
    ) -> NamedNode:
        """Open a run by the first of `models`; nothing of it is visible yet. Returns its IRI."""
        moment = started or now()
        run, agent = self.names.run(run_id or new_run_id(moment)), self.names.agent(software)
        triples: list[tuple[NamedNode, NamedNode, NamedNode | Literal]] = [
            (run, RDF.type, PROV.Activity),
            (run, RDF.type, CRMDIG.D10_Software_Execution),
            (run, ENR.runState, ENR.Open),
            (run, ENR.order, Literal(str(self._last_order() + 1), datatype=XSD.integer)),
            (run, PROV.startedAtTime, timestamp(moment)),
            (run, PROV.wasAssociatedWith, agent),
            (run, CRMDIG.L23_used_software_or_firmware, agent),
            (run, PROV.used, self.names.model(models[0].digest)),
            (run, ENR.request, Literal(request)),
            (run, ENR.aliveUntil, timestamp(now() + lease)),
            (agent, RDF.type, PROV.SoftwareAgent),
            (agent, RDF.type, CRMDIG.D14_Software),
            (agent, DCT.hasVersion, Literal(software)),
            (agent, PROV.actedOnBehalfOf, actor),
        ]
        for model in models:
            triples += self._model(model)
        for snapshot in snapshots:
            triples += self._snapshot(snapshot)
        quads = [Quad(s, p, o, self.names.runs) for s, p, o in triples]
        validate(quads)
        self.store.insert(quads)
        return run

    def _last_order(self) -> int:
        """The highest order of any run. Two runs opened at the same instant may share one; their IRIs decide."""
        rows = self.store.select(
            f"SELECT (MAX(?n) AS ?last) WHERE {{ GRAPH {self.names.runs} {{ ?run {ENR.order} ?n }} }}"
        )
        return next((_number(last) for (last,) in rows), 0)

    def _model(self, model: ModelEntity) -> Iterable[tuple[NamedNode, NamedNode, NamedNode | Literal]]:
        iri = self.names.model(model.digest)
        yield iri, RDF.type, PROV.Entity
        yield iri, RDF.type, MLS.Model
        yield iri, DCT.hasVersion, Literal(model.digest[:12])
        yield iri, DCT.title, Literal(model.name)
        yield iri, ENR.sha256, Literal(model.digest)
        for digest in model.derived_from:
            yield iri, PROV.wasDerivedFrom, self.names.model(digest)
        if model.calibration:
            yield iri, ENR.calibration, Literal(model.calibration)

    def _snapshot(self, snapshot: Snapshot) -> Iterable[tuple[NamedNode, NamedNode, NamedNode | Literal]]:
        iri = self.names.model(snapshot.digest)
        yield iri, RDF.type, PROV.Entity
        yield iri, RDF.type, NamedNode("http://www.w3.org/ns/dcat#Dataset")
        yield iri, ENR.sha256, Literal(snapshot.digest)
        yield iri, ENR.role, ENR[snapshot.role]
        yield iri, DCT.issued, Literal(snapshot.issued, datatype=XSD.date)

    def commit_shard(self, run: NamedNode, number: int, quads: Sequence[Quad], lease: timedelta) -> None:
        """Write a shard whole, then name it in the register: an unnamed shard does not count.

        Writing the same shard again leaves it as it is now. Raises RunError when the run was retracted
        (or activated) in the meantime.
        """
        shard = self.names.shard(self.names.run_id(run), number)
        self.store.replace_graph(shard, quads)
        self._transition(
            run,
            delete=f"{run} {ENR.aliveUntil} ?until .",
            insert=f"{run} {ENR.graph} {shard} ; {ENR.aliveUntil} {timestamp(now() + lease)} .",
            where=f"{run} {ENR.aliveUntil} ?until",
        )
        if not self.store.ask(f"ASK {{ GRAPH {self.names.runs} {{ {run} {ENR.graph} {shard} }} }}"):
            raise RunError(
                f"run {run.value} is no longer open: it was retracted, and this batch was not kept"
            )

    def activate(self, run: NamedNode, counts: dict[str, int]) -> None:
        """Make a whole run visible in one update. Raises RunError when it is not open."""
        self.expect(run, OPEN)
        said = " ; ".join(f"{ENR[name]} {value}" for name, value in counts.items())
        self._transition(
            run,
            delete=f"{run} {ENR.runState} {ENR.Open} .",
            insert=f"{run} {ENR.runState} {ENR.Active} ; {PROV.endedAtTime} {timestamp(now())} ; {said} .",
        )
        self.expect(run, ACTIVE)
        self._rest(run)

    def _transition(self, run: NamedNode, *, delete: str, insert: str, where: str = "") -> None:
        """One update of the register that changes nothing unless the run is open.

        Every variable of `delete` must be bound: Virtuoso drops the whole template otherwise.
        """
        self.store.update(
            f"DELETE {{ GRAPH {self.names.runs} {{ {delete} }} }} "
            f"INSERT {{ GRAPH {self.names.runs} {{ {insert} }} }} "
            f"WHERE {{ GRAPH {self.names.runs} {{ {run} {ENR.runState} {ENR.Open} . {where} }} }}"
        )

    def _rest(self, run: NamedNode) -> None:
        """A run that is no longer open is no longer alive."""
        alive = f"GRAPH {self.names.runs} {{ {run} {ENR.aliveUntil} ?until }}"
        self.store.update(f"DELETE {{ {alive} }} WHERE {{ {alive} }}")

    def retract(self, run: NamedNode) -> None:
        """Hide a run at once, whatever its state; retracting twice changes nothing."""
        if self.get(run).state == RETRACTED:
            return
        state = f"{run} {ENR.runState} ?state"
        self.store.update(
            f"DELETE {{ GRAPH {self.names.runs} {{ {state} }} }} "
            f"INSERT {{ GRAPH {self.names.runs} {{ {run} {ENR.runState} {ENR.Retracted} ; "
            f"{ENR.retractedAtTime} {timestamp(now())} }} }} "
            f"WHERE {{ GRAPH {self.names.runs} {{ {state} }} }}"
        )
        self._rest(run)

    def purge(self, run: NamedNode) -> int:
        """Drop a retracted run's graphs, unnamed ones too; the register keeps the run. Returns how many."""
        self.expect(run, RETRACTED)
        prefix = self.names.shard(self.names.run_id(run), 0).value.removesuffix("0")
        shards = {graph for graph in self.store.graphs() if graph.value.startswith(prefix)}
        for shard in sorted(shards, key=lambda g: g.value):
            self.store.drop(shard)
        return len(shards)

    def shards(self, run: NamedNode) -> list[int]:
        """The numbers of the shards that count (a worker's shard is `NUMBER-TOKEN`)."""
        rows = self.store.select(f"SELECT ?g WHERE {{ GRAPH {self.names.runs} {{ {run} {ENR.graph} ?g }} }}")
        names = (g.value.rpartition("/")[2] for (g,) in rows if isinstance(g, NamedNode))
        return sorted(int(name.partition("-")[0]) for name in names)

    def tally(self, run: NamedNode) -> dict[str, int]:
        """What the store holds of a run: records, and answers to gaps by outcome.

        Further values of an answer with several are not counted again.
        """
        counts = dict.fromkeys(("records", *_COUNTED), 0)
        scope = f"GRAPH {self.names.runs} {{ {run} {ENR.graph} ?g }}"
        records = list(
            self.store.select(
                f"SELECT (COUNT(DISTINCT ?record) AS ?n) WHERE {{ {scope} GRAPH ?g {{ ?p {ENR.about} ?record }} }}"
            )
        )
        counts["records"] = _number(records[0][0])
        rows = self.store.select(
            f"SELECT ?outcome (COUNT(*) AS ?n) WHERE {{ {{ SELECT DISTINCT ?record ?name ?outcome WHERE {{ "
            f"{scope} GRAPH ?g {{ ?p {ENR.about} ?record ; {ENR.propertyName} ?name ; {ENR.outcome} ?outcome }} "
            f"}} }} }} GROUP BY ?outcome"
        )
        for outcome, number in rows:
            if isinstance(outcome, NamedNode):
                counts[outcome.value.removeprefix(str(ENR)).lower()] = _number(number)
        return counts

    def runs(self) -> list[Run]:
        """All runs, the oldest first."""
        query = (
            f"SELECT ?run ?p ?o WHERE {{ GRAPH {self.names.runs} {{ ?run {ENR.runState} ?state ; ?p ?o }} "
            f"FILTER(?p != {ENR.graph}) }}"
        )
        found: dict[str, dict[str, str]] = {}
        for run, predicate, value in self.store.select(query):
            if run is not None and predicate is not None and value is not None:
                found.setdefault(run.value, {})[predicate.value] = value.value
        count = (
            f"SELECT ?run (COUNT(?g) AS ?n) WHERE {{ GRAPH {self.names.runs} {{ ?run {ENR.graph} ?g }} }} "
            f"GROUP BY ?run"
        )
        shards = {run.value: _number(n) for run, n in self.store.select(count) if run is not None}
        return sorted(
            (_run(iri, said, shards.get(iri, 0)) for iri, said in found.items()),
            key=lambda run: (run.order, run.run),
        )

    def get(self, run: NamedNode) -> Run:
        """One run. Raises RunError when the register has none of this IRI."""
        for known in self.runs():
            if known.run == run.value:
                return known
        raise RunError(f"no run is called {run.value}; `enrich runs` lists them")

    def expect(self, run: NamedNode, state: str) -> None:
        """Raise RunError unless the run is in this state."""
        found = self.get(run).state
        if found != state:
            raise RunError(f"run {run.value} is {found}, not {state}; `enrich runs` shows all")


def _run(iri: str, said: dict[str, str], shards: int) -> Run:
    def count(name: str) -> int | None:
        value = said.get(ENR[name].value)
        return int(value) if value is not None else None

    return Run(
        run=iri,
        state=said[ENR.runState.value].removeprefix(str(ENR)),
        started=said.get(PROV.startedAtTime.value, ""),
        order=count("order") or 0,
        ended=said.get(PROV.endedAtTime.value),
        model=said.get(PROV.used.value),
        request=said.get(ENR.request.value),
        alive_until=said.get(ENR.aliveUntil.value),
        records=count("records"),
        predicted=count("predicted"),
        abstained=count("abstained"),
        failed=count("failed"),
        shards=shards,
    )


def _number(term: Term | None) -> int:
    return int(term.value) if isinstance(term, Literal) else 0


def list_runs(workspace: Workspace) -> list[Run]:
    """All runs of the workspace's store, the oldest first."""
    return Register(workspace.store, workspace.names).runs()


def find(workspace: Workspace, text: str) -> Run:
    """The run that an IRI, an id or the end of one names. Raises RunError for none or several."""
    runs = list_runs(workspace)
    exact = [run for run in runs if run.run == text or run.run.endswith(f"/{text}")]
    found = exact or [run for run in runs if run.run.endswith(text)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise RunError(f"no run is called {text!r}; `enrich runs` lists them")
    raise RunError(
        f"{text!r} names {len(found)} runs: {', '.join(run.run for run in found)}; give more of it"
    )


def retract(workspace: Workspace, run: str, purge: bool = True) -> int:
    """Take a run back: hidden at once, then its graphs dropped. Returns the number of graphs dropped."""
    register = Register(workspace.store, workspace.names)
    iri = NamedNode(run)
    register.retract(iri)
    return register.purge(iri) if purge else 0
