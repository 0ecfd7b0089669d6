"""One batch of records: read, predicted, decided, and said in RDF that conforms to the shapes."""

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
from pyoxigraph import NamedNode

from enrich.answering.decision import Decision, decide
from enrich.classifiers.data import Record
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.prediction import Prediction
from enrich.errors import EnrichError, ModelError, ValidationError
from enrich.graph.records import Subject, input_digest, seen_digest
from enrich.media.pictures import PictureSource
from enrich.media.prefetch import prefetch
from enrich.ontology.terms import ENR, class_term
from enrich.runs.existing_answers import ExistingAnswers
from enrich.runs.provenance import MemberPrediction, RunContext, answer_triples
from enrich.runs.reviews import Reviews
from enrich.runs.validation import Triple, shapes
from enrich.workspace import Workspace

PIECE = 64
"""Records predicted at a time, while pictures of the next are fetched and answers before them are written."""
FIRST = 8
"""Records predicted first where pictures are looked at: those of the first pieces are waited for, and each piece is
half as large again as the one before, so that a network waits for few of them."""
_SYSTEMATIC = 8
"""A batch of at least this many records that all fail is the model's fault, not the records'."""


@dataclass(frozen=True, slots=True)
class Question:
    """The open gaps of one record.

    `seen` has the digest of what an earlier answer saw where it still awaits pictures: its gap is answered
    again only when something else is seen now.
    """

    subject: Subject
    properties: tuple[str, ...]
    seen: Mapping[str, str] = field(default_factory=dict)

    @property
    def only_awaits(self) -> bool:
        """Whether all its gaps have answers that await pictures."""
        return all(name in self.seen for name in self.properties)


@dataclass(frozen=True, slots=True)
class Answered:
    """What was decided about one gap, and what each modality alone held likeliest."""

    subject: Subject
    property: str
    decision: Decision
    members: Mapping[str, MemberPrediction] = field(default_factory=dict)


Outcome = tuple[Mapping[str, Prediction], int] | str
"""What a model said of a record and the record's row in it, or what went wrong."""


