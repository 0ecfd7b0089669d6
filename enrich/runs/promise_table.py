"""Promised beside observed, in rows: by model and property, and by regime, band of confidence or museum besides.

A promise is of all answers above the threshold, and those just above it are right less often: so a band is held against
its own confidence, every other row against what was promised.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from enrich.classifiers.base import Progress, no_progress
from enrich.runs.observed import Estimate, Judged, Stratum, Verdict, estimate
from enrich.runs.reviews import Review

By = Literal["model", "property", "regime", "band", "museum"]
LEVELS: tuple[By, ...] = ("model", "property", "regime", "band", "museum")


class AnswerGroup(NamedTuple):
    """What answers are told apart by."""

    model: str
    property: str
    regime: str
    band: float
    museum: str


@dataclass(slots=True)
class Size:
    """How many answers there are, the sum of their confidences, and of what is promised of so many of them."""

    answers: int = 0
    confidence: float = 0.0
    promised: float = 0.0
    of: int = 0

    def add(self, answers: int, confidence: float, promised: float, of: int) -> None:
        """Count more."""
        self.answers += answers
        self.confidence += confidence
        self.promised += promised
        self.of += of


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """One answer that was judged, and how it came before the curator."""

    group: AnswerGroup
    right: bool
    random: bool
    probability: float | None = None


@dataclass
class Measured:
    """The answers there are, what was judged of them, in order, and how many reviews do not measure, and why."""

    sizes: dict[AnswerGroup, Size] = field(default_factory=dict)
    judged: list[JudgedAnswer] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def size(self, group: AnswerGroup) -> Size:
        """The answers of a kind, none yet where there are none."""
        return self.sizes.setdefault(group, Size())


@dataclass(frozen=True, slots=True)
class Row:
    """Some answers: what was promised of them (None for nothing), how sure they are on average, and what is observed.

    `holds_from` is the least confidence from which on what was promised is observed, where all together do not keep it;
    None where there is no such. `regime`, `band` and `museum` are None for any.
    """

    model: str
    property: str | None
    regime: str | None
    band: float | None
    museum: str | None
    promised: float | None
    confidence: float
    claimed: float | None
    """What it is held against."""
    observed: Estimate
    verdict: Verdict
    holds_from: float | None = None


Key = tuple[str, str | None, str | None, float | None, str | None]


def table(
    measured: Measured,
    by: By = "property",
    *,
    model: str | None = None,
    name: str | None = None,
    museum: str | None = None,
    progress: Progress = no_progress,
) -> list[Row]:
    """The rows of a level, all or those of a model, a property or a museum; in the order of their names."""

    def wanted(group: AnswerGroup) -> bool:
        return (
            model in (None, group.model) and name in (None, group.property) and museum in (None, group.museum)
        )

    def key(group: AnswerGroup) -> Key:
        return (
            group.model,
            None if by == "model" else group.property,
            group.regime if by == "regime" else None,
            group.band if by == "band" else None,
            group.museum if by == "museum" else museum,
        )

    sizes: dict[Key, dict[AnswerGroup, Size]] = defaultdict(dict)
    for group, size in measured.sizes.items():
        if size.answers and wanted(group):
            sizes[key(group)][group] = size
    judged: dict[Key, list[JudgedAnswer]] = defaultdict(list)
    for answer in measured.judged:
        if wanted(answer.group):
            judged[key(answer.group)].append(answer)
    rows = []
    for done, (found, own) in enumerate(sizes.items()):
        progress("measuring", done, len(sizes))
        rows.append(_row(found, own, judged[found]))
    return sorted(
        rows, key=lambda r: (r.model, r.property or "", r.museum or "", r.regime or "", -(r.band or 0.0))
    )


def _row(key: Key, sizes: Mapping[AnswerGroup, Size], judged: Sequence[JudgedAnswer]) -> Row:
    answers = sum(size.answers for size in sizes.values())
    of = sum(size.of for size in sizes.values())
    promised = sum(size.promised for size in sizes.values()) / of if of else None
    confidence = sum(size.confidence for size in sizes.values()) / answers
    found = _observed(sizes, judged)
    claimed = promised if key[3] is None else confidence
    verdict = found.verdict(claimed)
    holds = None
    if verdict == "not kept" and promised is not None and key[3] is None:
        holds = _holds_from(sizes, judged, promised)
    return Row(*key, promised, confidence, claimed, found, verdict, holds)


def _observed(
    sizes: Mapping[AnswerGroup, Size], judged: Iterable[JudgedAnswer], least: float = 0.0
) -> Estimate:
    """What is observed of the answers in the bands from `least` on; no share of them where it speaks for too few."""
    counted: Counter[Stratum] = Counter()
    for group, size in sizes.items():
        if group.band >= least:
            counted[group.property, group.band] += size.answers
    found = estimate(
        counted,
        [
            Judged((a.group.property, a.group.band), a.right, a.random, a.probability)
            for a in judged
            if a.group.band >= least
        ],
    )
    return found if found.spoken_for else replace(found, right=None, low=0.0, high=1.0)


def _holds_from(
    sizes: Mapping[AnswerGroup, Size], judged: Sequence[JudgedAnswer], promised: float
) -> float | None:
    """The lower end of the last band down to which what was promised is observed."""
    found = None
    for end in sorted({group.band for group in sizes}, reverse=True):
        right = _observed(sizes, judged, end).right
        if right is not None and right < promised:
            break
        found = end if right is not None else found
    return found


def to_take_back(rows: Iterable[Row]) -> list[Row]:
    """The rows that do not keep the promise and are a part of runs by themselves: of a property, in a museum or in all."""
    return [r for r in rows if r.verdict == "not kept" and r.property and r.regime is None and r.band is None]


class First(NamedTuple):
    """The judgement of a value that measures: when it came before the first who judged it and how, and what they hold of
    it in the end."""

    review: Review
    final: Review


def first_judgements(reviews: Iterable[Review]) -> list[First]:
    """Of each predicted value the judgement that measures, in the order in which they were made; reviews come as they
    were made, without those taken back.

    Of several curators the first counts, for the others may have seen what was decided; of one curator the last word,
    for a slip of the hand is none of the model's. What was put in where nothing was predicted judges nothing.
    """
    first: dict[tuple[str, str, str], First] = {}
    for review in reviews:
        judged = review.instead if review.decision == "Corrected" else review.value
        if judged is None:
            continue
        known = first.get(key := (*review.gap, judged))
        if known is None:
            first[key] = First(review, review)
        elif known.review.curator == review.curator:
            first[key] = First(known.review, review)
    return list(first.values())
