"""What a run was asked for: kept as JSON in the run's `enr:request`, so that any process can go on with it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from pyoxigraph import Literal, NamedNode

from enrich.classifiers.data import Property
from enrich.classifiers.digest import text_digest
from enrich.classifiers.model.description import ModelDescription
from enrich.errors import ModelError, SettingsError
from enrich.graph.stores.base import first_of
from enrich.graph.where import parse_where
from enrich.ontology.kinds import CONCEPT
from enrich.ontology.terms import ENR, PROV, class_term, values_block
from enrich.runs.lineage import in_words, model_entities, snapshots
from enrich.runs.plan import Plan
from enrich.runs.register import OPEN, Register, Run, new_run_id
from enrich.version import VERSION
from enrich.workspace import Workspace

NIGHTLY, JOB, RUN = "nightly", "job", "run"
"""Kinds of runs: opened by the schedule, queued for workers, or made by `enrich run` in its own process."""
OF_A_NIGHT = json.dumps({"kind": NIGHTLY})[1:-1]
"""What the text of a nightly run's request holds, and of no other."""
DEFAULT_PRIORITY = 5
_ENOUGH = 200
"""Classes of a property that are looked for in the facts."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. The same request for the same work goes on with a run that died.

    `records` is the digest of the records named, None for all; `where` context=IRI pairs; `limit` a number of
    records with an open gap; `priority` 0 to 9, the highest first, the nightly run below them all; `slot` the
    time a nightly run was due; `pictures` whether the model looks at pictures; `profile` the digest of the
    profile that the run began with.
    """

    kind: str
    model: str
    digest: str
    properties: tuple[str, ...]
    records: str | None = None
    where: tuple[str, ...] = ()
    limit: int | None = None
    priority: int = DEFAULT_PRIORITY
    slot: str | None = None
    pictures: bool = False
    profile: str | None = None

    def text(self) -> str:
        """The request as JSON, the same for the same request."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """The request in a run's JSON; None when it is none that this version understands."""
        try:
            said = json.loads(text or "null")
        except ValueError:
            return None
        if not isinstance(said, dict) or said.get("kind") not in (NIGHTLY, JOB, RUN):
            return None
        lists = {name: tuple(said.get(name) or ()) for name in ("properties", "where")}
        return cls(**{**{k: v for k, v in said.items() if k in cls.__slots__}, **lists})

    def words(self, names: Mapping[str, str]) -> str:
        """What was asked for, as a person would say it; `names` are those of the values of `where`."""
        said = [", ".join(self.properties)]
        said += [
            f"{name} {names.get(iri, iri)}" for name, _, iri in (pair.partition("=") for pair in self.where)
        ]
        said += ["the records of a list"] if self.records is not None else []
        said += [f"at most {self.limit:,} records"] if self.limit is not None else []
        return "; ".join(said)

    def same_work(self, other: Self) -> bool:
        """Whether both ask for the same, whatever their priority. There is one nightly run at a time."""
        if self.kind == other.kind == NIGHTLY:
            return True
        mine, others = (
            (r.kind == RUN, r.digest, r.properties, r.records, r.where, r.limit) for r in (self, other)
        )
        return mine == others

    @property
    def looks_at_all(self) -> bool:
        """Whether a run of this request looks at every gap of its properties."""
        return self.records is None and not self.where and self.limit is None


@dataclass(frozen=True, slots=True)
class RequestedRun:
    """An entry of the register with what was asked."""

    run: Run
    request: Request
    iri: NamedNode = field(compare=False)


def requested_runs(runs: Iterable[Run]) -> list[RequestedRun]:
    """Those of some runs whose request is understood."""
    asked = ((run, Request.parse(run.request)) for run in runs)
    return [RequestedRun(run, request, NamedNode(run.run)) for run, request in asked if request is not None]


def request_of(workspace: Workspace, run: NamedNode) -> Request | None:
    """What was asked of a run; None when the run is not open, or its request is not understood."""
    query = (
        f"SELECT ?request WHERE {{ GRAPH {workspace.names.runs} {{ {run} {ENR.runState} {ENR.Open} ; "
        f"{ENR.request} ?request ; a {PROV.Activity} }} }}"
    )
    text = first_of(workspace.store.select(query))
    return Request.parse(text.value) if isinstance(text, Literal) else None


def make_request(
    workspace: Workspace,
    kind: str,
    folder: Path,
    model: ModelDescription,
    *,
    properties: Sequence[str] = (),
    records: Sequence[NamedNode] | None = None,
    where: Sequence[str] = (),
    limit: int | None = None,
    priority: int = DEFAULT_PRIORITY,
    slot: str | None = None,
) -> Request:
    """A request that was checked against the profile and the model.

    Raises SettingsError for a property that one of them lacks, InputError for a `where` that the profile
    does not know, ModelError for a model of another graph (see `expect_fit`).
    """
    parse_where(where, workspace.profile.contexts)
    expect_fit(workspace, model.properties, model.training)
    return Request(
        kind,
        str(folder),
        model.digest,
        chosen_properties(workspace, model.properties, properties),
        None if records is None else records_digest(records),
        tuple(sorted(where)),
        limit,
        priority,
        slot,
        pictures="image" in model.members,
        profile=profile_digest(workspace),
    )


