"""A museum record as read from the graph: what the classifiers see, and where answers belong."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pyoxigraph import Literal, NamedNode

from enrich.classifiers.data import Picture, Record, Text
from enrich.classifiers.digest import json_digest, short_digest
from enrich.errors import QueryRefused, ResultTruncated
from enrich.graph.stores.base import Row
from enrich.ontology.paths import Path, path_text, steps, ways_along
from enrich.ontology.profiles import PropertyProfile
from enrich.ontology.terms import Names

T = TypeVar("T")
_HTTP = re.compile(r"https?://", re.IGNORECASE)

Values = dict[str, list[Row]]
"""Rows by the IRI of their record."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One record of the museum, with the node that carries each property.

    `nodes` maps a property's name to the node its value hangs on (the production, or the object itself);
    a property named in `minted` has no such node in the facts, and the node's IRI is one of ours; `reached` has how many
    steps on the way to it the facts go, and the node that they name there, where they go a part of the way.
    `missing` are the properties without a value in a reachable class, `outside` holds by property the values that are
    stated and in no class. `problem` says why the record
    could not be read whole; such a record is answered as failed, unless it is `absent`: no record of the facts
    (any more), asked twice.
    """

    iri: NamedNode
    record: Record
    nodes: Mapping[str, NamedNode] = field(default_factory=dict)
    minted: frozenset[str] = frozenset()
    reached: Mapping[str, tuple[int, NamedNode]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    outside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problem: str | None = None
    absent: bool = False


def halved(records: Sequence[NamedNode], ask: Callable[[Sequence[NamedNode]], T]) -> Iterator[T]:
    """What the store answers about some records; where it refuses, or cuts its answer, about one half and the other."""
    try:
        answer = ask(records)
    except (QueryRefused, ResultTruncated):
        if len(records) < 2:
            raise
        half = len(records) // 2
        yield from halved(records[:half], ask)
        yield from halved(records[half:], ask)
    else:
        yield answer


class Seen:
    """Which records, say, were met: eight bytes each (see `short_digest`)."""

    def __init__(self) -> None:
        self._old: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._new: set[int] = set()

    def __len__(self) -> int:
        return len(self._old) + len(self._new)

    def add(self, record: NamedNode) -> bool:
        """True when the record was not met before."""
        return self.add_text(record.value)

    def add_text(self, text: str) -> bool:
        """The same of what a text stands for."""
        digest = short_digest(text)
        if digest in self._new:
            return False
        position = int(np.searchsorted(self._old, np.uint64(digest)))
        if position < len(self._old) and int(self._old[position]) == digest:
            return False
        self._new.add(digest)
        if len(self._new) >= 100_000:
            self._old = np.sort(np.concatenate([self._old, np.fromiter(self._new, np.uint64)]))
            self._new.clear()
        return True


def input_digest(record: Record, name: str, rejected: Collection[str] = ()) -> str:
    """`sha256:` and the digest of all that the models may see of a record when asked for one property, and of the
    values that curators turned down: once one is, the gap is asked again.

    The known value of that property itself is hidden from them, and so is left out. Pictures count by
    their addresses: it is computed before any is fetched.
    """
    seen = {
        "known": {k: sorted(v) for k, v in record.known.items() if k != name},
        "context": {k: sorted(v) for k, v in record.context.items()},
        "texts": [[t.language, t.value] for t in record.texts],
        "pictures": [p.url for p in record.pictures],
        **({"numbers": dict(record.numbers)} if record.numbers else {}),
        **({"rejected": sorted(rejected)} if rejected else {}),
    }
    return f"sha256:{json_digest(seen)}"


def seen_digest(record: Record) -> str | None:
    """`sha256:` and the digest of what was seen of a record's pictures, where some may come later; else None.

    A picture counts by its content, by its refusal when it is refused for good, or as one that may come.
    """
    if not any(p.may_come for p in record.pictures):
        return None
    return f"sha256:{json_digest([None if p.may_come else p.sha256 or p.failure for p in record.pictures])}"


def texts_of(key: str, texts: Mapping[Path, Values]) -> tuple[Text, ...]:
    """A record's literals in the order of the profile, empty ones left out."""
    found: dict[Text, None] = {}
    for path, rows in texts.items():
        source = steps(path)[-1].predicate.value
        literals = [v for (v,) in rows.get(key, []) if isinstance(v, Literal) and v.value.strip()]
        for literal in sorted(literals, key=lambda t: (t.language or "", t.value)):
            found[Text(literal.value, literal.language, source)] = None
    return tuple(found)


def pictures_of(key: str, images: Sequence[Values]) -> tuple[Picture, ...]:
    """A record's pictures in the order of the profile, by their addresses."""
    urls = {
        v.value: None
        for rows in images
        for (v,) in sorted(rows.get(key, []), key=str)
        if isinstance(v, NamedNode | Literal) and v.value.strip()
    }
    return tuple(
        Picture(url) if _HTTP.match(url) else Picture(url, failure="not an http(s) address") for url in urls
    )


def nodes_of(
    names: Names,
    iri: NamedNode,
    properties: Iterable[PropertyProfile],
    rows: Mapping[str, list[Row]],
    ways: Mapping[str, list[Row]],
) -> tuple[dict[str, NamedNode], frozenset[str], dict[str, tuple[int, NamedNode]]]:
    """The node that carries each property, of several the first that no step leads to which could be left out; the
    properties of which it is one of ours, and how far the facts lead to it. `rows` are nodes and values by property, `ways` the
    nodes along the path to the one that carries it, by the text of the path so far."""
    nodes: dict[str, NamedNode] = {}
    minted: set[str] = set()
    reached: dict[str, tuple[int, NamedNode]] = {}
    for prop in properties:
        along = [_iris(ways.get(path_text(way), ())) for way in ways_along(prop.node)]
        carriers = _iris((node,) for node, _ in rows[prop.name])
        if carriers:
            nearest = carriers.intersection(along[-1] if along else (iri.value,))
            nodes[prop.name] = NamedNode(min(nearest or carriers))
            continue
        nodes[prop.name] = names.mint("node", iri, path_text(prop.node))
        minted.add(prop.name)
        if there := [(number, NamedNode(min(iris))) for number, iris in enumerate(along, 1) if iris]:
            reached[prop.name] = there[-1]
    return nodes, frozenset(minted), reached


def _iris(rows: Iterable[Row]) -> set[str]:
    """The IRIs that stand first in some rows."""
    return {node.value for node, *_ in rows if isinstance(node, NamedNode)}
