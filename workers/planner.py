"""Plans a run: streams its records into batches in the triplestore, in memory that stays the same."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from pyoxigraph import NamedNode

from enrich.answering.batch import Batcher
from enrich.answering.run import chosen_properties
from enrich.errors import InputError
from enrich.graph.gaps import GapRow, scan
from enrich.graph.reading import triple
from enrich.graph.stores.base import PAGE_TOKEN
from ontology.profiles import ContextProfile
from ontology.terms import OntologyError, named_node
from workers import metrics
from workers.batch import batcher_of
from workers.config import soft_limit
from workers.context import RunWork, Service

__all__ = ["PlanResult", "Seen", "chosen_properties", "make_plan", "parse_where"]


@dataclass(frozen=True, slots=True)
class PlanResult:
    """How planning ended: complete; not, for its time was up; or overtaken by another planner."""

    complete: bool
    overtaken: bool
    batches: int


class Seen:
    """Which records were planned: eight bytes a record. Of 10⁷ records two being taken for one is 3 in
    10⁶ likely."""

    def __init__(self) -> None:
        self._old: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._new: set[int] = set()

    def add(self, record: NamedNode) -> bool:
        """True when the record was not seen before."""
        digest = int.from_bytes(hashlib.blake2b(record.value.encode(), digest_size=8).digest())
        if digest in self._new:
            return False
        place = int(np.searchsorted(self._old, np.uint64(digest)))
        if place < len(self._old) and int(self._old[place]) == digest:
            return False
        self._new.add(digest)
        if len(self._new) >= 100_000:
            self._old = np.sort(np.concatenate([self._old, np.fromiter(self._new, np.uint64)]))
            self._new.clear()
        return True


@dataclass(slots=True)
class _Planning:
    """One planner's work: where it stands."""

    token: str
    number: int
    size: int
    batches: int = 0
    seen: Seen = field(default_factory=Seen)


def make_plan(service: Service, run: NamedNode, sent: Callable[[], None]) -> PlanResult:
    """Plan a run, or go on where a planner before stopped; nothing is done when it is planned already.
    `sent` is called after each batch was added.

    Stops before the time limit, so that it can be called again. Raises InputError for a `where` that the
    profile does not know, ModelError for a model that is not there.
    """
    work = service.work(run)
    if work is None:
        return PlanResult(False, True, 0)
    if work.plan.standing().planned:
        return PlanResult(True, False, 0)
    until = time.monotonic() + 0.8 * soft_limit(service.settings)
    state = _Planning(work.plan.begin(), work.plan.last_number() + 1, batch_size(service, work))
    for record in work.plan.planned_records():
        state.seen.add(record)
    rows = (row for row in _rows(service, work, run) if state.seen.add(row.record))
    while chunk := list(islice(rows, state.size)):
        gaps = sum(len(row.missing) for row in chunk)
        if not work.plan.add(
            state.token, str(state.number), state.number, [row.record for row in chunk], gaps
        ):
            return PlanResult(False, True, state.batches)
        state.number += 1
        state.batches += 1
        metrics.GAPS_FOUND.inc(gaps)
        sent()
        if time.monotonic() > until:
            return PlanResult(False, False, state.batches)
    work.plan.complete(state.token)
    return PlanResult(True, False, state.batches)


def batch_size(service: Service, work: RunWork) -> int:
    """Records in a batch: its answers fit into one shard, its pictures into what was allowed."""
    settings = service.settings
    size = min(settings.run.batch, settings.run.shard // max(1, len(work.request.properties)))
    if work.request.pictures:
        size = min(size, settings.workers.batch_pictures // settings.media.per_record)
    return max(1, size)


def _rows(service: Service, work: RunWork, run: NamedNode) -> Iterator[GapRow]:
    request, reader = work.request, work.workspace.reader
    if request.records is not None:
        rows = _open(batcher_of(service, work, run), work.plan.listed(), request.limit)
    elif request.where:
        rows = _open(batcher_of(service, work, run), _where(work), request.limit)
    elif request.limit is not None:
        found = (row.record for row in scan(reader, request.properties, rough=True))
        rows = _open(batcher_of(service, work, run), found, request.limit)
    else:
        rows = scan(reader, request.properties, rough=True)
    return rows


def _open(
    batcher: Batcher, records: Iterator[NamedNode], limit: int | None, size: int = 200
) -> Iterator[GapRow]:
    """Of these records those with an open gap, `limit` of them at most; they are read for that."""
    given = 0
    while chunk := list(islice(records, size)):
        for question in batcher.questions(chunk):
            if limit is not None and given >= limit:
                return
            given += 1
            yield GapRow(question.subject.iri, question.properties)


def parse_where(
    pairs: tuple[str, ...], contexts: tuple[ContextProfile, ...]
) -> list[tuple[ContextProfile, NamedNode]]:
    """The contexts and values of `NAME=IRI` texts. Raises InputError, which lists the names there are."""
    known = {context.name: context for context in contexts}
    found = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in known:
            raise InputError(
                f"--where {pair}: say NAME=IRI, with a context of the profile: {', '.join(known) or 'it has none'}"
            )
        try:
            found.append((known[name], named_node(value)))
        except OntologyError as error:
            raise InputError(f"--where {pair}: {value!r} is not an absolute IRI") from error
    return found


def _where(work: RunWork) -> Iterator[NamedNode]:
    """The records whose contexts have the values asked for."""
    reader, profile = work.workspace.reader, work.workspace.profile
    patterns = []
    for context, value in parse_where(work.request.where, profile.contexts):
        if context.graph:
            patterns.append(f"GRAPH {value} {{ ?record a {profile.record_class} }}")
        else:
            patterns.append(triple("?record", context.path, str(value)))
    named = " ".join(f"FROM NAMED {graph}" for graph in reader.graphs)
    query = (
        f"SELECT ?record {reader.dataset} {named} WHERE {{ ?record a {profile.record_class} . "
        f"{' '.join(patterns)} {PAGE_TOKEN}\n}}"
    )
    for (record,) in reader.store.select_by_key(query, "record"):
        if isinstance(record, NamedNode):
            yield record
