"""Why a model gave an answer: each modality's say in it, and what each modality went by.

What is slow to import is imported for the member that needs it. Contributions are signed: above zero
they speak for the class, below zero against it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from classifiers.base import Classifier, ClassifierError, Distribution
from classifiers.data import Picture, Record
from classifiers.fusion.table import log_odds
from classifiers.model.model import Answer, Model

if TYPE_CHECKING:
    from classifiers.explain.saliency import Saliency
    from classifiers.tfidf.classifier import TfidfClassifier

Unit = Literal["log-odds", "score", "share"]
"""Log-odds as the trees add them, the linear machine's score, or a share of all that mattered."""


@dataclass(frozen=True)
class Contribution:
    """What one thing added. `value` is the feature's value where it has one, and `there` whether the
    record has it: that a value is missing can matter too."""

    name: str
    weight: float
    value: str | None = None
    there: bool = True


@dataclass(frozen=True)
class Looked:
    """A picture and where it speaks for the class, or the reason why that is not known."""

    picture: Picture
    saliency: Saliency | None
    reason: str | None = None


@dataclass(frozen=True)
class MemberExplanation:
    """What one modality went by; `absent` says why it went by nothing. `probability` is its own answer."""

    modality: str
    classifier: str
    probability: float | None = None
    unit: Unit = "log-odds"
    contributions: tuple[Contribution, ...] = ()
    pictures: tuple[Looked, ...] = ()
    absent: str | None = None


@dataclass(frozen=True)
class Explanation:
    """Why the model gives a class this probability. `fusion` is each voice's say, the largest first."""

    property: str
    value: str
    probability: float | None
    fusion: tuple[Contribution, ...]
    members: tuple[MemberExplanation, ...] = field(default=())


def explain(
    model: Model,
    record: Record,
    wanted: Sequence[tuple[str, str]],
    *,
    most: int = 10,
    pictures: int = 3,
) -> list[Explanation]:
    """Explain some (property, class) of one record; pictures must have been fetched.

    At most `most` contributions of each kind and `pictures` saliency maps are given. Raises
    ClassifierError for a property or class that the model does not know.
    """
    answers = model.predict([record])
    return [_explanation(model, record, answers, name, value, most, pictures) for name, value in wanted]


def _explanation(
    model: Model,
    record: Record,
    answers: Mapping[str, Answer],
    name: str,
    value: str,
    most: int,
    pictures: int,
) -> Explanation:
    index = model.property(name).index()
    if value not in index:
        raise ClassifierError(f"the model knows no class {value!r} of {name}")
    k = index[value]
    answer = answers[name]
    members = []
    for modality, member in model.members.items():
        said = answer.by[modality]
        if not said.present[0]:
            why = answer.reasons.get(modality, {}).get(0) or _why_absent(modality, record)
            members.append(MemberExplanation(modality, member.classifier.name, absent=why))
            continue
        explained = explain_member(member.classifier, record, name, value, most=most, pictures=pictures)
        members.append(replace(explained, probability=float(said.probabilities[0, k])))
    fused = answer.fused
    probability = float(fused.probabilities[0, k]) if fused.present[0] else None
    return Explanation(name, value, probability, fusion_say(model, record, answers, name, k), tuple(members))


def _why_absent(modality: str, record: Record) -> str:
    if modality == "image":
        reasons = dict.fromkeys(p.failure for p in record.pictures if p.failure)
        return "; ".join(reasons) or "the record has no picture that it can look at"
    if modality == "text":
        return "no text with a word that it knows" if record.texts else "the record has no text"
    return "no value that it knows"


def fusion_say(
    model: Model, record: Record, answers: Mapping[str, Answer], name: str, k: int
) -> tuple[Contribution, ...]:
    """Each voice's say in the fused answer, in log-odds, the largest first.

    The late fusion's own shares (SHAP); of another fusion with several members, by how much the log-odds
    would fall without the modality.
    """
    by = {m: {p: a.by[m] for p, a in answers.items()} for m in model.members}
    if not answers[name].fused.present[0]:
        return ()
    if hasattr(model.fuser, "contributions"):
        own = model.fuser.contributions(record, by, name, k)
        return tuple(Contribution(voice, weight) for voice, weight in own if abs(weight) > 1e-6)
    if len(by) < 2:
        return ()
    whole = _odds(model, record, by, name, k)
    found = []
    for modality in by:
        silent = {p.name: Distribution.absent(p, 1) for p in model.properties}
        without = _odds(model, record, {**by, modality: silent}, name, k)
        if np.isfinite(without):
            found.append(Contribution(modality, whole - without))
    return tuple(sorted(found, key=lambda c: -abs(c.weight)))


