"""Run a query file, read-only, and write an answer in a standard format as it streams."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from enrich.errors import InputError, ProfileError, QueryRefused
from enrich.graph.stores.base import Row, Term
from enrich.ontology.checked import nearest
from enrich.ontology.queries import parse_query, query_names
from enrich.ontology.sparql import clauses, services, words
from enrich.ontology.terms import OntologyError
from enrich.ontology.terms import Term as Given
from enrich.workspace import Workspace

FORMATS = ("csv", "tsv", "json", "xml", "nt")
_UPDATES = frozenset(["INSERT", "DELETE", "LOAD", "CLEAR", "CREATE", "DROP", "COPY", "MOVE", "ADD", "WITH"])
_XSD_STRING = "http://www.w3.org/2001/XMLSchema#string"


@dataclass(frozen=True)
class Answer:
    """What a query answered: `rows` under `variables`, or, of an ASK, one truth value."""

    variables: tuple[str, ...]
    rows: Iterable[Row]
    truth: bool | None = None
    triples: bool = False

    def write(self, target: TextIO, format_name: str) -> None:
        """Write the answer, row by row. Formats are those of FORMATS.

        csv, tsv, json and xml follow the W3C's SPARQL 1.1 results formats, with lines that end in LF;
        nt (N-Triples) is for the triples of a CONSTRUCT.
        """
        if format_name not in FORMATS:
            raise InputError(f"no format {format_name!r}; there are: {', '.join(FORMATS)}")
        if format_name == "nt" and not self.triples:
            raise InputError(
                "N-Triples are for a CONSTRUCT; a SELECT or ASK is written as csv, tsv, json or xml"
            )
        if self.truth is not None:
            target.write(_truth(self.truth, format_name))
        else:
            _WRITERS[format_name](self.variables, self.rows, target)


def run_file(workspace: Workspace, path: Path, terms: Mapping[str, Given] | None = None) -> Answer:
    """The answer of a SPARQL 1.1 query file (see `run_text`)."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        known = ", ".join(query_names())
        raise InputError(f"no query and no file is called {str(path)!r}; queries: {known}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return run_text(workspace, text, str(path), terms)


def run_text(workspace: Workspace, text: str, where: str, terms: Mapping[str, Given] | None = None) -> Answer:
    """The answer of a SPARQL 1.1 query, called `where` in what is wrong with it, `$name` bound to the term of that name.
    Raises InputError for anything but SELECT, ASK and CONSTRUCT, and for a term that the query does not ask for.

    What a query without FROM and GRAPH asks, it asks of the museum's facts, in whatever graphs they are.
    A SERVICE that the settings do not allow is refused; nothing is executed to find it.
    """
    if not text.strip():
        raise InputError(f"{where} is empty; it should hold a SELECT, an ASK or a CONSTRUCT")
    text = _bound(text, where, terms or {})
    form = _checked_form(text, where, workspace.settings.store.services)
    text = _of_the_facts(text, workspace)
    store = workspace.store
    try:
        if form == "ASK":
            return Answer((), (), truth=store.ask(text))
        if form == "SELECT":
            rows = store.select(text)
            return Answer(rows.variables, rows)
        triples = _triples(store.construct(text))
        return Answer(("subject", "predicate", "object"), triples, triples=True)
    except QueryRefused as error:
        raise InputError(f"{where} is not a SPARQL 1.1 query that the store answers: {error}") from error


def _bound(text: str, where: str, terms: Mapping[str, Given]) -> str:
    """The query with the terms for some of its `$name` variables; the others stay variables."""
    query = parse_query(where, text)
    for name in terms:
        if name not in (*query.parameters, *query.options):
            raise InputError(f"{where} has no ${name} to set{nearest(name, query.parameters)}")
    given = tuple(name for name in query.parameters if name in terms)
    return replace(query, parameters=given).bind(**terms)


def _checked_form(text: str, where: str, allowed: Sequence[str]) -> str:
    """SELECT, ASK, CONSTRUCT or DESCRIBE. Raises InputError for an update, and for a SERVICE not allowed."""
    form = clauses(text).form
    if form in _UPDATES:
        raise InputError(f"{where} is an update; enrich query only reads (SELECT, ASK, CONSTRUCT)")
    if form not in ("SELECT", "ASK", "CONSTRUCT", "DESCRIBE"):
        raise InputError(f"{where} is not a SPARQL 1.1 query; it begins with SELECT, ASK or CONSTRUCT")
    for endpoint in services(text):
        if endpoint is None or endpoint not in allowed:
            asked = f"<{endpoint}>" if endpoint else "a server that is not written as <IRI>"
            raise InputError(
                f"{where} would ask another server (SERVICE): {asked}; add its address to store.services in "
                "enrich.toml to allow it"
            )
    return form


def _of_the_facts(text: str, workspace: Workspace) -> str:
    """The query over the union of the facts, when it says neither FROM nor GRAPH."""
    if words(text) & {"FROM", "GRAPH"}:
        return text
    try:
        dataset = workspace.reader.dataset
    except (OntologyError, ProfileError):
        return text
    return clauses(text).text(datasets=dataset) if dataset else text


def _triples(quads: Iterable[Quad]) -> Iterator[Row]:
    for quad in quads:
        yield _term(quad.subject), quad.predicate, _term(quad.object)


def _term(term: object) -> Term:
    if isinstance(term, NamedNode | BlankNode | Literal):
        return term
    raise InputError(f"a triple that holds a triple cannot be written: {str(term)[:200]}")


def _csv(variables: Sequence[str], rows: Iterable[Row], target: TextIO) -> None:
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(variables)
    for row in rows:
        writer.writerow(["" if term is None else _plain(term) for term in row])


def _plain(term: Term) -> str:
    return str(term) if isinstance(term, BlankNode) else term.value


def _tsv(variables: Sequence[str], rows: Iterable[Row], target: TextIO) -> None:
    target.write("\t".join(f"?{variable}" for variable in variables) + "\n")
    for row in rows:
        target.write("\t".join("" if term is None else str(term).replace("\t", "\\t") for term in row) + "\n")


def _json(variables: Sequence[str], rows: Iterable[Row], target: TextIO) -> None:
    target.write(f'{{"head": {{"vars": {json.dumps(list(variables))}}}, "results": {{"bindings": [')
    comma = ""
    for row in rows:
        bound = {
            name: _json_term(term) for name, term in zip(variables, row, strict=True) if term is not None
        }
        target.write(f"{comma}\n{json.dumps(bound, ensure_ascii=False)}")
        comma = ","
    target.write("\n]}}\n")


def _json_term(term: Term) -> dict[str, str]:
    if isinstance(term, NamedNode):
        return {"type": "uri", "value": term.value}
    if isinstance(term, BlankNode):
        return {"type": "bnode", "value": term.value}
    said = {"type": "literal", "value": term.value}
    if term.language:
        said["xml:lang"] = term.language
    elif term.datatype.value != _XSD_STRING:
        said["datatype"] = term.datatype.value
    return said


def _xml(variables: Sequence[str], rows: Iterable[Row], target: TextIO) -> None:
    target.write('<?xml version="1.0"?>\n<sparql xmlns="http://www.w3.org/2005/sparql-results#">\n<head>')
    target.write("".join(f"<variable name={quoteattr(v)}/>" for v in variables) + "</head>\n<results>\n")
    for row in rows:
        bindings = (
            f"<binding name={quoteattr(name)}>{_xml_term(term)}</binding>"
            for name, term in zip(variables, row, strict=True)
            if term is not None
        )
        target.write(f"<result>{''.join(bindings)}</result>\n")
    target.write("</results>\n</sparql>\n")


def _xml_term(term: Term) -> str:
    value = escape(_xml_safe(term.value), {"\r": "&#13;"})
    if isinstance(term, NamedNode):
        return f"<uri>{value}</uri>"
    if isinstance(term, BlankNode):
        return f"<bnode>{value}</bnode>"
    if term.language:
        return f"<literal xml:lang={quoteattr(term.language)}>{value}</literal>"
    if term.datatype.value != _XSD_STRING:
        return f"<literal datatype={quoteattr(term.datatype.value)}>{value}</literal>"
    return f"<literal>{value}</literal>"


def _xml_safe(text: str) -> str:
    """XML 1.0 §2.2 has no place for most control characters: they are written as U+FFFD."""
    return "".join(c if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff") else "\ufffd" for c in text)


def _nt(_variables: Sequence[str], rows: Iterable[Row], target: TextIO) -> None:
    for row in rows:
        target.write(" ".join(str(term) for term in row) + " .\n")


def _truth(truth: bool, format_name: str) -> str:
    word = "true" if truth else "false"
    if format_name == "json":
        return f'{{"head": {{}}, "boolean": {word}}}\n'
    if format_name == "xml":
        head = '<?xml version="1.0"?>\n<sparql xmlns="http://www.w3.org/2005/sparql-results#"><head/>'
        return f"{head}<boolean>{word}</boolean></sparql>\n"
    return word + "\n"


_WRITERS: Mapping[str, Callable[[Sequence[str], Iterable[Row], TextIO], None]] = {
    "csv": _csv,
    "tsv": _tsv,
    "json": _json,
    "xml": _xml,
    "nt": _nt,
}
