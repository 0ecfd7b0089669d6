"""What was predicted as plain statements in the museum's own terms, and as a table with names: what a museum takes
into its own system."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import IO, Any

from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, parse, serialize

from enrich.classifiers import libraries
from enrich.errors import InputError
from enrich.graph.files import suffix_of, write_csv, writing
from enrich.graph.labels import labels, record_names
from enrich.graph.records import Seen
from enrich.graph.stores.base import Term
from enrich.ontology.terms import CRM, ENR, PREFIXES, values_block
from enrich.runs.export.answers import BATCH, Choice, PlainReport, Predicted, answers_of, with_put_in
from enrich.runs.export.run_graphs import check_state
from enrich.runs.provenance import object_of
from enrich.workspace import Workspace

FORMATS: dict[str, RdfFormat | str] = {
    ".nt": RdfFormat.N_TRIPLES,
    ".ttl": RdfFormat.TURTLE,
    ".jsonld": RdfFormat.JSON_LD,
    ".csv": "csv",
    ".parquet": "parquet",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One predicted value, as a row of a table. `subject` is the node that it is said of: the record, or its production."""

    record: str
    record_name: str
    property: str
    subject: str
    predicate: str
    value: str
    value_label: str
    language: str
    datatype: str
    confidence: float | None
    state: str
    run: str


def export_plain(workspace: Workspace, choice: Choice, target: Path) -> PlainReport:
    """Write current answers, and what curators accepted of runs that are not, to `target` (`-`: N-Triples on standard
    output), in the format that its name says.

    Left out are answers that a curator rejected, and those whose gap the facts have filled since. InputError for a name
    that says no format, and for a property that the profile does not have; RunError for a run that is not active, unless what was
    accepted of it is asked for.
    """
    _check(workspace, choice)
    form = _format(target)
    report = PlainReport(target)
    answers = answers_of(workspace, choice, report)
    arrow = libraries.parquet() if form == "parquet" else None
    with writing(target) as file:
        if form == "csv":
            write_csv(file, [f.name for f in fields(Line)], map(astuple, _lines(workspace, answers, report)))
        elif arrow is not None:
            _write_parquet(arrow, _lines(workspace, answers, report), file)
        elif isinstance(form, RdfFormat):
            prefixes = {**PREFIXES, **workspace.profile.prefixes} if form == RdfFormat.TURTLE else None
            serialize(_statements(workspace, answers, report), file, format=form, prefixes=prefixes)
    return report


def lines(workspace: Workspace, choice: Choice) -> Iterator[Line]:
    """The same as rows of a table."""
    _check(workspace, choice)
    report = PlainReport(Path("-"))
    return _lines(workspace, answers_of(workspace, choice, report), report)


def statements(workspace: Workspace, predicted: Iterable[Predicted]) -> Iterator[Quad]:
    """What the facts would say were these current answers true. What a curator turned down says nothing; what was put in
    stands in its place."""
    answers = (p for p in predicted if p.state != "Rejected")
    report = PlainReport(Path("-"))
    batches = iter(lambda: list(islice(answers, BATCH)), [])
    return _statements(workspace, (with_put_in(workspace, batch, report) for batch in batches), report)


def _check(workspace: Workspace, choice: Choice) -> None:
    known = [prop.name for prop in workspace.profile.properties]
    for name in choice.properties:
        if name not in known:
            raise InputError(f"the profile has no property {name!r}; it has: {', '.join(known)}")
    if choice.run is not None:  # what was accepted outlives its run
        wanted = None if choice.accepted else (ENR.Active,)
        check_state(workspace.store, workspace.names, choice.run, wanted, "none of its answers is current")


def _format(target: Path) -> RdfFormat | str:
    if str(target) == "-":
        return RdfFormat.N_TRIPLES
    found = FORMATS.get(suffix_of(target))
    if found is None:
        raise InputError(
            f"{target}: its name says no format for plain statements; end it in {', '.join(FORMATS)}, or one with .gz"
        )
    return found


_Triple = tuple[NamedNode, NamedNode, Term]
_InShard = tuple[NamedNode, NamedNode]


def _told(workspace: Workspace, batch: list[Predicted]) -> dict[NamedNode, list[_Triple]]:
    """What each prediction would have the graph say: the statement first, then what is said of nodes of ours in it."""
    reviewed = {a.prediction: _triples(a.states) for a in batch if a.states}
    batch = [a for a in batch if not a.states]
    if not batch:
        return reviewed
    query = (
        f"SELECT ?p ?g ?to ?predicate ?assigned WHERE {{ {values_block(['p'], ([a.prediction] for a in batch))} "
        f"GRAPH ?g {{ ?p {CRM.P140_assigned_attribute_to} ?to ; {CRM.P177_assigned_property_of_type} ?predicate ; "
        f"{CRM.P141_assigned} ?assigned }} }}"
    )
    first: dict[NamedNode, tuple[NamedNode, _Triple]] = {}
    for p, graph, to, predicate, assigned in workspace.store.select(query):
        if (
            isinstance(p, NamedNode)
            and isinstance(graph, NamedNode)
            and isinstance(to, NamedNode)
            and isinstance(predicate, NamedNode)
            and assigned is not None
        ):
            first[p] = graph, (to, predicate, assigned)
    named = ((graph, node) for graph, (to, _, assigned) in first.values() for node in (to, assigned))
    around = _around(workspace, {(graph, node) for graph, node in named if workspace.names.stands_in(node)})
    told = {p: _with_nodes(triple, graph, around) for p, (graph, triple) in first.items()}
    in_place = {
        a.prediction: _in_place(workspace, a, told[a.prediction]) for a in batch if a.prediction in told
    }
    return in_place | reviewed


