"""Reviews by spreadsheet: current predictions out as CSV with empty columns to fill in, and decisions back."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TextIO

from pyoxigraph import Literal, NamedNode

from enrich.errors import InputError
from enrich.graph.dates import DateMap
from enrich.graph.files import write_csv, writing
from enrich.graph.literals import LiteralMap
from enrich.graph.reading import Reader
from enrich.graph.record_files import open_text
from enrich.graph.stores.base import Term as StoreTerm
from enrich.ontology.terms import ENR, RDFS, SKOS, OntologyError, Term, class_term, is_iri, named_node
from enrich.runs.reviewing import OBJECTIONS, Judgement
from enrich.show.named import run_named
from enrich.show.naming import with_names
from enrich.workspace import Workspace

TOLD = ("record", "recordName", "property", "value", "valueLabel", "confidence", "state", "prediction")
ASKED = ("decision", "right_value", "objection", "note")
"""The columns that a curator fills in."""
WORDS = {
    "a": "Accepted", "accept": "Accepted", "accepted": "Accepted",
    "x": "Rejected", "reject": "Rejected", "rejected": "Rejected",
    "c": "Corrected", "correct": "Corrected", "corrected": "Corrected",
    "?": "Undecided", "undecided": "Undecided",
}  # fmt: skip
"""What a curator may write as a decision."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A line of a table that is no judgement, and why."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Judged(Judgement):
    """The judgement of a line."""

    line: int = 0


def write_table(workspace: Workspace, target: Path, given: Mapping[str, Term]) -> int:
    """Write current predictions as CSV; returns their number, and leaves the file as it is where there are none.
    `given` are parameters of the query `predictions`."""
    answer = with_names(workspace, run_named(workspace, "predictions", given))
    places = [answer.variables.index(name) for name in TOLD]
    told = (["" if (term := row[place]) is None else _word(term) for place in places] for row in answer.rows)
    first = next(told, None)
    if first is None:
        return 0
    with writing(target) as file:
        return write_csv(file, [*TOLD, *ASKED], ([*row, *[""] * len(ASKED)] for row in chain([first], told)))


def _word(term: StoreTerm) -> str:
    return term.value.removeprefix(str(ENR))


def read_table(workspace: Workspace, source: Path) -> tuple[list[Judged], list[Unread]]:
    """The judgements of a table, by comma, semicolon or tab; lines without a decision say nothing, and of two that judge
    one prediction the second is unread.

    A right value is an IRI, a literal as N-Triples spell it, or what one value of the property is called in the facts or
    a vocabulary. Raises InputError for a table without the columns `prediction` and `decision`.
    """
    with open_text(source) as file:
        lines = list(_rows(source, file))
    decided = [(number, row) for number, row in lines if row.get("decision", "").strip()]
    values = _Values(workspace, filter(None, (row.get("right_value", "").strip() for _, row in decided)))
    found: dict[NamedNode, Judged] = {}
    unread: list[Unread] = []
    for number, row in decided:
        try:
            judged = _judgement(values, number, row)
        except (InputError, OntologyError) as error:
            unread.append(Unread(number, str(error)))
            continue
        first = found.setdefault(judged.prediction, judged)
        if first is not judged:
            unread.append(Unread(number, f"line {first.line} judges this prediction already"))
    return list(found.values()), unread


def _rows(source: Path, file: TextIO) -> Iterator[tuple[int, dict[str, str]]]:
    head = file.readline()
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(chain([head], file), delimiter=delimiter)
    lacking = [name for name in ("prediction", "decision") if name not in (reader.fieldnames or ())]
    if lacking:
        raise InputError(
            f"{source} has no column {lacking[0]!r}; write such a table with: enrich review export FILE"
        )
    for row in reader:
        yield reader.line_num, {name: value or "" for name, value in row.items() if isinstance(name, str)}


def _judgement(values: _Values, line: int, row: Mapping[str, str]) -> Judged:
    word, right = row["decision"].strip(), row.get("right_value", "").strip()
    decision = WORDS.get(word.lower())
    if decision is None:
        raise InputError(f"{word!r} is no decision: write accept, reject, correct or undecided")
    if right and decision != "Corrected":
        raise InputError(f"a right value goes with the decision correct, not with {word}")
    if decision == "Corrected" and not right:
        raise InputError("a correction names the right value")
    objection = "".join(part.capitalize() for part in row.get("objection", "").split()) or None
    if objection is not None:
        objection = next((o for o in OBJECTIONS if o.lower() == objection.lower()), objection)
    value = values.value(right, row.get("property", "")) if right else None
    prediction = named_node(row["prediction"].strip())
    note = row.get("note", "").strip() or None
    return Judged(prediction, decision, value, objection, note, line=line)


def _spelt(text: str) -> bool:
    """Whether a right value is spelt as a term rather than called by its name."""
    return text.startswith('"') or is_iri(text)


class _Values:
    """Finds the values that a table calls by these names."""

    def __init__(self, workspace: Workspace, names: Iterable[str]) -> None:
        self._workspace = workspace
        self._called = _values_called(workspace, sorted(name for name in set(names) if not _spelt(name)))
        self._written: dict[str, dict[str, Term]] = {}

    def value(self, text: str, name: str) -> Term:
        """The value of a property that a text spells or calls. Raises InputError where it is none, or one of several."""
        if _spelt(text):
            return class_term(text)
        if name not in self._written:
            self._written[name] = _written(self._workspace.reader, name)
        if (written := self._written[name].get(text)) is not None:
            return written
        classes = self._workspace.reader.classes.get(name)
        if isinstance(classes, DateMap) and (date := classes.named(Literal(text))):
            return class_term(date)
        found = [v for v in self._called.get(text, ()) if classes is None or classes.of_term(v) is not None]
        if len(found) != 1:
            many = ", ".join(v.value for v in found[:3])
            raise InputError(
                f"{len(found)} values are called {text!r}: {many}"
                if found
                else f"no value is called {text!r}"
            )
        return found[0]


def _written(reader: Reader, name: str) -> dict[str, Term]:
    """By its text, the way in which an answer says each value that is a literal or a date; a text of the facts, too."""
    classes = reader.classes.get(name)
    if not isinstance(classes, LiteralMap):
        return {}
    prop = reader.profile.property(name)
    raw = reader.raw_values(prop)
    spelt = {} if isinstance(classes, DateMap) else classes.spellings(raw)
    of = {v.value: c for v in raw if (c := classes.of_term(v))}
    terms = {c: class_term(spelt.get(c, c)) for c in (*prop.class_names, *of.values())}
    return {text: terms[c] for text, c in of.items()} | {term.value: term for term in terms.values()}


def _values_called(workspace: Workspace, names: Sequence[str]) -> dict[str, list[NamedNode]]:
    """What has one of these names, in any language."""
    if not names:
        return {}
    among = ", ".join(str(Literal(name)) for name in names)
    path = f"{SKOS.prefLabel}|{RDFS.label}"
    query = (
        f"SELECT DISTINCT ?v ?label WHERE {{ {{ GRAPH ?g {{ ?v {path} ?label }} }} UNION {{ ?v {path} ?label }} "
        f"FILTER(STR(?label) IN ({among})) }}"
    )
    found: dict[str, list[NamedNode]] = {}
    for value, label in workspace.store.select(query):
        if isinstance(value, NamedNode) and isinstance(label, Literal):
            values = found.setdefault(label.value, [])
            if value not in values:
                values.append(value)
    return found
