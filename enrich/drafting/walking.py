"""Walks from sampled records along every path of up to four steps, and keeps what is found at their ends."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from pyoxigraph import BlankNode, Literal, NamedNode

from enrich.errors import QueryRefused, ResultTruncated
from enrich.graph.stores.base import Row, Store, Term
from enrich.ontology.paths import Step, path_triples
from enrich.ontology.terms import DCT, OWL, RDF, RDFS, SKOS, Namespace, values_block

_LONGEST = 4
_BATCH = 200
_INVERSE_ROWS = 40
"""Links towards a node that are looked at, for each node of a batch: beyond it is no node of one record."""
_NODES = 4000
"""Nodes at the end of a path that are looked into."""
_PATHS = 250
"""Paths that are followed further."""
_OWN = 0.9
"""A path whose nodes are at least this share distinct leads to nodes of the record alone: events, names."""
_RARE = 0.02
FEW = 50
"""Records below which nothing shows that it repeats; every path is then followed."""
_FOAF = Namespace("http://xmlns.com/foaf/0.1/")
_DEAD_ENDS = {RDF.type, OWL.sameAs, RDFS.seeAlso, RDFS.isDefinedBy, _FOAF.page, _FOAF.homepage}
"""Predicates that say nothing of a record but where else it stands; what lies behind them is another's."""
_NAMES = (RDFS.label, SKOS.prefLabel, DCT.title, _FOAF.name)

Way = tuple[Step, ...]
"""A path of plain steps."""
Progress = Callable[[str, int, int], None]
Values = dict[str, dict[Term, None]]
"""The terms that a path finds, each once and in their order, by the IRI of their record."""


@dataclass
class Walk:
    """What was found from some records: `found` by path, in the order of the walk.

    `stated` holds what the graph says of every IRI that was looked into, `types` counts by path the classes of the
    nodes at its end. `complete` is false when the time was up before every path had been followed.
    """

    store: Store
    dataset: str
    record_class: NamedNode
    records: Sequence[NamedNode]
    found: dict[Way, Values] = field(default_factory=dict)
    stated: dict[NamedNode, list[tuple[NamedNode, Term]]] = field(default_factory=dict)
    types: dict[Way, dict[str, int]] = field(default_factory=dict)
    complete: bool = True

    def label(self, term: Term) -> str:
        """A value in words: a literal itself, or the name that the graph gives an IRI, an English one before others."""
        if not isinstance(term, NamedNode):
            return term.value if isinstance(term, Literal) else ""
        said = [(p, o) for p, o in self.stated.get(term, ()) if p in _NAMES and isinstance(o, Literal)]
        best = min(
            said, key=lambda n: ((n[1].language or "") not in ("", "en"), _NAMES.index(n[0])), default=None
        )
        return best[1].value if best is not None else term.value

    def all_of(self, term: Term, predicate: NamedNode) -> list[Term]:
        """What the graph says of an IRI by one predicate."""
        return (
            [o for p, o in self.stated.get(term, ()) if p == predicate] if isinstance(term, NamedNode) else []
        )

    def own(self, path: Way) -> bool:
        """Whether a path leads to nodes that belong to one record alone."""
        values = self.found[path]
        pairs = sum(map(len, values.values()))
        nodes = {v for terms in values.values() for v in terms if not isinstance(v, Literal)}
        return bool(nodes) and len(nodes) >= _OWN * pairs

    def concepts(self, path: Way) -> bool:
        """Whether most IRIs at the end of a path stand in a SKOS vocabulary."""
        nodes = {v for terms in self.found[path].values() for v in terms if isinstance(v, NamedNode)}
        known = sum(any(p in SKOS for p, _ in self.stated.get(node, ())) for node in nodes)
        return known > 0.5 * len(nodes)

    def shared_before(self, path: Way) -> bool:
        """Whether a path leads through a node that several records share: what follows is said of that node."""
        return any(not self.own(path[:n]) for n in range(1, len(path)))


def walk(
    store: Store,
    dataset: str,
    record_class: NamedNode,
    records: Sequence[NamedNode],
    seconds: float,
    progress: Progress,
) -> Walk:
    """Follow every path from the records, level by level, for at most so many seconds. Raises StoreError."""
    made = Walk(store, dataset, record_class, records)
    deadline = time.monotonic() + seconds
    _follow_records(made)
    for depth in range(1, _LONGEST + 1):
        level = [p for p in made.found if len(p) == depth and _worth_following(made, p)]
        level = sorted(level, key=lambda p: -len(made.found[p]))[:_PATHS]
        for number, path in enumerate(level):
            progress(
                f"paths of {depth + 1} steps" if depth < _LONGEST else "names of values", number, len(level)
            )
            if time.monotonic() > deadline:
                made.complete = False
                return made
            _follow(made, path, further=depth < _LONGEST)
    return made


def _worth_following(made: Walk, path: Way) -> bool:
    values = made.found[path]
    pairs = sum(map(len, values.values()))
    few = len(made.records) < FEW
    enough = len(values) >= (1 if few else 2) and len(values) >= _RARE * len(made.records)
    if not enough or pairs > 50 * len(values) or path[-1].predicate in _DEAD_ENDS:
        return False
    behind_shared = [n for n in range(1, len(path)) if not made.own(path[:n])]
    return not behind_shared or len(path) - behind_shared[0] < 2


