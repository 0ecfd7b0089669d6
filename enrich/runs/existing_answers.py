"""Looks up what has been answered already: which gaps, by which run and model, on which inputs."""

from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyoxigraph import Literal, NamedNode

from enrich.classifiers.digest import short_digest
from enrich.graph.records import halved
from enrich.graph.stores.base import JOINED_AS_WRITTEN, PAGE_TOKEN, Row, Store
from enrich.ontology.terms import CRM, ENR, PROV, Names, class_name, values_block


@dataclass(frozen=True, slots=True)
class ExistingAnswer:
    """An earlier answer to a gap. A property with many values may have several with the same digest.

    `seen` is the digest of what was seen of the record's pictures, where some of them may come later.
    """

    prediction: NamedNode
    run: NamedNode
    digest: str
    seen: str | None = None
    value: str | None = None
    """The value asserted, as models call it."""


@dataclass(frozen=True, slots=True)
class _CountedRun:
    """A run whose answers count: its place in the order of runs, and whether the wanted model made it."""

    rank: tuple[int, str]
    wanted: bool


class ExistingAnswers:
    """The answers that count: those of active runs, of one run still open when it is named, and of others
    (`also`) that are open and sure to become active.

    Of the answers to a gap, those of the run with the highest order are current. The state of all runs is
    read once, when this is made. A graph that no run names (written by a process that died before it could)
    does not count.
    """

    def __init__(
        self,
        store: Store,
        names: Names,
        model_digest: str | None = None,
        own_run: NamedNode | None = None,
        also: Collection[NamedNode] = (),
    ) -> None:
        self.store = store
        self.names = names
        self._own = own_run.value if own_run else ""
        self._own_rank: tuple[int, str] | None = None
        wanted = names.model(model_digest) if model_digest else None
        self._runs: dict[str, _CountedRun] = {}
        for run, said in _said_of_runs(store, names).items():
            order = said.get(ENR.order)
            rank = (int(order.value) if isinstance(order, Literal) else 0, run.value)
            if run == own_run:
                self._own_rank = rank
            if said.get(ENR.runState) == ENR.Active or run == own_run or run in also:
                self._runs[run.value] = _CountedRun(rank, wanted is None or said.get(PROV.used) == wanted)

    def current(self, records: Sequence[NamedNode]) -> dict[tuple[str, str], list[ExistingAnswer]]:
        """The current answers to these records' gaps, by (record, property name), of any model."""
        return self._newest(records, lambda _: True)

    def others(self, records: Sequence[NamedNode]) -> dict[tuple[str, str], list[ExistingAnswer]]:
        """What would be current without the run that asks."""
        return self._newest(records, lambda answer: not self.own(answer))

    def _newest(
        self, records: Sequence[NamedNode], wanted: Callable[[ExistingAnswer], bool]
    ) -> dict[tuple[str, str], list[ExistingAnswer]]:
        found: dict[tuple[str, str], dict[str, ExistingAnswer]] = {}
        for record, name, answer in self._about(records):
            if not wanted(answer):
                continue
            answers = found.setdefault((record, name), {})
            newest = next(iter(answers.values()), answer)
            if self._rank(answer) > self._rank(newest):
                answers.clear()
            if self._rank(answer) >= self._rank(newest):
                answers[answer.prediction.value] = answer
        return {key: [answers[p] for p in sorted(answers)] for key, answers in found.items()}

    def _about(self, records: Sequence[NamedNode]) -> list[tuple[str, str, ExistingAnswer]]:
        """All answers that count about some records."""
        if not records or not self._runs:
            return []

        def rows(some: Sequence[NamedNode]) -> list[Row]:
            query = (
                "SELECT ?record ?p ?name ?run ?digest ?seen ?value WHERE { "
                f"{values_block(['record'], ([record] for record in some))} "
                f"GRAPH ?g {{ ?p {ENR.about} ?record ; {ENR.propertyName} ?name ; "
                f"{CRM.P9i_forms_part_of} ?run ; {ENR.inputDigest} ?digest . "
                f"OPTIONAL {{ ?p {ENR.seenDigest} ?seen }} OPTIONAL {{ ?p {ENR.answers} ?value }} }} "
                f"FILTER EXISTS {{ GRAPH {self.names.runs} {{ ?run {ENR.graph} ?g }} }} }}"
            )
            return list(self.store.select(query))

        told = (row for part in halved(records, rows) for row in part)
        return [found for row in told if (found := self._counted(row)) is not None]

    def of(self, records: Sequence[NamedNode]) -> dict[tuple[str, str], list[ExistingAnswer]]:
        """The same, of the wanted model only."""
        found = self.current(records)
        kept = {k: [a for a in answers if self.by_model(a)] for k, answers in found.items()}
        return {k: answers for k, answers in kept.items() if answers}

    def all(self) -> Iterator[tuple[str, str, str, bool]]:
        """Stream every answer that counts, current or not: record, property name, run, and whether it awaits pictures.

        From the register to the shards: that costs a third of what it takes to look each answer's run up.
        """
        if not self._runs:
            return
        query = (
            f"{JOINED_AS_WRITTEN}SELECT ?p ?record ?name ?run ?seen WHERE {{ GRAPH {self.names.runs} {{ ?run {ENR.graph} ?g }} "
            f"{PAGE_TOKEN}\n GRAPH ?g {{ ?p {ENR.about} ?record ; {ENR.propertyName} ?name . "
            f"OPTIONAL {{ ?p {ENR.seenDigest} ?seen }} }} }}"
        )
        for _, record, name, run, seen in self.store.select_by_key(query, "p"):
            if (
                isinstance(record, NamedNode)
                and isinstance(name, Literal)
                and isinstance(run, NamedNode)
                and run.value in self._runs
            ):
                yield record.value, name.value, run.value, seen is not None

    def ranked(self) -> dict[str, tuple[int, bool, bool]]:
        """Of each run whose answers count: its place in the order of runs, whether it closes gaps whatever the inputs
        are now, and whether the wanted model made it."""
        ordered = sorted(self._runs.items(), key=lambda item: item[1].rank)
        return {
            run: (place, self._closes_always(run), counted.wanted)
            for place, (run, counted) in enumerate(ordered)
        }

    def closes(self, answer: ExistingAnswer, digest: str) -> bool:
        """Whether a current answer closes its gap to the run that asks, on inputs of this digest.

        It does when it is the run's own, of a newer run, or of the same model on the same inputs and awaits
        no pictures.
        """
        return self._closes_always(answer.run.value) or (answer.seen is None and self.same(answer, digest))

    def same(self, answer: ExistingAnswer, digest: str) -> bool:
        """Whether the wanted model gave this answer on inputs of this digest."""
        return self.by_model(answer) and answer.digest == digest

    def _closes_always(self, run: str) -> bool:
        """Whether a current answer of this run closes its gap whatever the inputs are now."""
        return run == self._own or (self._own_rank is not None and self._runs[run].rank > self._own_rank)

    def by_model(self, answer: ExistingAnswer) -> bool:
        """Whether the wanted model gave this answer."""
        return self._runs[answer.run.value].wanted

    def own(self, answer: ExistingAnswer) -> bool:
        """Whether the answer is of the open run that asks."""
        return answer.run.value == self._own

    def _rank(self, answer: ExistingAnswer) -> tuple[int, str]:
        return self._runs[answer.run.value].rank

    def _counted(self, row: Row) -> tuple[str, str, ExistingAnswer] | None:
        record, prediction, name, run, digest, seen, value = row
        if (
            isinstance(record, NamedNode)
            and isinstance(prediction, NamedNode)
            and isinstance(name, Literal)
            and isinstance(run, NamedNode)
            and isinstance(digest, Literal)
            and run.value in self._runs
        ):
            saw = seen.value if isinstance(seen, Literal) else None
            told = class_name(value) if isinstance(value, NamedNode | Literal) else None
            return record.value, name.value, ExistingAnswer(prediction, run, digest.value, saw, told)
        return None


