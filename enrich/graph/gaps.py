"""Finds the gaps: records that lack a value of a property, and which of them are still open."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from pyoxigraph import NamedNode

from enrich.graph.reading import Reader
from enrich.graph.stores.base import PAGE_TOKEN
from enrich.runs.existing_answers import ExistingAnswers
from enrich.runs.reviews import Reviews
from ontology.profiles import PropertyProfile, path_text
from ontology.terms import values_block

if TYPE_CHECKING:
    from enrich.workspace import Workspace

_BATCH = 2000


@dataclass(frozen=True, slots=True)
class GapCount:
    """Records that lack the property, and those of them that nobody has answered or accepted yet."""

    missing: int
    open: int


@dataclass(frozen=True, slots=True)
class GapReport:
    """How many records there are, and the gaps of each property."""

    records: int
    properties: dict[str, GapCount]


@dataclass(frozen=True, slots=True)
class GapRow:
    """A record with the properties that it lacks."""

    record: NamedNode
    missing: tuple[str, ...]


def scan(reader: Reader, properties: Sequence[str] = (), *, rough: bool = False) -> Iterator[GapRow]:
    """Stream the records that lack at least one of these properties (all of the profile's when empty).

    With `rough` each fact graph is looked at by itself, three times as fast: a record whose values stand in
    another graph than its type comes too, as if it lacked them. That is enough where records are read next.

    One unordered pass in constant memory: neither OFFSET nor a sort. OPTIONAL with an unbound test is
    used rather than NOT EXISTS, which some stores evaluate anew for every record. A record that the
    store gives twice, not one after the other, comes twice: answering is idempotent.
    """
    chosen = [p for p in reader.profile.properties if not properties or p.name in properties]
    optionals = " ".join(_optional(reader, p, n) for n, p in enumerate(chosen))
    unbound = " || ".join(f"!BOUND(?v{n})" for n in range(len(chosen)))
    variables = " ".join(f"?v{n}" for n in range(len(chosen)))
    pattern = f"?record a {reader.profile.record_class} . {PAGE_TOKEN}\n{optionals} FILTER({unbound})"
    if rough and reader.graphs:
        graphs = values_block(["g"], ([graph] for graph in reader.graphs))
        query = f"SELECT ?record {variables} WHERE {{ {graphs} GRAPH ?g {{ {pattern} }} }}"
    else:
        query = f"SELECT ?record {variables} {reader.dataset} WHERE {{ {pattern} }}"
    previous = None
    for record, *values in reader.store.select_by_key(query, "record"):
        if isinstance(record, NamedNode) and record != previous:
            previous = record
            lacking = (p.name for p, value in zip(chosen, values, strict=True) if value is None)
            yield GapRow(record, tuple(lacking))


def _optional(reader: Reader, prop: PropertyProfile, number: int) -> str:
    steps = [path_text(prop.node), str(prop.predicate), path_text(prop.value)]
    path = "/".join(step for step in steps if step)
    variable = f"?v{number}"
    return f"OPTIONAL {{ ?record {path} {variable} {reader.classes[prop.name].filter(variable)} }}"


@contextmanager
def spooled(records: Iterable[NamedNode]) -> Iterator[tuple[Iterator[NamedNode], int]]:
    """The same IRIs and their number, read to the end first and kept in a temporary file.

    A run takes hours; neither a server's cursor nor a snapshot of the store should be held that long.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", prefix="enrich-gaps-") as spool:
        total = 0
        for record in records:
            spool.write(f"{record.value}\n")
            total += 1
        spool.seek(0)
        yield (NamedNode(line.rstrip("\n")) for line in spool), total


def count_gaps(workspace: Workspace, model_digest: str | None = None) -> GapReport:
    """Count the gaps of every property of the profile, and how many are open.

    A gap is open unless a curator accepted a value or a current answer names it: of any model, or of the
    one of this digest. (Whether the inputs changed since is only known once a record is read.)
    """
    reader = workspace.reader
    answers = ExistingAnswers(workspace.store, workspace.names, model_digest)
    reviews = Reviews.read(workspace.store, workspace.names)
    missing = {p.name: 0 for p in workspace.profile.properties}
    still_open = dict(missing)
    rows = scan(reader)
    while batch := list(islice(rows, _BATCH)):
        answered = answers.of([row.record for row in batch])
        for row in batch:
            for name in row.missing:
                missing[name] += 1
                done = (row.record.value, name) in answered or reviews.settled(row.record.value, name)
                still_open[name] += not done
    counts = {name: GapCount(missing[name], still_open[name]) for name in missing}
    return GapReport(reader.count(), counts)
