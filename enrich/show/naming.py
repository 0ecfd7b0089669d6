"""Names for IRIs in an answer: the record's own, the labels of values, and what is short of all else."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice

from pyoxigraph import Literal, NamedNode

from enrich.graph.labels import class_names, labels, record_names
from enrich.graph.stores.base import Row, Term
from enrich.ontology.terms import ENR, XSD
from enrich.show.answers import Answer
from enrich.workspace import Workspace

BATCH = 500
_NUMBERS: Mapping[NamedNode, Callable[[str], float | int]] = {
    **dict.fromkeys((XSD.integer, XSD.int, XSD.long, XSD.nonNegativeInteger), int),
    **dict.fromkeys((XSD.decimal, XSD.double, XSD.float), float),
}
ADDED = {"record": "recordName", "value": "valueLabel", "value1": "valueLabel1", "value2": "valueLabel2"}
"""The columns that get a name, and what the name's column is called."""


def with_names(workspace: Workspace, answer: Answer) -> Answer:
    """The answer with a name after each record and value; without such columns as it is."""
    places = [n for n, variable in enumerate(answer.variables) if variable in ADDED]
    if not places:
        return answer
    variables: list[str] = []
    for number, variable in enumerate(answer.variables):
        variables += [variable, ADDED[variable]] if number in places else [variable]
    return Answer(tuple(variables), _named(workspace, answer, places))


def _named(workspace: Workspace, answer: Answer, places: list[int]) -> Iterator[Row]:
    """Rows as they come, some hundred at a time."""
    rows = iter(answer.rows)
    of_values: dict[str, str | None] = {}  # kept: values come again and again, records hardly
    while batch := list(islice(rows, BATCH)):
        of_records: dict[str, str] = {}
        for place in places:
            iris = [iri for row in batch if isinstance(iri := row[place], NamedNode)]
            if answer.variables[place] == "record":
                of_records = record_names(workspace.reader, iris)
            else:
                new = [iri.value for iri in iris if iri.value not in of_values]
                of_values |= dict.fromkeys(new) | labels(workspace.store, new)
        for row in batch:
            told: list[Term | None] = []
            for number, term in enumerate(row):
                told.append(term)
                if number in places:
                    names = of_records if answer.variables[number] == "record" else of_values
                    name = names.get(term.value) if term is not None else None
                    told.append(None if name is None else Literal(name))
            yield tuple(told)


def cells(workspace: Workspace, variables: Sequence[str], rows: Sequence[Row]) -> list[list[object]]:
    """The terms as a person reads them: names for IRIs, numbers as such."""
    iris = {term for row in rows for term in row if isinstance(term, NamedNode)}
    records = [n for n, variable in enumerate(variables) if variable == "record"]
    named = record_names(workspace.reader, iris & {row[n] for row in rows for n in records})
    names = short_names(workspace, (iri.value for iri in iris if iri.value not in named)) | named
    return [[_cell(term, names) for term in row] for row in rows]


def short_names(workspace: Workspace, iris: Iterable[str]) -> dict[str, str]:
    """A name for every IRI: short ids of runs and models, the last part of a term of our own, else a label or a short
    form."""
    base, own = re.escape(workspace.names.base), re.escape(str(ENR))
    ours = re.compile(f"{base}run/[^/]*-([^/-]+)|{base}model/([0-9a-f]{{12}})[0-9a-f]*|{own}(.+)")
    wanted = list(iris)
    found = {iri: next(filter(None, match.groups())) for iri in wanted if (match := ours.fullmatch(iri))}
    others = (iri for iri in wanted if iri not in found)
    return found | class_names(workspace.store, others, workspace.profile.prefixes)


def number_of(term: Term | None) -> int | float | None:
    """The number that a literal is; None for all else, and for one that is spelled as none (`"ca. 1850"^^xsd:integer`)."""
    if isinstance(term, Literal) and term.datatype in _NUMBERS:
        with suppress(ValueError):
            return _NUMBERS[term.datatype](term.value)
    return None


def _cell(term: Term | None, names: Mapping[str, str]) -> object:
    number = number_of(term)
    return number if number is not None or term is None else names.get(term.value, term.value)
