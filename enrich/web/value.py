"""The page of a value: what the vocabulary says of it, and apart from each other the facts and suggestions that name it."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from pyoxigraph import Literal, NamedNode

from enrich.errors import InputError, StoreTimeout
from enrich.graph.labels import best_label, labels, record_names
from enrich.graph.patterns import values_pattern
from enrich.ontology.kinds import CONCEPT
from enrich.ontology.terms import RDFS, SKOS, OntologyError, class_term, named_node, values_block
from enrich.runs.register import number
from enrich.web.browse import being_built
from enrich.web.index.asked import Filters
from enrich.web.rendering import address, linkable, page, words_of
from enrich.web.site import Site, site_of
from enrich.web.who import reader
from enrich.workspace import Workspace

SAMPLE, NEAR = 12, 100
"""Records and neighbours that are named."""
_WAYS = {SKOS.broader: "broader", SKOS.narrower: "narrower", SKOS.member: "narrower"}
"""What stands above a value, and under it: concepts, and the members of collections."""
_NOTES = (SKOS.definition, SKOS.scopeNote, RDFS.comment)

router = APIRouter(dependencies=[Depends(reader)])


@dataclass
class Concept:
    """What the vocabulary says of a value, in the reader's language."""

    name: str | None = None
    others: list[str] = field(default_factory=list)
    note: str | None = None
    broader: list[str] = field(default_factory=list)
    narrower: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)


@dataclass
class Facts:
    """By property how many records state a value, and some of them with their names; `late` where the store took too
    long to count them."""

    counts: dict[str, int] = field(default_factory=dict)
    sample: dict[str, str] = field(default_factory=dict)
    late: bool = False


@router.get("/value")
def value(request: Request, iri: str = "", value: str = "") -> Response:
    """A value by its IRI, or a literal as N-Triples spell it or by its text; of a record its own page."""
    site = site_of(request)
    t = words_of(request)
    if bool(iri) == bool(value):
        raise InputError("name one value: by iri, or by value")
    held = site.index.held()
    if not held.complete:
        return being_built(request, held)
    called = iri or _literal(site, value)
    found = site.index.facets(Filters({"value": (called,)}), 50, t.language)
    suggested = {choice.value: choice.count for choice in found["property"] if choice.count}
    if not suggested and site.index.is_record(called):
        return RedirectResponse(address("/record", iri=called), 303)
    concept, facts = Concept(), Facts()
    if iri:
        with site.workspace() as workspace:
            concept = _concept(workspace, named_node(iri), t.language)
            facts = _facts(workspace, iri)
    if not (concept.name or suggested or facts.counts or concept.broader or concept.narrower):
        raise HTTPException(404, f"nothing is known of {iri or value}")
    return page(
        request,
        "value.html",
        iri=iri if linkable(iri) else "",
        value=called,
        name=concept.name or site.index.names([called], t.language).get(called) or (iri or value),
        concept=concept,
        facts=facts,
        suggested=suggested,
        states=found["state"],
        called=site.called,
    )


def _literal(site: Site, text: str) -> str:
    """What the index calls a literal that is named by its text alone."""
    if text.startswith('"'):
        return text
    for found in site.index.facets(Filters(text=text), 500)["value"]:
        try:
            if found.value.startswith('"') and class_term(found.value).value == text:
                return found.value
        except OntologyError:
            continue
    return str(Literal(text))


def _concept(workspace: Workspace, iri: NamedNode, language: str) -> Concept:
    """Read in three questions, from whatever graph holds the vocabulary."""
    store, ours = workspace.store, workspace.names.base
    said: dict[NamedNode, list[Literal]] = {}
    near: dict[str, set[str]] = {"broader": set(), "narrower": set()}
    query = f"SELECT ?g ?p ?o WHERE {{ {{ GRAPH ?g {{ {iri} ?p ?o }} }} UNION {{ {iri} ?p ?o }} }} LIMIT 2000"
    for graph, predicate, term in store.select(query):
        if graph is not None and graph.value.startswith(ours):
            continue
        if isinstance(predicate, NamedNode) and isinstance(term, Literal):
            said.setdefault(predicate, []).append(term)
        elif isinstance(predicate, NamedNode) and isinstance(term, NamedNode) and predicate in _WAYS:
            near[_WAYS[predicate]].add(term.value)
    pointing = f"?n ?p {iri} FILTER(?p IN ({SKOS.broader}, {SKOS.member}))"
    query = f"SELECT DISTINCT ?n ?p WHERE {{ {{ GRAPH ?g {{ {pointing} }} }} UNION {{ {pointing} }} }} LIMIT {NEAR}"
    for term, predicate in store.select(query):
        if isinstance(term, NamedNode):
            near["narrower" if predicate == SKOS.broader else "broader"].add(term.value)
    names = [*said.get(SKOS.prefLabel, []), *said.get(RDFS.label, [])]
    called = labels(store, sorted(near["broader"] | near["narrower"]), language)
    own = best_label(names, language)
    others = {label.value for label in (*names, *said.get(SKOS.altLabel, []))} - {own}
    notes = [note for predicate in _NOTES for note in said.get(predicate, [])]
    ways = {way: sorted(found, key=lambda n: called.get(n, n))[:NEAR] for way, found in near.items()}
    return Concept(
        own, sorted(others), best_label(notes, language), ways["broader"], ways["narrower"], called
    )


def _facts(workspace: Workspace, iri: str) -> Facts:
    """The records that state a value, or a narrower one that counts as it, in three questions."""
    read = workspace.reader
    asked: dict[str, str] = {}
    for prop in workspace.profile.properties:
        classes = getattr(read.classes[prop.name], "classes", None)
        raw = [iri] if classes is None else [v for v, c in classes.items() if c == iri]
        if prop.kind == CONCEPT and raw:
            values = values_block(["v"], [[NamedNode(v)] for v in sorted(raw)[:500]])
            asked[prop.name] = (
                f"{values} {read.is_record} {values_pattern(prop, '?v')} FILTER(isIRI(?record))"
            )
    if not asked:
        return Facts()
    union = " UNION ".join(f"{{ {pattern} BIND({n} AS ?part) }}" for n, pattern in enumerate(asked.values()))
    names = list(asked)
    try:
        rows = workspace.store.select(
            f"SELECT ?part (COUNT(DISTINCT ?record) AS ?n) {read.dataset} WHERE {{ {union} }} GROUP BY ?part"
        )
        counts = {names[number(part)]: number(n) for part, n in rows if part is not None}
        query = f"SELECT DISTINCT ?record {read.dataset} WHERE {{ {union} }} LIMIT {SAMPLE}"
        records = [r for (r,) in workspace.store.select(query) if isinstance(r, NamedNode)]
    except StoreTimeout:
        return Facts(late=True)
    own = record_names(read, records)
    return Facts(counts, {r.value: own.get(r.value, r.value) for r in records})