@dataclass(frozen=True, eq=False)
class Batcher:
    """Answers batches of one run. Holds no state between batches but what it was made with."""

    workspace: Workspace
    model: Model
    properties: Sequence[str]
    answers: ExistingAnswers
    reviews: Reviews
    pictures: PictureSource | None = None

    def questions(self, records: Sequence[NamedNode]) -> list[Question]:
        """Read the records and keep the gaps that are open: not settled by a curator, and not answered
        by a newer run, nor by this model on the same inputs, unless that answer awaits pictures. A record
        that is not in the facts has none."""
        subjects = self.workspace.reader.read(list(dict.fromkeys(records)))
        earlier = self.answers.current([s.iri for s in subjects])
        found = []
        for subject in subjects:
            if subject.absent:
                continue
            open_, seen = [], {}
            for name in self.properties if subject.problem else subject.missing:
                if name not in self.properties or self.reviews.settled(subject.iri.value, name):
                    continue
                before = earlier.get((subject.iri.value, name), [])
                digest = input_digest(subject.record, name, self.reviews.rejected(subject.iri.value, name))
                if any(self.answers.closes(a, digest) for a in before):
                    continue
                for answer in before:
                    if answer.seen is not None and self.answers.same(answer, digest):
                        seen[name] = answer.seen
                open_.append(name)
            if open_:
                found.append(Question(subject, tuple(open_), seen))
        return found

    def answer(self, questions: Sequence[Question]) -> Iterator[list[Answered]]:
        """Predict and decide, for some records at a time and in their order; a record that breaks a
        classifier is answered as failed, and one that still awaits the same pictures is passed over.
        While the caller is busy with some, the pictures of the next are fetched.

        Raises ModelError at the end when every record broke it: what was given until then is no answer.
        """
        asked, broken = 0, []
        size = PIECE if self._source is None else min(FIRST, PIECE)
        with closing(self._with_pictures(questions)) as pictured:
            while piece := list(islice(pictured, size)):
                size = min(PIECE, size + size // 2)
                sound = [q for q in piece if q.subject.problem is None]
                found = self._predict([q.subject.record for q in sound])
                outcomes = {q.subject.iri.value: o for q, o in zip(sound, found, strict=True)}
                asked += len(sound)
                broken += [o for o in outcomes.values() if isinstance(o, str)]
                yield [a for q in piece for a in self._answered(q, outcomes.get(q.subject.iri.value))]
        if len(broken) == asked >= _SYSTEMATIC:
            raise ModelError(f"the model failed on all {asked} records of a batch: {broken[0]}")

    @property
    def _source(self) -> PictureSource | None:
        """Where the pictures come from; None where none is looked at."""
        return self.pictures if "image" in self.model.members else None

    def _answered(self, question: Question, outcome: Outcome | None) -> Iterator[Answered]:
        """The answers to one record's gaps; `outcome` is None when the record could not be read."""
        for name in question.properties:
            if isinstance(outcome, tuple):
                answers, row = outcome
                yield self._decided(question.subject, name, answers[name], row)
                continue
            reason = ENR.UnreadableRecord if outcome is None else ENR.ClassifierFailure
            decision = Decision.failed(reason, outcome or question.subject.problem or "not read")
            yield Answered(question.subject, name, decision)

    def _with_pictures(self, questions: Sequence[Question]) -> Generator[Question]:
        """The questions with their pictures, fetched ahead when a classifier looks at pictures; without
        the gaps whose answers still await the same pictures."""
        source = self._source
        if source is None:
            yield from questions
            return
        fetched = prefetch((q.subject for q in questions), source)
        for question, subject in zip(questions, fetched, strict=True):
            seen = seen_digest(subject.record)
            changed = tuple(
                p for p in question.properties if p not in question.seen or question.seen[p] != seen
            )
            if changed:
                yield replace(question, subject=subject, properties=changed)

    def _predict(self, records: Sequence[Record]) -> list[Outcome]:
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

    def _decided(self, subject: Subject, name: str, answer: Prediction, row: int) -> Answered:
        settings = self.workspace.settings.decision
        decision = decide(
            answer,
            row,
            settings.thresholds.get(name),
            floor=settings.floors.get(name, 0.0),
            rejected=self._rejected(subject, name),
            most=settings.candidates,
        )
        members = {}
        for modality, alone in answer.by.items():
            if alone.present[row]:
                best = int(np.argmax(alone.probabilities[row]))
                members[modality] = MemberPrediction(
                    alone.classes[best], float(alone.probabilities[row, best])
                )
        return Answered(subject, name, decision, members)

    def _rejected(self, subject: Subject, name: str) -> frozenset[str]:
        """The classes that a curator rejected, however the rejected values were spelt."""
        values = self.reviews.rejected(subject.iri.value, name)
        classes = self.workspace.reader.classes
        return values | {c for v in values if (c := classes[name].of_term(class_term(v))) is not None}

    def describe(self, context: RunContext, answered: Sequence[Answered]) -> tuple[bytes, Counter[str]]:
        """The answers as N-Triples, each statement once, and their number by outcome (`Predicted`, …).

        An answer that cannot be said, or does not conform to the shapes, becomes a failure that can.
        Raises ValidationError when even that does not conform.
        """
        try:
            triples = [t for item in answered for t in self._triples(context, item)]
            sound = not self._problem(triples)
        except (ValueError, EnrichError):
            sound = False
        if not sound:  # the answer at fault is looked for
            answered = [self._sound(context, item) for item in answered]
            triples = [t for item in answered for t in self._triples(context, item)]
        lines = dict.fromkeys(f"{s} {p} {o} .\n" for s, p, o in triples)
        counts = Counter(item.decision.outcome.value.removeprefix(str(ENR)) for item in answered)
        return "".join(lines).encode(), counts

    def _triples(self, context: RunContext, item: Answered) -> list[Triple]:
        prop = self.workspace.profile.property(item.property)
        rejected = self.reviews.rejected(item.subject.iri.value, prop.name)
        return answer_triples(context, item.subject, prop, item.decision, item.members, rejected)

    def _problem(self, triples: Sequence[Triple]) -> str:
        """What does not conform to the shapes; empty when all does, or when the settings ask for no check."""
        wrong = shapes().problems(triples) if self.workspace.settings.run.validate_shapes else []
        return f"{wrong[0].focus}: {'; '.join(wrong[0].messages)}" if wrong else ""

    def _sound(self, context: RunContext, item: Answered) -> Answered:
        """The answer, or the failure that stands in for it."""
        tried = item
        for _ in range(2):
            try:
                problem = self._problem(self._triples(context, tried))
            except (ValueError, EnrichError) as error:
                problem = str(error)
            if not problem:
                return tried
            failed = Decision.failed(ENR.ClassifierFailure, f"could not be written: {problem}")
            tried = Answered(item.subject, item.property, failed)
        raise ValidationError(
            f"the answer about {item.subject.iri.value} ({item.property}) does not conform: {problem}"
        )
