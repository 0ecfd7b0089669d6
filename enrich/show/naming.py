"""Names beside IRIs in an answer: the record's own, and the labels of values."""

from collections.abc import Iterator
from itertools import islice

from pyoxigraph import Literal, NamedNode

from enrich.graph.labels import labels, record_names
from enrich.graph.stores.base import Row, Term
from enrich.show.querying import Answer
from enrich.workspace import Workspace

BATCH = 500
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
    while batch := list(islice(rows, BATCH)):
        names: dict[str, dict[str, str]] = {}
        for place in places:
            variable = answer.variables[place]
            iris = [iri for row in batch if isinstance(iri := row[place], NamedNode)]
            if variable == "record":
                names[variable] = record_names(workspace.reader, iris)
            else:
                names[variable] = labels(workspace.store, (iri.value for iri in iris))
        for row in batch:
            told: list[Term | None] = []
            for number, term in enumerate(row):
                told.append(term)
                if number in places:
                    name = names[answer.variables[number]].get(term.value) if term is not None else None
                    told.append(None if name is None else Literal(name))
            yield tuple(told)
