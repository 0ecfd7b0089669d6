"""Looks up what has been answered already: which gaps, by which run and model, on which inputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pyoxigraph import Literal, NamedNode

from enrich.errors import QueryRefused, ResultTruncated
from enrich.graph.stores.base import Store
from ontology.terms import CRM, ENR, PROV, Names, values_block


@dataclass(frozen=True, slots=True)
class Answer:
    """An earlier answer to a gap. A property with many values may have several with the same digest.

    `seen` is the digest of what was seen of the record's pictures, where some of them may come later.
    """

    prediction: NamedNode
    run: NamedNode
    digest: str
    outcome: NamedNode
    seen: str | None = None


class Answers:
    """The answers that count: those of active runs, of one run still open when it is named, and of others
    (`also`) that are open and sure to become active.

    The state of all runs is read once, when this is made. A graph that no run names (written by a process
    that died before it could) does not count.
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
        query = (
            f"SELECT ?run ?state ?model WHERE {{ GRAPH {names.runs} {{ "
            f"?run {ENR.runState} ?state . OPTIONAL {{ ?run {PROV.used} ?model }} }} }}"
        )
        wanted = names.model(model_digest) if model_digest else None
        active: set[str] = set()
        by_model: set[str] = set()
        for run, state, model in store.select(query):
            if isinstance(run, NamedNode) and (state == ENR.Active or run == own_run or run in also):
                active.add(run.value)
                if wanted is None or model == wanted:
                    by_model.add(run.value)
        self._counting: Collection[str] = active
        self._own = own_run
        self._by_model: Collection[str] = by_model

    def current(self, records: Sequence[NamedNode]) -> dict[tuple[str, str], list[Answer]]:
        """The current answers to these records' gaps, by (record, property name), of any model."""
        if not records or not self._counting:
            return {}
        try:
            rows = list(self.store.select(self._query(records)))
        except (QueryRefused, ResultTruncated):
            if len(records) == 1:
                raise
            half = len(records) // 2
            return self.current(records[:half]) | self.current(records[half:])
        counted = [row for row in rows if isinstance(row[3], NamedNode) and row[3].value in self._counting]
        superseded = {row[7].value for row in counted if isinstance(row[7], NamedNode)}
        found: dict[tuple[str, str], dict[str, Answer]] = {}
        for record, prediction, name, run, digest, outcome, seen, _ in counted:
            if (
                isinstance(record, NamedNode)
                and isinstance(prediction, NamedNode)
                and isinstance(name, Literal)
                and isinstance(run, NamedNode)
                and isinstance(digest, Literal)
                and isinstance(outcome, NamedNode)
                and prediction.value not in superseded
            ):
                answers = found.setdefault((record.value, name.value), {})
                saw = seen.value if isinstance(seen, Literal) else None
                answers[prediction.value] = Answer(prediction, run, digest.value, outcome, saw)
        return {key: [answers[p] for p in sorted(answers)] for key, answers in found.items()}

    def of(self, records: Sequence[NamedNode]) -> dict[tuple[str, str], list[Answer]]:
        """The same, of the wanted model only."""
        found = self.current(records)
        kept = {k: [a for a in answers if self.by_model(a)] for k, answers in found.items()}
        return {k: answers for k, answers in kept.items() if answers}

    def by_model(self, answer: Answer) -> bool:
        """Whether the wanted model gave this answer."""
        return answer.run.value in self._by_model

    def own(self, answer: Answer) -> bool:
        """Whether the answer is of the open run that asks."""
        return answer.run == self._own

    def _query(self, records: Sequence[NamedNode]) -> str:
        values = values_block(["record"], ([record] for record in records))
        return (
            "SELECT ?record ?p ?name ?run ?digest ?outcome ?seen ?older WHERE { "
            f"{values} GRAPH ?g {{ ?p {ENR.about} ?record ; {ENR.propertyName} ?name ; "
            f"{CRM.P9i_forms_part_of} ?run ; {ENR.inputDigest} ?digest ; {ENR.outcome} ?outcome . "
            f"OPTIONAL {{ ?p {ENR.seenDigest} ?seen }} OPTIONAL {{ ?p {ENR.supersedes} ?older }} }} "
            f"FILTER EXISTS {{ GRAPH {self.names.runs} {{ ?run {ENR.graph} ?g }} }} }}"
        )