ABSENT, CLOSED, TO_COMPARE = 0, 1, 2
"""A gap that has no current answer of use; one that is closed; one whose inputs have to be compared."""


class AnsweredGaps:
    """What is known of every answered gap, without reading its record, in 20 bytes a gap.

    Of 10⁷ gaps two being taken for one is 3 in 10⁶ likely.
    """

    def __init__(self, answers: ExistingAnswers, changed: Collection[str] | None = None) -> None:
        """`changed` are the records that may have changed since all answers of the model were compared; None says
        that any may have."""
        ranked = answers.ranked()
        keys, states = array("Q"), array("Q")
        for record, name, run, awaits in answers.all():
            place, closes, wanted = ranked[run]
            if closes:
                state = CLOSED
            elif wanted:
                same = changed is not None and not awaits and record not in changed
                state = CLOSED if same else TO_COMPARE
            else:
                state = ABSENT
            keys.append(_key(record, name))
            states.append(place * 4 + state)
        order = np.lexsort((np.frombuffer(states, np.uint64), np.frombuffer(keys, np.uint64)))
        ordered = np.frombuffer(keys, np.uint64)[order]
        last = np.append(ordered[1:] != ordered[:-1], True) if len(ordered) else np.empty(0, bool)
        self._keys: NDArray[np.uint64] = ordered[last]
        self._states = (np.frombuffer(states, np.uint64)[order][last] % np.uint64(4)).astype(np.uint8)

    def __len__(self) -> int:
        return len(self._keys)

    def state(self, record: NamedNode, name: str) -> int:
        """ABSENT, CLOSED or TO_COMPARE."""
        key = np.uint64(_key(record.value, name))
        position = int(np.searchsorted(self._keys, key))
        if position == len(self._keys) or self._keys[position] != key:
            return ABSENT
        return int(self._states[position])


def _key(record: str, name: str) -> int:
    return short_digest(f"{record} {name}")


def _said_of_runs(store: Store, names: Names) -> dict[NamedNode, dict[object, object]]:
    """The state, model and order of every run. One pattern: Virtuoso expects joins with OPTIONAL to take for ever."""
    wanted = values_block(["p"], ([p] for p in (ENR.runState, PROV.used, ENR.order)))
    query = f"SELECT ?run ?p ?o WHERE {{ {wanted} GRAPH {names.runs} {{ ?run ?p ?o }} {PAGE_TOKEN}\n}}"
    found: dict[NamedNode, dict[object, object]] = {}
    for run, predicate, value in store.select_by_key(query, "run"):
        if isinstance(run, NamedNode):
            found.setdefault(run, {})[predicate] = value
    return found
