"""A museum record as read from the graph: what the classifiers see, and where answers belong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyoxigraph import NamedNode

from classifiers.data import Record


@dataclass(frozen=True, slots=True)
class Subject:
    """One record of the museum, with the node that carries each property.

    `nodes` maps a property's name to the node its value hangs on (the production, or the object itself);
    a property named in `minted` has no such node in the facts, and the node's IRI is one of ours.
    `missing` are the properties without a value in a reachable class. `problem` says why the record
    could not be read whole; such a record is answered as failed.
    """

    iri: NamedNode
    record: Record
    nodes: Mapping[str, NamedNode] = field(default_factory=dict)
    minted: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()
    problem: str | None = None