def _odds(
    model: Model, record: Record, by: Mapping[str, Mapping[str, Distribution]], name: str, k: int
) -> float:
    return float(log_odds(model.fuser.predict([record], by)[name].probabilities, True)[0, k])


def explain_member(
    classifier: Classifier, record: Record, name: str, value: str, *, most: int = 10, pictures: int = 3
) -> MemberExplanation:
    """What a classifier went by when it spoke for a class; nothing for one that cannot be asked."""
    modality, kind = classifier.modality, classifier.name
    own: Any = classifier
    if kind == "tfidf":
        words = word_contributions(own, record, name, value)
        return MemberExplanation(modality, kind, unit="score", contributions=words[:most])
    if kind == "text":
        from classifiers.explain.saliency import words as words_of

        found = words_of(own, record, name, value, most=most).words
        told = tuple(Contribution(w.word, w.weight) for w in found)
        return MemberExplanation(modality, kind, unit="share", contributions=told)
    if modality == "image" and hasattr(own, "network"):
        return MemberExplanation(
            modality, kind, unit="share", pictures=_looked(own, record, name, value, pictures)
        )
    if hasattr(own, "contributions"):
        index = next(p for p in own.properties if p.name == name).index()[value]
        told = tuple(_feature(record, *said) for said in own.contributions(record, name, index)[:most])
        return MemberExplanation(modality, kind, contributions=told)
    return MemberExplanation(modality, kind)


def _feature(record: Record, feature: str, weight: float) -> Contribution:
    """`museum = IRI` as its name, its value, and whether the record has it."""
    name, equals, value = feature.partition(" = ")
    if not equals:
        return Contribution(feature, weight)
    has = value in (*record.known.get(name, ()), *record.context.get(name, ()))
    return Contribution(name, weight, value, has)


def _looked(classifier: Any, record: Record, name: str, value: str, most: int) -> tuple[Looked, ...]:
    from classifiers.explain.saliency import saliency

    found = []
    for picture in [p for p in record.pictures if p.path is not None][:most]:
        assert picture.path is not None
        try:
            found.append(Looked(picture, saliency(classifier, picture.path, name, value)))
        except ClassifierError as error:
            found.append(Looked(picture, None, str(error)))
    return tuple(found)


_WORD = re.compile(r"\w\w+")


def word_contributions(
    classifier: TfidfClassifier, record: Record, name: str, value: str
) -> tuple[Contribution, ...]:
    """What each word added to the linear machine's score of a class, the largest first.

    A pair of words, or a group of letters that several words share, counts in equal parts for each.
    """
    index = next(p for p in classifier.properties if p.name == name).index()[value]
    words, holders = _words_of(record)
    found: dict[str, float] = defaultdict(float)
    for term, weight in classifier.contributions(record, name, index):
        kind, _, letters = term.partition(": ")
        shared = _with_letters(letters, holders) if kind == "letters" else letters.split(" ")
        known = [w for w in shared if w in words]
        for word in known:
            found[word] += weight / len(known)
    told = [Contribution(words[word], weight) for word, weight in found.items()]
    return tuple(sorted(told, key=lambda c: (-abs(c.weight), c.name)))


def _words_of(record: Record) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Lower-case words as they are written first, and the words within each run of non-blanks."""
    words: dict[str, str] = {}
    holders: dict[str, list[str]] = {}
    for text in record.texts:
        for run in text.value.split():
            found = _WORD.findall(run)
            for word in found:
                words.setdefault(word.lower(), word)
            holders.setdefault(run.lower(), [word.lower() for word in found])
    return words, holders


def _with_letters(letters: str, holders: Mapping[str, Sequence[str]]) -> list[str]:
    """The words whose run of letters, with a blank on either side, holds this group."""
    runs = [words for run, words in holders.items() if letters in f" {run} "]
    inside = {w for words in runs for w in words if letters.strip() in w}
    return sorted(inside or {w for words in runs for w in words})
