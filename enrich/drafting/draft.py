"""Drafts a profile for a graph: looks, ranks, and writes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pyoxigraph import NamedNode

from enrich.drafting.judging import Finding, Judge, chosen
from enrich.drafting.record_classes import ClassFound, record_classes, sample
from enrich.drafting.walking import Progress, Walk, walk
from enrich.drafting.writing import Writer
from enrich.errors import ProfileError
from enrich.graph.fact_graphs import MOST_GRAPHS, from_clause, has_default_graph
from enrich.graph.stores.base import DEFAULT_GRAPH, Store
from enrich.ontology.paths import path_text
from enrich.ontology.profile_files import parse_profile
from enrich.ontology.terms import Names

SAMPLE = 1000
SECONDS = 45.0


@dataclass(frozen=True)
class Draft:
    """What was found in a graph, and the profile drafted from it."""

    classes: Sequence[ClassFound]
    record_class: ClassFound
    walk: Walk
    findings: Sequence[Finding]
    minimum: int
    by_graph: bool
    seconds: float

    def without(self, names: Mapping[str, Sequence[str]]) -> Draft:
        """The same without what is named, by role."""
        kept = [replace(f, taken=f.taken and f.name not in names.get(f.role, ())) for f in self.findings]
        return replace(self, findings=kept)

    def toml(self) -> str:
        """The profile as a file. Raises ProfileError when there is nothing to predict."""
        if not chosen(self.findings, "property"):
            raise ProfileError(
                f"nothing that repeats and could be predicted was found at the {len(self.walk.records):,} records "
                f"of {self.record_class.iri}; name another class: --record-class IRI"
            )
        text = Writer(self.walk, self.minimum, self.by_graph).text(self.findings, self.record_class.resources)
        parse_profile(text, "draft", "the draft")
        return text

    def to_json(self) -> dict[str, Any]:
        """The findings as plain JSON values."""
        return {
            "record_class": self.record_class.iri.value,
            "records": self.record_class.resources,
            "sampled": len(self.walk.records),
            "complete": self.walk.complete,
            "seconds": round(self.seconds, 1),
            "classes": [
                {"iri": c.iri.value, "resources": c.resources, "score": c.score} for c in self.classes
            ],
            "findings": [_json(f) for f in self.findings],
        }


def draft_profile(
    store: Store,
    names: Names,
    progress: Progress,
    *,
    record_class: NamedNode | None = None,
    classes: Sequence[ClassFound] | None = None,
    size: int = SAMPLE,
    seconds: float = SECONDS,
) -> Draft:
    """Look at the facts of a store, and draft a profile for them. `classes` are what `find_classes` gave, if it was
    asked. Raises ProfileError for a store without records, StoreError."""
    started = time.monotonic()
    graphs = store.graphs(beside=names.base)
    dataset = _dataset(store, graphs)
    progress("classes", 0, 0)
    found = list(find_classes(store, names) if classes is None else classes)
    records_of = _named(found, record_class)
    records = sample(store, dataset, records_of.iri, size, records_of.resources)
    walked = walk(store, dataset, records_of.iri, records, seconds, progress)
    progress("ranking", 0, 0)
    by_graph = len(graphs) > 1 and _several_graphs(store, records_of.iri, graphs)
    judge = Judge(walked, records_of.resources, ["graph"] if by_graph else [])
    findings = judge.judge()
    return Draft(found, records_of, walked, findings, judge.minimum, by_graph, time.monotonic() - started)


def find_classes(store: Store, names: Names) -> list[ClassFound]:
    """The classes of the facts, the likeliest of records first. Raises ProfileError when there is none."""
    found = record_classes(store, _dataset(store, store.graphs(beside=names.base)))
    if not found:
        raise ProfileError(
            "the store holds no typed resource with an IRI: load a graph first (enrich load FILE…)"
        )
    return found


def _dataset(store: Store, graphs: Sequence[NamedNode]) -> str:
    """The FROM clauses of the graphs that are not ours. Raises ProfileError when they are too many for a query."""
    if len(graphs) > MOST_GRAPHS:
        raise ProfileError(
            f"the store has {len(graphs)} named graphs, and a query can name {MOST_GRAPHS}: load the facts into "
            "fewer (enrich load --graph IRI)"
        )
    if has_default_graph(store) and store.ask(f"ASK {from_clause([DEFAULT_GRAPH])} WHERE {{ ?s ?p ?o }}"):
        return from_clause([*graphs, DEFAULT_GRAPH]) if graphs else ""
    return from_clause(graphs)


def _named(found: Sequence[ClassFound], wanted: NamedNode | None) -> ClassFound:
    if wanted is None:
        return found[0]
    for each in found:
        if each.iri == wanted:
            return each
    known = ", ".join(str(c.iri) for c in found[:8])
    raise ProfileError(f"no resource with an IRI is of the class {wanted}; there are: {known}")


def _several_graphs(store: Store, cls: NamedNode, graphs: Sequence[NamedNode]) -> bool:
    """Whether more than one of the graphs types records, as when each museum has its own."""
    with_records = [g for g in graphs if store.ask(f"ASK {from_clause([g])} WHERE {{ ?s a {cls} }}")]
    return 1 < len(with_records) <= 200


def _json(f: Finding) -> dict[str, Any]:
    return {
        "role": f.role,
        "kind": f.kind,
        "name": f.name,
        "path": path_text(f.path),
        "records": f.facts.records,
        "share": round(f.facts.share, 4),
        "values": f.facts.values,
        "languages": list(f.facts.languages),
        "scheme": f.facts.scheme.value if f.facts.scheme is not None else None,
        "score": f.score,
        "taken": f.taken,
        "reason": f.reason,
        "examples": list(f.examples),
    }
