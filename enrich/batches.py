"""One batch of records: read, predicted, decided, and said in RDF that conforms to the shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from pyoxigraph import NamedNode, Quad

from classifiers.data import Record
from classifiers.model import Answer, Model
from enrich.answers import Answers
from enrich.decision import Decision, decide
from enrich.errors import EnrichError, ModelError, ValidationError
from enrich.media.prefetch import prefetch
from enrich.provenance import RunContext, Said, answer_quads, input_digest
from enrich.records import Subject
from enrich.reviews import Reviews
from enrich.validation import shapes
from ontology.terms import ENR

if TYPE_CHECKING:
    from enrich.media.pictures import PictureSource
    from enrich.workspace import Workspace

_SYSTEMATIC = 8
"""A batch of at least this many records that all fail is the model's fault, not the records'."""


@dataclass(frozen=True, slots=True)
class Question:
    """The open gaps of one record, and the earlier answers that new ones supersede."""

    subject: Subject
    properties: tuple[str, ...]
    supersedes: Mapping[str, tuple[NamedNode, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answered:
    """What was decided about one gap, and what each modality alone said."""

    subject: Subject
    property: str
    decision: Decision
    said: Mapping[str, Said] = field(default_factory=dict)
    supersedes: tuple[NamedNode, ...] = ()


class Batcher:
    """Answers batches of one run. Holds no state between batches but what it was made with."""

    def __init__(
        self,
        workspace: Workspace,
        model: Model,
        properties: Sequence[str],
        answers: Answers,
        reviews: Reviews,
        pictures: PictureSource | None = None,
    ) -> None:
        self.workspace = workspace
        self.model = model
        self.properties = tuple(properties)
        self.answers = answers
        self.reviews = reviews
        self.pictures = pictures

    def questions(self, records: Sequence[NamedNode], *, again: bool = False) -> list[Question]:
        """Read the records and keep the gaps that are open: not settled by a curator, and not answered
        by this model on the same inputs (all the same when `again`)."""
        subjects = self.workspace.reader.read(list(dict.fromkeys(records)))
        earlier = self.answers.current([s.iri for s in subjects])
        found = []
        for subject in subjects:
            open_, supersedes = [], {}
            for name in self.properties if subject.problem else subject.missing:
                if name not in self.properties or self.reviews.settled(subject.iri.value, name):
                    continue
                before = earlier.get((subject.iri.value, name), [])
                digest = input_digest(subject.record, name)
                same = any(
                    self.answers.own(a) or (self.answers.by_model(a) and a.digest == digest) for a in before
                )
                if same and not again:
                    continue
                open_.append(name)
                supersedes[name] = tuple(a.prediction for a in before if not self.answers.own(a))
            if open_:
                found.append(Question(subject, tuple(open_), supersedes))
        return found

    def answer(self, questions: Sequence[Question]) -> list[Answered]:
        """Predict and decide; a record that breaks a classifier is answered as failed.

        Raises ModelError when every record of a batch breaks it.
        """
        questions = self._with_pictures(questions)
        sound = [q for q in questions if q.subject.problem is None]
        outcomes = dict(
            zip(
                (q.subject.iri.value for q in sound),
                self._predict([q.subject.record for q in sound]),
                strict=True,
            )
        )
        broken = [o for o in outcomes.values() if isinstance(o, str)]
        if len(broken) == len(sound) >= _SYSTEMATIC:
            raise ModelError(f"the model failed on all {len(sound)} records of a batch: {broken[0]}")
        found = []
        for question in questions:
            outcome = outcomes.get(question.subject.iri.value)
            for name in question.properties:
                older = question.supersedes.get(name, ())
                if outcome is None:
                    decision = Decision.failed(ENR.UnreadableRecord, question.subject.problem or "not read")
                    found.append(Answered(question.subject, name, decision, {}, older))
                elif isinstance(outcome, str):
                    decision = Decision.failed(ENR.ClassifierFailure, outcome)
                    found.append(Answered(question.subject, name, decision, {}, older))
                else:
                    answers, row = outcome
                    found.append(self._decided(question.subject, name, answers[name], row, older))
        return found

    def _with_pictures(self, questions: Sequence[Question]) -> Sequence[Question]:
        """The questions with their pictures fetched, when a classifier looks at pictures."""
        if self.pictures is None or "image" not in self.model.members:
            return questions
        fetched = prefetch((q.subject for q in questions), self.pictures)
        return [replace(q, subject=subject) for q, subject in zip(questions, fetched, strict=True)]

    def _predict(self, records: Sequence[Record]) -> list[tuple[Mapping[str, Answer], int] | str]:
        """For each record its answers and its row in them, or what went wrong.

        A batch that raises is halved until the record that raises is alone.
        """
        if not records:
            return []
        try:
            answers = self.model.predict(records)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a model's library raises costs that record only
            if len(records) == 1:
                return [f"{type(error).__name__}: {error}"]
            half = len(records) // 2
            return self._predict(records[:half]) + self._predict(records[half:])
        return [(answers, row) for row in range(len(records))]

    def _decided(
        self, subject: Subject, name: str, answer: Answer, row: int, older: tuple[NamedNode, ...]
    ) -> Answered:
        settings = self.workspace.settings.decision
        decision = decide(
            answer,
            row,
            settings.thresholds.get(name, self.model.thresholds[name]),
            rejected=self.reviews.rejected(subject.iri.value, name),
            most=settings.candidates,
        )
        said = {}
        for modality, alone in answer.by.items():
            if alone.present[row]:
                best = int(np.argmax(alone.probabilities[row]))
                said[modality] = Said(alone.classes[best], float(alone.probabilities[row, best]))
        return Answered(subject, name, decision, said, older)

    def quads(
        self, context: RunContext, shard: NamedNode, answered: Sequence[Answered]
    ) -> tuple[list[Quad], Counter[str]]:
        """The quads of a shard, and the number of answers by outcome (`Predicted`, …).

        An answer that cannot be said, or does not conform to the shapes, becomes a failure that can.
        Raises ValidationError when even that does not conform.
        """
        quads: list[Quad] = []
        counts: Counter[str] = Counter()
        for item in answered:
            said, outcome = self._said(context, shard, item)
            quads += said
            counts[outcome.value.removeprefix(str(ENR))] += 1
        return list(dict.fromkeys(quads)), counts

    def _said(self, context: RunContext, shard: NamedNode, item: Answered) -> tuple[list[Quad], NamedNode]:
        prop = self.workspace.profile.property(item.property)
        problem = ""
        for decision in (item.decision, None):
            tried = decision or Decision.failed(ENR.ClassifierFailure, f"could not be written: {problem}")
            said = item.said if decision else {}
            try:
                quads = answer_quads(context, shard, item.subject, prop, tried, said, item.supersedes)
            except (ValueError, EnrichError) as error:
                problem = str(error)
                continue
            if not self.workspace.settings.run.validate_shapes:
                return quads, tried.outcome
            wrong = shapes().problems(quads)
            if not wrong:
                return quads, tried.outcome
            problem = f"{wrong[0].focus}: {'; '.join(wrong[0].messages)}"
        raise ValidationError(
            f"the answer about {item.subject.iri.value} ({item.property}) does not conform: {problem}"
        )
