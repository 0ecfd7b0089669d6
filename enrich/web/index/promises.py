"""What the index and the reviews say of promises: the current answers by what they are told apart by, and which of them
were judged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from pyoxigraph import NamedNode

from enrich.graph.stores.base import PAGE_TOKEN, Store
from enrich.ontology.terms import CRM, ENR, Names
from enrich.runs.observed import band
from enrich.runs.part import TakenBack, taken_back
from enrich.runs.promise_table import AnswerGroup, First, JudgedAnswer, Measured, first_judgements
from enrich.runs.register import ACTIVE
from enrich.runs.reviews import in_force, read_reviews
from enrich.web.index.asked import UNKNOWN
from enrich.web.index.cells import Cells
from enrich.workspace import Workspace

RANDOM = "Random"
Where = Callable[[int], AnswerGroup | None]
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """A predicted value that was judged: `current` where it is among the answers that count."""

    group: AnswerGroup
    confidence: float
    promised: float | None
    run: str
    current: bool


def measured(workspace: Workspace, connection: sqlite3.Connection, cells: Cells) -> Measured:
    """The current answers, and what reviews say of them and of those that are gone.

    What was judged and then superseded still counts, with what its review keeps of it: else what was turned down, and
    answered anew, would be forgotten first. What was taken back promises nothing any more.
    """
    store, names = workspace.store, workspace.names
    found = Measured()
    where = _groups(cells)
    sums = (
        "SELECT cell, count(*), total(confidence), total(promised), count(promised) FROM answer GROUP BY cell"
    )
    for cell, *counted in connection.execute(sums):
        if cells.current[cell - 1] and (group := where(cell - 1)) is not None:
            found.size(group).add(*counted)
    judgements = first_judgements(in_force(read_reviews(store, names)))
    indexed = _indexed(connection, cells, where, {first.review.record for first in judgements})
    kept = _kept_by_reviews(store, names)
    parts, states = taken_back(store, names), {run.iri: run.state for run in cells.runs.values()}
    for first in judgements:
        there = indexed.get(first.review.prediction)
        answer = there or _gone(first, kept, connection, cells)
        if (why := _no_answer(answer, there is not None, parts, states)) is not None:
            found.left_out[why] += 1
        elif answer is not None:
            _count(found, first, answer)
    return found


def _groups(cells: Cells) -> Where:
    names = ("model", "property", "regime", "band", "museum", "outcome")
    columns = {name: cells.column(name) for name in names}
    predicted = cells.term_ids.get("Predicted", -1)

    def group(place: int) -> AnswerGroup | None:
        """What tells the answers of a cell apart; None where they assert nothing."""
        if columns["outcome"][place] != predicted:
            return None
        model, name, regime, end, museum = (cells.terms[int(columns[c][place])] for c in names[:-1])
        return AnswerGroup(model, name, regime, float(end), museum)

    return group


def _indexed(
    connection: sqlite3.Connection, cells: Cells, where: Where, records: Collection[str]
) -> dict[str, Kept]:
    """The predicted values of some records that the index has, by prediction."""
    found: dict[str, Kept] = {}
    runs, wanted = cells.column("run"), list(records)
    query = (
        "SELECT a.prediction, a.cell, a.confidence, a.promised FROM answer AS a JOIN record AS r ON r.id = a.record "
        "WHERE r.iri IN (SELECT value FROM json_each(?))"
    )
    for start in range(0, len(wanted), _AT_ONCE):
        some = json.dumps(wanted[start : start + _AT_ONCE])
        for prediction, cell, confidence, promised in connection.execute(query, (some,)):
            if (group := where(cell - 1)) is not None:
                run = cells.runs[int(runs[cell - 1])].iri
                found[prediction] = Kept(group, confidence, promised, run, bool(cells.current[cell - 1]))
    return found


def _kept_by_reviews(store: Store, names: Names) -> dict[str, dict[NamedNode, str]]:
    """What reviews keep of the predictions that they judge."""
    query = f"SELECT ?p ?is ?o WHERE {{ GRAPH {names.reviews} {{ ?p {CRM.P9i_forms_part_of} ?run ; ?is ?o }} {PAGE_TOKEN}\n }}"
    found: dict[str, dict[NamedNode, str]] = {}
    for prediction, predicate, value in store.select_by_key(query, "p"):
        if prediction is not None and isinstance(predicate, NamedNode) and value is not None:
            found.setdefault(prediction.value, {})[predicate] = value.value
    return found


def _gone(
    first: First,
    kept: Mapping[str, Mapping[NamedNode, str]],
    connection: sqlite3.Connection,
    cells: Cells,
) -> Kept | None:
    """A value that no run holds any more, as its review keeps it; None where it keeps nothing."""
    said = kept.get(first.review.prediction, {})
    run = cells.run_ids.get(said.get(CRM.P9i_forms_part_of, ""))
    if run is None or ENR.confidence not in said:
        return None
    query = "SELECT museum FROM record WHERE iri = ?"
    row = connection.execute(query, (first.review.record,)).fetchone()
    museum = cells.terms[row[0]] if row is not None else UNKNOWN
    confidence, promised = float(said[ENR.confidence]), said.get(ENR.promised)
    regime = said.get(ENR.regime, UNKNOWN).removeprefix(str(ENR))
    model = cells.terms[cells.runs[run].model]
    group = AnswerGroup(model, first.review.name, regime, band(confidence), museum)
    return Kept(
        group, confidence, None if promised is None else float(promised), cells.runs[run].iri, current=False
    )


def _no_answer(
    answer: Kept | None, indexed: bool, parts: Iterable[TakenBack], states: Mapping[str, str]
) -> str | None:
    """Why a value that was judged measures nothing, as it stands now; None where it does."""
    if answer is None:
        return "gone"
    if states.get(answer.run) != ACTIVE:
        return "retracted"
    group = answer.group
    held = (
        p.part.holds(group.property, answer.confidence, group.museum) for p in parts if p.run == answer.run
    )
    return "taken back" if not indexed and any(held) else None


def _count(found: Measured, first: First, answer: Kept) -> None:
    """Count a judgement, and its answer among those there are, unless it was not judged after all."""
    confidence, promised, of = answer.confidence, answer.promised or 0.0, int(answer.promised is not None)
    unseen, undecided = not first.review.shown, first.final.decision == "Undecided"
    if unseen or undecided:
        found.left_out["not shown" if unseen else "Undecided"] += 1
        if answer.current:
            found.size(answer.group).add(-1, -confidence, -promised, -of)
        return
    if not answer.current:
        found.size(answer.group).add(1, confidence, promised, of)
    drawn = first.review.drawn
    if drawn != RANDOM:
        found.left_out[drawn] += 1
    right = first.final.decision == "Accepted"
    found.judged.append(JudgedAnswer(answer.group, right, drawn == RANDOM, first.review.probability))
