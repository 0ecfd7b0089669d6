"""The answer of a query, and the standard formats that it is written in, row by row."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

from pyoxigraph import BlankNode, NamedNode

from enrich.errors import InputError
from enrich.graph.stores.base import Row, Term

FORMATS = ("csv", "tsv", "json", "xml", "nt")
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