def _follow_records(made: Walk) -> None:
    """The first steps, from the records themselves, forwards and backwards."""
    keys = {record: [record.value] for record in made.records}
    _look_into(made, made.records)
    _add(made, (), keys, _stated(made, made.records), inverse=False)
    _add(made, (), keys, _towards(made, made.records), inverse=True)


def _follow(made: Walk, path: Way, *, further: bool) -> None:
    """One step on from the nodes at the end of a path; without `further` only what is said of them."""
    at: dict[NamedNode, list[str]] = defaultdict(list)
    blank = False
    for record, terms in made.found[path].items():
        for term in terms:
            blank = blank or isinstance(term, BlankNode)
            if isinstance(term, NamedNode) and (term in at or len(at) < _NODES):
                at[term].append(record)
    _look_into(made, list(at))
    made.types[path] = _types(made, at)
    if made.record_class.value in made.types[path] or not further:
        return  # another record: what it says is its own
    if made.concepts(path):
        return  # a vocabulary says of its concepts what holds of no record
    _add(made, path, at, _stated(made, list(at)), inverse=False)
    if made.own(path) and not made.shared_before(path):
        _add(made, path, at, _towards(made, list(at)), inverse=True)
    if blank:
        _follow_blank(made, path)


def _follow_blank(made: Walk, path: Way) -> None:
    """Blank nodes cannot be named in a query: what is said of them is asked from their records."""
    triples = path_triples("record", path, "node")
    keys: dict[NamedNode, list[str]] = {r: [r.value] for r in made.records if r.value in made.found[path]}
    rows: list[tuple[NamedNode, NamedNode, Term]] = []
    for record, predicate, value in _ask(
        made, list(keys), "record", "?record ?p ?v", f"{triples} ?node ?p ?v FILTER(isBlank(?node))"
    ):
        if isinstance(record, NamedNode) and isinstance(predicate, NamedNode) and value is not None:
            rows.append((record, predicate, value))
            if predicate == RDF.type and isinstance(value, NamedNode):
                counts = made.types.setdefault(path, {})
                counts[value.value] = counts.get(value.value, 0) + 1
    _add(made, path, keys, iter(rows), inverse=False)


def _add(
    made: Walk,
    path: Way,
    at: dict[NamedNode, list[str]],
    triples: Iterable[tuple[NamedNode, NamedNode, Term]],
    *,
    inverse: bool,
) -> None:
    """Enter what leads on from nodes, unless it is the way that led there."""
    for node, predicate, term in triples:
        if path and path[-1] == Step(predicate, not inverse):
            continue
        if predicate == RDF.type and path:
            continue
        values = made.found.setdefault((*path, Step(predicate, inverse)), {})
        for record in at.get(node, ()):
            values.setdefault(record, {})[term] = None


def _look_into(made: Walk, nodes: Sequence[NamedNode]) -> None:
    """Ask what the graph says of nodes that were not asked about before."""
    new = [node for node in nodes if node not in made.stated]
    made.stated.update((node, []) for node in new)
    for node, predicate, value in _ask(made, new, "s", "?s ?p ?o", "?s ?p ?o"):
        if isinstance(node, NamedNode) and isinstance(predicate, NamedNode) and value is not None:
            made.stated[node].append((predicate, value))


def _stated(made: Walk, nodes: Sequence[NamedNode]) -> Iterator[tuple[NamedNode, NamedNode, Term]]:
    return ((node, p, o) for node in nodes for p, o in made.stated.get(node, ()))


def _towards(made: Walk, nodes: Sequence[NamedNode]) -> Iterator[tuple[NamedNode, NamedNode, Term]]:
    for node, predicate, subject in _ask(
        made, nodes, "o", "?o ?p ?s", "?s ?p ?o", f"LIMIT {_INVERSE_ROWS * _BATCH}"
    ):
        if isinstance(node, NamedNode) and isinstance(predicate, NamedNode) and subject is not None:
            yield node, predicate, subject


def _types(made: Walk, nodes: Iterable[NamedNode]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for node in nodes:
        for cls in made.all_of(node, RDF.type):
            if isinstance(cls, NamedNode):
                counts[cls.value] += 1
    return dict(counts)


def _ask(
    made: Walk, nodes: Sequence[NamedNode], key: str, variables: str, pattern: str, limit: str = ""
) -> Iterator[Row]:
    source = iter(nodes)
    while batch := list(islice(source, _BATCH)):
        yield from _batch(made, batch, key, variables, pattern, limit)


def _batch(
    made: Walk, nodes: list[NamedNode], key: str, variables: str, pattern: str, limit: str
) -> list[Row]:
    """The rows for some nodes. What a server refuses or cuts is asked in halves; a node too large alone is left out."""
    block = values_block([key], ([node] for node in nodes))
    query = f"SELECT DISTINCT {variables} {made.dataset} WHERE {{ {block} {pattern} }} {limit}"
    try:
        return list(made.store.select(query))
    except (QueryRefused, ResultTruncated):
        if len(nodes) == 1:
            return []
        half = len(nodes) // 2
        return [
            row
            for part in (nodes[:half], nodes[half:])
            for row in _batch(made, part, key, variables, pattern, limit)
        ]
