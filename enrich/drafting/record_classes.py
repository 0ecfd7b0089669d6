"""Which class of a graph is that of its records, and a sample of them."""

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import md5

from pyoxigraph import Literal, NamedNode

from enrich.errors import QueryRefused
from enrich.graph.stores.base import Store
from enrich.ontology.terms import OWL, PROV, RDF, RDFS, SKOS, values_block

_TRIED = 15
"""The largest classes that are looked into."""
_LOOKED_AT = 60
_OBJECTS = re.compile(
    r"(man|human) ?made ?(object|thing|feature)|provided ?cho|cultural ?(heritage|property|object|artifact)|"
    r"heritage ?object|movable|art ?work|painting|sculpture|drawing|photograph|numismatic ?object|\bcoin|"
    r"specimen|textile|garment|manuscript|\bbook|museum ?object|\bobject\b|\bitem\b|creative ?work|\brecord\b|"
    r"historic or artistic property|bibliographic|\bwork\b|physical ?thing",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"production|event|activity|creation|existence|time ?span|appellation|identifier|title|\bname|concept|"
    r"\btype\b|person|actor|agent|group|organi[sz]ation|place|location|dimension|measurement|\bunit\b|"
    r"aggregation|web ?resource|image|document|proxy|right|\brole\b|material|\bclass\b|ontology|\blist\b|"
    r"collection|scheme|statement|assignment|period|linguistic|dataset|distribution|visual ?item|digital|"
    r"acquisition|custody|currency|amount|subject|language|\bset\b|transfer|legal|birth|death|attribution",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ClassFound:
    """A class of the graph: how many resources are of it, and how likely it is that of the records (0 to 1)."""

    iri: NamedNode
    resources: int
    score: float


def record_classes(store: Store, dataset: str) -> list[ClassFound]:
    """The largest classes, that of the records first. Raises StoreError."""
    query = (
        f"SELECT ?c (COUNT(DISTINCT ?s) AS ?n) {dataset} WHERE {{ ?s a ?c FILTER(isIRI(?s)) }} GROUP BY ?c"
    )
    sizes = {
        c: int(n.value) for c, n in store.select(query) if isinstance(c, NamedNode) and isinstance(n, Literal)
    }
    tried = sorted(sizes, key=lambda c: (-sizes[c] * (4 if _prior(c) > 0 else 1), c.value))[:_TRIED]
    largest = max((sizes[c] for c in tried), default=1)
    found = [ClassFound(c, sizes[c], _score(store, dataset, c, sizes[c], largest)) for c in tried]
    return sorted(found, key=lambda f: (-f.score, -f.resources, f.iri.value))


def sample(store: Store, dataset: str, cls: NamedNode, size: int, of: int) -> list[NamedNode]:
    """At most `size` IRIs of a class with `of` resources: those whose MD5 comes first, which is to draw them evenly.

    The same graph gives the same sample in any store. A server without MD5 gives those that it finds first.
    """
    typed = f"SELECT DISTINCT ?s {dataset} WHERE {{ ?s a {cls} FILTER(isIRI(?s))"
    first_found = f"{typed} }} LIMIT {size}"
    below = min(int(1.1 * size / max(of, 1) * 16**6), 16**6 - 1)
    drawn = f'{typed} FILTER(MD5(STR(?s)) < "{below:06x}") }}'
    try:
        rows = list(store.select(drawn if of > size else first_found))
    except QueryRefused:
        rows = list(store.select(first_found))
    found = [s for (s,) in rows if isinstance(s, NamedNode)]
    found.sort(key=lambda s: md5(s.value.encode(), usedforsecurity=False).digest())
    return sorted(found[:size], key=lambda s: s.value)


def words_of(iri: NamedNode) -> str:
    """The last part of an IRI in words: `E22_Man-Made_Object` becomes `Man Made Object`."""
    local = re.split(r"[/#:]", iri.value.rstrip("/#"))[-1]
    local = re.sub(r"^[A-Z]{1,2}\d+[a-z]?_", "", local)
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-.]+", " ", local).strip()


def _prior(cls: NamedNode) -> float:
    if any(cls in space for space in (RDF, RDFS, OWL, SKOS, PROV)):
        return -1
    said = words_of(cls)
    if _OBJECTS.search(said):
        return 1
    return -1 if _OTHERS.search(said) else 0


def _score(store: Store, dataset: str, cls: NamedNode, size: int, largest: int) -> float:
    """Records are many, much is said of each, and little else of the graph points to the same one."""
    query = f"SELECT DISTINCT ?s {dataset} WHERE {{ ?s a {cls} FILTER(isIRI(?s)) }} LIMIT {_LOOKED_AT}"
    some = [s for (s,) in store.select(query) if isinstance(s, NamedNode)]
    if not some:
        return 0.0
    said, links = _described(store, dataset, some)
    many = math.log1p(size) / math.log1p(largest)
    rich = min(said / 12, 1.0)
    hub = min(links / 20, 1.0)
    return round(max(0.0, 0.4 * (1 + _prior(cls)) / 2 + 0.25 * many + 0.35 * rich - 0.2 * hub), 3)


def _described(store: Store, dataset: str, some: Sequence[NamedNode]) -> tuple[float, float]:
    """Predicates that each is described by, in the mean, and links that lead to it by the commonest one."""
    block = values_block(["s"], ([s] for s in some))
    forward = f"SELECT ?s (COUNT(DISTINCT ?p) AS ?n) {dataset} WHERE {{ {block} ?s ?p ?o }} GROUP BY ?s"
    backward = f"SELECT ?p {dataset} WHERE {{ {block} ?o ?p ?s }} LIMIT {50 * len(some)}"
    said = sum(int(n.value) for _, n in store.select(forward) if isinstance(n, Literal))
    links: dict[object, int] = defaultdict(int)
    for (predicate,) in store.select(backward):
        links[predicate] += 1
    return (said + len(links) * len(some)) / len(some), max(links.values(), default=0) / len(some)