def _triples(text: str) -> list[_Triple]:
    """Statements as N-Triples spell them, in their order."""
    quads = parse(text, RdfFormat.N_TRIPLES, lenient=True)
    return [(q.subject, q.predicate, q.object) for q in quads if isinstance(q.subject, NamedNode)]


def _around(workspace: Workspace, nodes: Collection[_InShard]) -> dict[_InShard, list[_Triple]]:
    """What shards say of nodes of ours and how a record leads to them; the same of the nodes of ours on that way."""
    names = workspace.names
    found: dict[_InShard, list[_Triple]] = {}
    while nodes:
        found |= {at: [] for at in nodes}
        further: set[_InShard] = set()
        for place, variable in ((0, "s"), (2, "o")):
            block = values_block([variable], ([node] for node in dict.fromkeys(node for _, node in nodes)))
            query = f"SELECT ?g ?s ?p ?o WHERE {{ {block} GRAPH ?g {{ ?s ?p ?o }} }}"
            for graph, s, p, o in workspace.store.select(query):
                node = (s, p, o)[place]
                if (
                    isinstance(graph, NamedNode)
                    and isinstance(s, NamedNode)
                    and isinstance(p, NamedNode)
                    and isinstance(node, NamedNode)
                    and o is not None
                    and (graph, node) in nodes
                    and (names.stands_in(s) or not names.owns(s))
                ):
                    found[graph, node].append((s, p, o))
                    further |= {(graph, each) for each in (s, o) if names.stands_in(each)}
        nodes = further - found.keys()
    return found


def _with_nodes(first: _Triple, graph: NamedNode, around: Mapping[_InShard, list[_Triple]]) -> list[_Triple]:
    """A statement, and all that is said around the nodes of ours that it leads to."""
    told, pending = {first: None}, [first]
    while pending:
        subject, _, term = pending.pop(0)
        led = (
            triple
            for node in (subject, term)
            if isinstance(node, NamedNode)
            for triple in around.get((graph, node), ())
        )
        new = [triple for triple in dict.fromkeys(led) if triple not in told]
        told |= dict.fromkeys(new)
        pending += new
    return list(told)


def _in_place(workspace: Workspace, answer: Predicted, triples: list[_Triple]) -> list[_Triple]:
    """The same, told of the value that a curator put in, and of the node of ours that stands for it (a time-span)."""
    prop = next((p for p in workspace.profile.properties if p.name == answer.property), None)
    if prop is None or answer.value == answer.predicted:
        return triples
    (subject, predicate, term), *rest = triples
    old = subject if prop.predicate.inverse else term
    new, come = object_of(workspace.names, str(answer.prediction), prop, str(answer.value))
    told: list[tuple[object, object, object]] = [
        (new, predicate, term) if prop.predicate.inverse else (subject, predicate, new)
    ]
    gone: set[Term] = {old} if workspace.names.stands_in(old) else set()
    for triple in rest:  # what is said of a node comes after what leads to it
        if triple[0] not in gone:
            told.append(triple)
        elif workspace.names.stands_in(triple[2]):
            gone.add(triple[2])
    return _triples("".join(f"{s} {p} {o} .\n" for s, p, o in (*told, *come)))


def _statements(
    workspace: Workspace, batches: Iterable[list[Predicted]], report: PlainReport
) -> Iterator[Quad]:
    """Each statement once: the values of a property, and of others, share the node that carries them."""
    seen = Seen()
    for batch in batches:
        told = _told(workspace, batch)
        for answer in batch:
            report.values += answer.prediction in told
            for triple in told.get(answer.prediction, ()):
                if seen.add_text(" ".join(map(str, triple))):
                    report.statements += 1
                    yield Quad(*triple)


def _lines(workspace: Workspace, batches: Iterable[list[Predicted]], report: PlainReport) -> Iterator[Line]:
    for batch in batches:
        told = _told(workspace, batch)
        names = record_names(workspace.reader, [a.record for a in batch])
        called = labels(workspace.store, {a.value.value for a in batch if isinstance(a.value, NamedNode)})
        for answer in (a for a in batch if a.prediction in told):
            report.values += 1
            report.statements += 1
            subject, predicate, _ = told[answer.prediction][0]
            value = answer.value
            literal = value if isinstance(value, Literal) else None
            yield Line(
                answer.record.value,
                names.get(answer.record.value, ""),
                answer.property,
                subject.value,
                predicate.value,
                value.value,
                called.get(value.value, "") if literal is None else value.value,
                (literal.language or "") if literal is not None else "",
                literal.datatype.value if literal is not None and not literal.language else "",
                None if answer.state == "Corrected" else answer.confidence,
                answer.state,
                answer.run,
            )


def _write_parquet(arrow: Any, lines: Iterable[Line], file: IO[bytes]) -> None:
    pa, parquet = arrow
    schema = pa.schema(
        [(f.name, pa.float64() if f.name == "confidence" else pa.string()) for f in fields(Line)]
    )
    rows = iter(lines)
    with parquet.ParquetWriter(file, schema) as writer:
        while batch := list(islice(rows, 20 * BATCH)):
            columns = zip(*map(astuple, batch), strict=True)
            writer.write_table(
                pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema)
            )
