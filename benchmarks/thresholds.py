"""How often a threshold is promised that does not keep the target, on answers whose true precision is known.

    python benchmarks/thresholds.py [--draws N] [--answers N …] [--block N]

Answers are drawn anew each time, and the threshold is learnt from them as from records held out. `flat`: every answer is
right with the same probability, just below the target or further from it, so that whatever is promised is too much; no
confidence tells anything, which is the worst case. `calibrated`: an answer is right with the probability that its confidence
says, from .5 to 1, and a promise is too much where the mean of all answers at and above the threshold is below the target. With `--block`, so many answers at a time are a block.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from enrich.classifiers.kinds import FloatArray
from enrich.classifiers.model.thresholds import bounded_threshold

TARGET = 0.9
FLAT = (0.899, 0.89, 0.88, 0.86)


def true_precision(threshold: float, flat: float | None) -> float:
    """Of all answers at and above a threshold."""
    return (threshold + 1) / 2 if flat is None else flat


def promised(answers: int, flat: float | None, draws: int, block: int = 0) -> FloatArray:
    """The true precision of what is promised in each draw (draws,); NaN where nothing is."""
    rng = np.random.default_rng(0)
    found = np.full(draws, np.nan)
    units = np.arange(answers) // block if block else None
    for draw in range(draws):
        confidence = rng.uniform(0.5, 1.0, answers)
        right = rng.uniform(size=answers) < (confidence if flat is None else flat)
        threshold = bounded_threshold(confidence, right, TARGET, units, "block" if block else "record")
        if threshold <= 1.0:
            found[draw] = true_precision(threshold, flat)
    return found


def rows(sizes: Sequence[int], draws: int, block: int = 0) -> list[tuple[str, int, float, float]]:
    """Truth, answers, and the share of draws with a promise that is too much, and too much by more than .01."""
    found = []
    for flat in (*FLAT, None):
        for answers in sizes:
            truth = promised(answers, flat, draws, block)
            below, far = (float((truth < limit).mean()) for limit in (TARGET, TARGET - 0.01 - 1e-9))
            found.append(("calibrated" if flat is None else f"flat, {flat}", answers, below, far))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=400, metavar="N")
    parser.add_argument("--answers", type=int, nargs="+", default=[500, 2000, 10000], metavar="N")
    parser.add_argument("--block", type=int, default=0, metavar="N")
    asked = parser.parse_args()
    print("truth".ljust(14) + "answers".rjust(9) + "too much".rjust(10) + "by .01".rjust(10))
    for truth, answers, below, far in rows(asked.answers, asked.draws, asked.block):
        print(f"{truth:14}{answers:9,}{below:10.3f}{far:10.3f}")


if __name__ == "__main__":
    main()