def open_run(
    workspace: Workspace,
    model: ModelDescription,
    request: Request,
    records: Sequence[NamedNode] | None = None,
) -> tuple[NamedNode, bool]:
    """Enter a run into the register. Returns it, and whether it is new: when the same is asked for already,
    that run is returned. The records named are kept first, so that an open run has them all.
    """
    register = Register(workspace.store, workspace.names)
    held = same_request(register, request)
    if held is not None:
        return held, False
    run_id = new_run_id(register.clock())
    if records is not None:
        Plan(workspace.store, workspace.names, workspace.names.run(run_id)).list_records(records)
    run = register.open(
        actor=NamedNode(workspace.settings.actor),
        software=VERSION,
        models=model_entities(model),
        snapshots=snapshots(model),
        request=request.text(),
        lease=timedelta(seconds=workspace.settings.run.lease),
        run_id=run_id,
        title=_title(workspace, request, run_id),
        creator=workspace.settings.creator,
        licence=workspace.settings.licence,
    )
    first = same_request(register, request)
    if first is not None and first != run:
        register.withdraw(run)
        Plan(workspace.store, workspace.names, run).drop()
        return first, False
    return run, True


def _title(workspace: Workspace, request: Request, run_id: str) -> str:
    """What a run is called: `Predictions of place and time, 2026-11-20`."""
    labels = [p.label for p in workspace.profile.properties if p.name in request.properties]
    return f"Predictions of {in_words(labels)}, {run_id[:10]}"


def same_request(register: Register, request: Request) -> NamedNode | None:
    """The first open run that does the same work and has not failed, or that did the night of the same slot."""
    if request.slot is not None:
        last = last_nightly(register)
        if last is not None and (last.request.slot or "") >= request.slot:
            return last.iri
    for known in requested_runs(register.runs(OPEN)):
        if known.request.same_work(request):
            plan = Plan(register.store, register.names, known.iri)
            if request.kind == RUN or plan.failure() is None:
                return known.iri
    return None


def last_nightly(register: Register) -> RequestedRun | None:
    """The nightly run that was opened last, whatever became of it."""
    query = (
        f"SELECT ?run WHERE {{ GRAPH {register.names.runs} {{ ?run {ENR.request} ?request ; {ENR.order} ?order "
        f"FILTER(CONTAINS(?request, {Literal(OF_A_NIGHT)})) }} }} ORDER BY DESC(?order) DESC(?run) LIMIT 1"
    )
    run = first_of(register.store.select(query))
    return next(iter(requested_runs([register.get(run)])), None) if isinstance(run, NamedNode) else None


def withdraw_empty(register: Register, like: str, but: NamedNode) -> None:
    """Take the active runs that answered nothing, and whose request has these words, out of the register, but for
    one: it would hold one more for every night without a gap. One of which all was taken back did answer."""
    runs = register.names.runs
    register.store.update(
        f"DELETE {{ GRAPH {runs} {{ ?run ?p ?o }} }} WHERE {{ GRAPH {runs} {{ "
        f"?run {ENR.runState} {ENR.Active} ; {ENR.records} 0 ; {ENR.request} ?request ; ?p ?o "
        f"FILTER(?run != {but} && CONTAINS(?request, {Literal(like)})) "
        f"FILTER NOT EXISTS {{ ?run {ENR.graph} ?shard }} FILTER NOT EXISTS {{ ?part {ENR.takenFrom} ?run }} }} }}",
        idempotent=True,
    )


def records_digest(records: Sequence[NamedNode]) -> str:
    """The digest of a list of records, whatever their order."""
    return text_digest("\n".join(sorted(record.value for record in records)))


def profile_digest(workspace: Workspace) -> str:
    """The digest of what the profile says now."""
    return text_digest(repr(workspace.profile))


def chosen_properties(
    workspace: Workspace, of_model: Sequence[Property], properties: Sequence[str]
) -> tuple[str, ...]:
    """The properties asked for, in the profile's order: those named, or all that the model learned.

    Raises SettingsError for one that the profile does not have or the model did not learn.
    """
    known = [p.name for p in workspace.profile.properties]
    learned = {p.name for p in of_model}
    for name in properties:
        if name not in known:
            raise SettingsError(f"the profile has no property {name!r}; it has: {', '.join(known)}")
        if name not in learned:
            raise SettingsError(f"the model did not learn {name!r}; it learned: {', '.join(sorted(learned))}")
    return tuple(name for name in known if name in learned and (not properties or name in properties))


def expect_fit(workspace: Workspace, learned: Sequence[Property], training: Mapping[str, Any]) -> None:
    """Raises ModelError for a model that learned no property of the profile, or that learned by another profile and has
    no value that stands in this graph."""
    profile, by = workspace.profile, str(training.get("profile", ""))
    kinds = {prop.name: prop.kind for prop in profile.properties}
    shared = [prop for prop in learned if prop.name in kinds]
    if shared and (by in ("", profile.name) or any(_stands(workspace, p, kinds[p.name]) for p in shared)):
        return
    workspace.reader.expect_records()
    what = "the graph has none of these values" if shared else f"the profile {profile.name} has none of them"
    names = ", ".join(prop.name for prop in shared or learned)
    raise ModelError(
        f"the model learned {names}{f' by the profile {by}' if by else ''}, and {what}: train one here"
    )


def _stands(workspace: Workspace, prop: Property, kind: str) -> bool:
    """Whether one of the first classes of a property stands in the facts; a literal may be spelled in other ways."""
    if kind != CONCEPT:
        return True
    block = values_block(["v"], ([class_term(name)] for name in prop.classes[:_ENOUGH]))
    return workspace.store.ask(f"ASK {workspace.reader.dataset} WHERE {{ {block} ?s ?p ?v }}")
