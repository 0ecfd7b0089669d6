"""Whether reviews say of a promise what is true: a curator judges a made museum's answers, the uncertain ones first.

    python benchmarks/observed.py [--objects N] [--seeds N] [--cards N …] [--out FILE.json]

The model learns from the museum's train split, and answers the values of dev, hidden, as a run would. A fifth of the cards is
drawn at random, from a stratum (a property and a band of confidence) and then within it; the others are the least sure of what is
left, as `enrich web` draws them. After so many cards the share of all answers that is right is estimated with its interval of 95 %,
from the reviews alone, and compared with the truth, which is known; the mean of all judgements beside it, and the mean of those
drawn at random, each with Wilson's interval.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from promise import cases, museum

from enrich.learn.hiding import train_without
from enrich.runs.observed import Judged, Stratum, band, estimate, wilson

AT_RANDOM = 0.2


@dataclass(frozen=True)
class Answer:
    """One value that is asserted, and whether it is right."""

    stratum: Stratum
    confidence: float
    right: bool


def answers(objects: int, *, text_only: bool) -> list[Answer]:
    """What a model trained on a made museum's train split asserts of dev, by its own thresholds."""
    made = museum("made", Path(), None, objects=objects)
    spec = replace(made.spec, members=made.spec.members[1:]) if text_only else made.spec
    records, hidden = cases(made, "split", 1)
    found: list[Answer] = []
    for case in hidden:
        trained = train_without(records, case, made.learn, spec)
        fitted = trained.fit("seen") if trained is not None else None
        if trained is None or fitted is None:
            continue
        said = fitted.model.answer(trained.asked)[case.property]
        for row, value in np.argwhere(said.asserted()):
            sure = float(said.fused.probabilities[row, value])
            found.append(Answer((case.property, band(sure)), sure, bool(trained.truth[row, value] > 0)))
    return found


def judge(made: Sequence[Answer], cards: int, chance: random.Random) -> list[Judged]:
    """The judgements of so many cards, in their order."""
    waiting: dict[Stratum, list[int]] = defaultdict(list)
    for number, answer in enumerate(made):
        waiting[answer.stratum].append(number)
    order = iter(sorted(range(len(made)), key=lambda number: made[number].confidence))
    seen: set[int] = set()
    found = []
    for _ in range(min(cards, len(made))):
        probability = None
        if at_random := chance.random() < AT_RANDOM:
            own = waiting[chance.choice(sorted(h for h in waiting if waiting[h]))]
            number, probability = chance.choice(own), 1 / len(own)
        else:
            number = next(n for n in order if n not in seen)
        seen.add(number)
        waiting[made[number].stratum].remove(number)
        found.append(Judged(made[number].stratum, made[number].right, at_random, probability))
    return found


@dataclass(frozen=True)
class Coverage:
    """After so many cards: in how many seeds the interval holds the truth, and what it is like on average."""

    cards: int
    draws: float
    holds: int
    naive_holds: int
    random_holds: int
    bias: float
    width: float
    seeds: int


def coverage(made: Sequence[Answer], cards: int, seeds: int) -> Coverage:
    """How often each of the intervals holds the truth."""
    sizes: dict[Stratum, int] = defaultdict(int)
    for answer in made:
        sizes[answer.stratum] += 1
    truth = sum(answer.right for answer in made) / len(made)
    rows = []
    for seed in range(seeds):
        judged = judge(made, cards, random.Random(seed))
        found = estimate(sizes, judged)
        drawn = [each.right for each in judged if each.random]
        ends = [
            wilson(sum(own) / len(own), len(own))
            for own in ([each.right for each in judged], drawn or [True])
        ]
        holds = [low <= truth <= high for low, high in ((found.low, found.high), *ends)]
        rows.append((*holds, (found.right or 0.0) - truth, found.high - found.low, len(drawn)))
    own, naive, drawn_alone, bias, width, draws = np.array(rows, dtype=float).T
    return Coverage(
        cards, float(draws.mean()), int(own.sum()), int(naive.sum()), int(drawn_alone.sum()),
        float(bias.mean()), float(width.mean()), seeds,
    )  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--objects", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--cards", type=int, nargs="+", default=[150, 300, 600, 1200])
    parser.add_argument("--text-only", action="store_true", help="learn from texts alone: quicker")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    made = answers(asked.objects, text_only=asked.text_only)
    if not made:
        parser.exit(
            1, f"of {asked.objects} objects nothing is learnt that may be asserted: say more --objects\n"
        )
    truth = sum(answer.right for answer in made) / len(made)
    print(f"{len(made):,} answers, {truth:.3f} right; the truth is held in so many of {asked.seeds} seeds")
    print("| cards | drawn at random | interval | mean of all | mean of those drawn | bias | width |")
    print("|---|---|---|---|---|---|---|")
    found = [coverage(made, cards, asked.seeds) for cards in asked.cards]
    for c in found:
        print(
            f"| {c.cards} | {c.draws:.0f} | {c.holds} | {c.naive_holds} | {c.random_holds} | {c.bias:+.4f} | {c.width:.3f} |"
        )
    if asked.out is not None:
        asked.out.write_text(
            json.dumps({"answers": len(made), "right": truth, "rows": [asdict(c) for c in found]})
        )


if __name__ == "__main__":
    main()
