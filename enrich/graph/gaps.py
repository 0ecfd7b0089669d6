"""Finds the gaps: records that lack a value of a property, and which of them are still open."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter

from pyoxigraph import NamedNode

from enrich.graph.patterns import values_pattern
from enrich.graph.reading import Reader
from enrich.graph.records import Seen
from enrich.graph.stores.base import DEFAULT_GRAPH, PAGE_TOKEN
from enrich.ontology.paths import path_pattern
from enrich.ontology.profiles import PropertyProfile
from enrich.ontology.terms import values_block
from enrich.runs.existing_answers import ExistingAnswers
from enrich.runs.reviews import Reviews
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
    """Stream the records that lack at least one of these properties (all of the profile's when empty), once each.

    With `rough` each fact graph is looked at by itself, three times as fast: a record whose values stand in
    another graph than its type comes too, as if it lacked them. That is enough where records are read next.

    Memory is eight bytes for each record with a gap. Raises ProfileError when the store holds something and
    the facts hold no record at all.
    """
    chosen = [p for p in reader.profile.properties if not properties or p.name in properties]
    found = _by_property(reader, chosen) if reader.store.paged else _at_once(reader, chosen, rough=rough)
    previous, seen = None, Seen()
    for row in found:
        if row.record != previous and seen.add(row.record):
            yield row
        previous = row.record
    if previous is None:
        reader.expect_records()


def _at_once(reader: Reader, chosen: Sequence[PropertyProfile], *, rough: bool) -> Iterator[GapRow]:
    """One unordered pass over all properties, for a store that streams: neither OFFSET nor a sort.

    OPTIONAL with an unbound test is used rather than NOT EXISTS, which some stores evaluate anew for every
    record. A record that two graphs type comes twice.
    """
    found = {p.name: _ways(reader, p, f"v{number}") for number, p in enumerate(chosen)}
    optionals = " ".join(f"OPTIONAL {{ {way} }}" for ways in found.values() for way in ways.values())
    unbound = " || ".join(f"({' && '.join(f'!BOUND({v})' for v in ways)})" for ways in found.values())
    variables = " ".join(variable for ways in found.values() for variable in ways)
    owners = [name for name, ways in found.items() for _ in ways]
    pattern = f"{reader.is_record} {PAGE_TOKEN}\n{optionals} FILTER({unbound})"
    apart = reader.graphs and DEFAULT_GRAPH not in reader.graphs and not reader.profile.record_graphs
    if rough and apart:
        graphs = values_block(["g"], ([graph] for graph in reader.graphs))
        query = f"SELECT ?record {variables} WHERE {{ {graphs} GRAPH ?g {{ {pattern} }} }}"
    else:
        query = f"SELECT ?record {variables} {reader.dataset} WHERE {{ {pattern} }}"
    for record, *values in reader.store.select_by_key(query, "record"):
        if isinstance(record, NamedNode):
            stated = {name for name, value in zip(owners, values, strict=True) if value is not None}
            yield GapRow(record, tuple(p.name for p in chosen if p.name not in stated))


def _by_property(reader: Reader, chosen: Sequence[PropertyProfile]) -> Iterator[GapRow]:
    """A query for each property, merged by record, for a server that is asked page by page.

    Its pages are in the order of the records. Virtuoso refuses to look for several properties at once: its
    estimate of the cost is their product.
    """

    def lacking(prop: PropertyProfile) -> Iterator[tuple[str, str]]:
        query = (
            f"SELECT DISTINCT ?record {reader.dataset} WHERE {{ {reader.is_record} {PAGE_TOKEN}\n"
            f"{' '.join(f'FILTER NOT EXISTS {{ {way} }}' for way in _ways(reader, prop, 'v').values())} }}"
        )
        for (record,) in reader.store.select_by_key(query, "record"):
            if isinstance(record, NamedNode):
                yield record.value, prop.name

    merged = merge(*map(lacking, chosen), key=itemgetter(0))
    for record, rows in groupby(merged, key=itemgetter(0)):
        yield GapRow(NamedNode(record), tuple(dict.fromkeys(name for _, name in rows)))


def _ways(reader: Reader, prop: PropertyProfile, name: str) -> dict[str, str]:
    """By variable a pattern that binds it: the values of the property that are in a class, and what is stated
    otherwise. A record that matches one of them has no gap."""
    value = f"?{name}"
    ways = {value: f"{values_pattern(prop, value)} {reader.value_filter(prop, value)}"}
    for number, path in enumerate(prop.stated):
        ways[f"{value}_s{number}"] = path_pattern("?record", path, f"{value}_s{number}")
    return ways


def filled(reader: Reader, gaps: Iterable[tuple[NamedNode, str]]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Of some gaps, by record and property, those that the facts have filled, with the classes that they state."""
    records: dict[str, dict[NamedNode, None]] = {}
    for record, name in gaps:
        records.setdefault(name, {})[record] = None
    return {
        (record, prop.name): classes
        for prop in reader.profile.properties
        if prop.name in records
        for record, classes in reader.stated(list(records[prop.name]), prop).items()
    }


def count_gaps(workspace: Workspace, model_digest: str | None = None) -> GapReport:
    """Count the gaps of every property of the profile, and how many are open.

    A gap is open unless a curator accepted a value or a current answer, which no curator has turned down, names it:
    of any model, or of the one of this digest. (Whether the inputs changed since is only known once a record is read.)
    """
    reader = workspace.reader
    answers = ExistingAnswers(workspace.store, workspace.names, model_digest)
    reviews = Reviews.read(workspace.store, workspace.names, workspace.profile.many_valued)
    missing = {p.name: 0 for p in workspace.profile.properties}
    still_open = dict(missing)
    rows = scan(reader)
    while batch := list(islice(rows, _BATCH)):
        answered = answers.of([row.record for row in batch])
        for row in batch:
            for name in row.missing:
                missing[name] += 1
                gap = (row.record.value, name)
                rejected = reviews.rejected(*gap)
                turned_down = any(answer.value in rejected for answer in answered.get(gap, ()))
                still_open[name] += not reviews.settled(*gap) and (gap not in answered or turned_down)
    counts = {name: GapCount(missing[name], still_open[name]) for name in missing}
    return GapReport(reader.count(), counts)
