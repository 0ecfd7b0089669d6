"""What the benchmark of peers prints: every method decides by the same rule, and is compared with ours record by record.

The rule of a peer: on a fifth of the training records held out, the calibration with the best cross-validated log loss,
and the lowest threshold whose lower Clopper–Pearson bound on precision reaches what is promised, both as our models
choose them. Its first candidate is the most probable class; beside it stands the same peer with our order of candidates,
tuned for macro-F1 on the same fifth. Ours has chosen all of it out of fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from _peer_methods import OURS, Answers
from _peer_problems import Task

from enrich.classifiers.kinds import FloatArray, Rows
from enrich.classifiers.model.calibration import fit_calibrator
from enrich.classifiers.model.decision_rule import order_candidates, tune_offsets
from enrich.classifiers.model.metrics import score
from enrich.classifiers.model.promises import decide_by
from enrich.learn.intervals import Interval, Scored, mean_over, resamples

PROMISED = 0.9


@dataclass(frozen=True)
class Decided:
    """Calibrated probabilities (n, K), first candidates (n,) as a method gives them and in our order, and thresholds (n, K)."""

    probabilities: FloatArray
    first: Rows
    ordered: Rows
    reach: FloatArray


def decided(
    held: FloatArray, target: FloatArray, asked: FloatArray, many: bool, promised: float = PROMISED
) -> Decided:
    """What a peer answers by the rule, from its probabilities for what was held out (h, K), with its target, and asked (n, K)."""
    calibrator = fit_calibrator(held, target, many)
    known, shown = calibrator.apply(held), calibrator.apply(asked)
    named = target.any(axis=1)
    order = tune_offsets(known[named], target[named])
    reach, _ = decide_by(known, target, held.argmax(axis=1), many, promised, None, "record")
    return Decided(
        shown,
        asked.argmax(axis=1),
        order_candidates(shown, order)[:, 0],
        np.broadcast_to(np.asarray(reach, dtype=float), shown.shape),
    )


def decided_by(task: Task, answers: Answers) -> Decided:
    """What a method answers on dev."""
    if answers.held is not None:
        return decided(answers.held, task.target[task.held], answers.asked, task.prop.many)
    if answers.first is None or answers.reach is None:
        raise ValueError("answers without what was held out need first candidates and thresholds")
    return Decided(answers.asked, answers.first, answers.first, answers.reach)


def figures(task: Task, answers: Answers, found: Decided) -> dict[str, Any]:
    """Of one method and property on dev, by its first candidates; a value outside the classes is an error."""
    said = score(task.truth, found.probabilities, found.first, found.reach, task.prop.many)
    only = score(task.truth, found.probabilities, found.first, found.reach)
    said |= {name: only[name] for name in ("coverage", "precision")}
    kept = ("records", "macro_f1", "accuracy", "ece", "coverage", "precision")
    spent = {name: getattr(answers.spent, name) for name in ("train", "train_wall", "answer", "answer_wall")}
    return {**{name: said[name] for name in kept}, **spent, "note": answers.note}


def scored(task: Task, first: Rows, records: int) -> Scored:
    """First candidates among all records of dev, so that every property and method draws the same ones."""
    target, all_first = np.zeros((records, task.truth.shape[1])), np.zeros(records, dtype=np.intp)
    named = np.zeros(records, dtype=bool)
    target[task.rows], all_first[task.rows], named[task.rows] = task.truth, first, True
    return Scored.of(target, named, all_first)


def compared(
    tasks: Sequence[Task], by: Mapping[str, Mapping[str, Decided]], records: int, rounds: int
) -> dict[str, dict[str, Any]]:
    """By method the mean macro-F1 as it is and in our order, each with its interval, and ours less it, paired: dev's
    records are drawn anew, the same ones for both."""
    drawn = resamples(records, rounds)

    def means(method: str, which: str) -> FloatArray:
        parts = [getattr(by[method][task.prop.name], which) for task in tasks]
        return mean_over(
            [scored(task, first, records).macro_f1(drawn) for task, first in zip(tasks, parts, strict=True)]
        )

    own = means(OURS, "first") if OURS in by else None
    found: dict[str, dict[str, Any]] = {}
    for method in by:
        row: dict[str, Any] = {}
        for name, which in (("mean", "first"), ("ordered", "ordered")):
            values = means(method, which)
            row[name] = Interval.of(values).to_json()
            if own is not None and method != OURS:
                row[f"ahead of {name}"] = Interval.of(own - values).to_json()
        found[method] = row
    return found


def problem_figures(
    tasks: Sequence[Task], answers: Mapping[str, Mapping[str, Answers]], records: int, rounds: int
) -> dict[str, Any]:
    """Everything that is said of a problem, by method."""
    by = {
        method: {t.prop.name: decided_by(t, said[t.prop.name]) for t in tasks}
        for method, said in answers.items()
    }
    rows = compared(tasks, by, records, rounds)
    for method, said in answers.items():
        rows[method]["properties"] = {
            t.prop.name: figures(t, said[t.prop.name], by[method][t.prop.name]) for t in tasks
        }
    return rows


def report(name: str, rows: Mapping[str, Any], not_run: Mapping[str, str], records: int) -> str:
    """The tables of a problem, in Markdown."""
    names = list(next(iter(rows.values()))["properties"]) if rows else []
    lines = [f"### {name}, {records} records of dev", ""]
    lines += _table(
        ["macro-F1", *names, "mean", "ours ahead by", "in our order", "ours ahead by"],
        [_macro(method, row) for method, row in rows.items()],
    )
    lines += _table(
        ["ECE; answered, right when so", *names, "trained, s", "answered, s"],
        [_promise(method, row) for method, row in rows.items()],
    )
    lines += [f"- {method}: not run, {why}" for method, why in not_run.items()]
    return "\n".join(lines)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    shown = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(cells)} |" for cells in shown] + [""]


def _macro(method: str, row: Mapping[str, Any]) -> list[str]:
    cells = [method, *(_share(p["macro_f1"]) for p in row["properties"].values())]
    for name in ("mean", "ordered"):
        cells += [_share(row[name]["value"]), _ahead(row.get(f"ahead of {name}"))]
    return cells


def _promise(method: str, row: Mapping[str, Any]) -> list[str]:
    said = row["properties"].values()
    cells = [f"{_share(p['ece'])}; {_share(p['coverage'])}, {_share(p['precision'])}" for p in said]
    spent = {k: sum(p[k] for p in said) for k in ("train", "train_wall", "answer", "answer_wall")}
    return [
        method,
        *cells,
        f"{spent['train']:.0f} ({spent['train_wall']:.0f})",
        f"{spent['answer']:.1f} ({spent['answer_wall']:.1f})",
    ]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _ahead(found: Mapping[str, float] | None) -> str:
    if found is None:
        return "–"
    return f"{found['value']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"
