"""The methods of the benchmark of peers: each takes a property's task and gives probabilities for what was held out and for dev.

Ours decides by itself, as `enrich train` makes it. What was answered is kept as a file, so that nothing is trained twice.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import collections_baselines
import numpy as np
import tabular_baselines
from _peer_problems import Problem, Task, columns

from enrich.classifiers.data import Record
from enrich.classifiers.kinds import FloatArray, Rows
from enrich.classifiers.model.fitting import fit_model
from enrich.classifiers.probability import probabilities_of
from enrich.classifiers.tabular.features import FeatureMap

OURS = "ours"
ELSEWHERE = Path(__file__).resolve().parent / "_peer_elsewhere.py"
NOT_TRIED = {
    "tabpfn": "its weights come from a hub; the package brings none",
    "tabicl": "its weights come from a hub; the package brings none",
    "autogluon-multimodal": "it reads texts by a network whose weights come from a hub",
}
"""Peers that cannot be run from packages alone, and why."""
TRIES = {"published": 10, "linear": 10, "linear with numerals": 5}


class NotRun(Exception):
    """A method that is not run on a problem; its message says why."""


@dataclass(frozen=True)
class Asked:
    """What the command line says to the methods: the Python of the peers, their seconds a property, tries at most."""

    python: str
    seconds: float
    tries: int


@dataclass(frozen=True)
class Spent:
    """Seconds of the processor and by the wall, to train and to answer."""

    train: float = 0.0
    train_wall: float = 0.0
    answer: float = 0.0
    answer_wall: float = 0.0


@dataclass(frozen=True)
class Answers:
    """Probabilities for the records of dev that state a value (n, K).

    `held` are those for the records held out, to choose calibration and threshold by; of ours, which has chosen, the
    first candidates (n,) and the threshold of each record and class (n, K) are given instead.
    """

    asked: FloatArray
    spent: Spent
    held: FloatArray | None = None
    first: Rows | None = None
    reach: FloatArray | None = None
    note: str = ""

    def write(self, file: Path) -> None:
        """Whole or not at all."""
        arrays = {name: getattr(self, name) for name in ("asked", "held", "first", "reach")}
        about = json.dumps({"spent": asdict(self.spent), "note": self.note})
        file.parent.mkdir(parents=True, exist_ok=True)
        half = file.with_suffix(".half.npz")
        np.savez_compressed(half, about=about, **{k: v for k, v in arrays.items() if v is not None})
        half.replace(file)

    @classmethod
    def read(cls, file: Path) -> Answers:
        with np.load(file) as kept:
            arrays = {name: kept[name] for name in kept.files if name != "about"}
            about = json.loads(str(kept["about"]))
        return cls(spent=Spent(**about["spent"]), note=about["note"], **arrays)


def _clock() -> tuple[float, float]:
    return time.process_time(), time.monotonic()


def _spent(*moments: tuple[float, float]) -> Spent:
    """From the moments before training, between, and after answering."""
    (a, a_wall), (b, b_wall), (c, c_wall) = moments
    return Spent(b - a, b_wall - a_wall, c - b, c_wall - b_wall)


def ours(problem: Problem, work: Path) -> dict[str, Answers]:
    """Every property by one model, made as `enrich train` makes it; the seconds are shared among the properties.

    The seconds are those of this call alone: of a training that was killed what was finished before is not in them.
    """
    moments = [_clock()]
    model = fit_model(problem.train, problem.spec, resume=work)
    moments.append(_clock())
    said = model.predict(list(problem.dev.records))
    spent = _spent(*moments, _clock())
    parts = len(model.properties)
    shared = Spent(**{name: value / parts for name, value in asdict(spent).items()})
    found = {}
    for prop in model.properties:
        rows, answer = problem.task(prop).rows, said[prop.name]
        found[prop.name] = Answers(
            np.nan_to_num(answer.fused.probabilities[rows]),
            shared,
            first=answer.order[rows, 0],
            reach=answer.thresholds[rows],
        )
    return found


def linear(problem: Problem, task: Task, asked: Asked) -> Answers:
    """The tuned linear model of the other benchmarks, with the same numerals as ours, binned."""
    return _joint(problem, task) if problem.source.texts else _logistic(problem, task, asked)


def _joint(problem: Problem, task: Task) -> Answers:
    """Words, letters, values and binned numerals; scores are made probabilities, and calibrated like all others."""
    features = FeatureMap.learn(problem.train.records, "museum")

    def numerals(record: Record) -> Iterable[str]:
        return (f"{k}={v}" for k, v in tabular_baselines.positions([record], features)[0].items())

    moments = [_clock()]
    said = collections_baselines.joint(task.train, task.asked, task.prop, task.target, numerals)
    moments += [_clock(), _clock()]
    held, shown = (probabilities_of(scores, task.prop.many) for scores in (said.held, said.asked))
    return Answers(shown, _spent(*moments), held, note=json.dumps(said.chosen))


def _logistic(problem: Problem, task: Task, asked: Asked) -> Answers:
    numerals = problem.source.numerals
    tries = min(asked.tries, TRIES["linear with numerals" if numerals else "linear"])

    def tune(train: list[Record], truth: Rows) -> tabular_baselines.Tuned:
        return tabular_baselines.linear(
            "logistic", train, task.asked, truth, task.prop.name, task.names, tries, numerals
        )

    return _tuned(task, tune)


def published(problem: Problem, task: Task, asked: Asked) -> Answers:
    """Rei et al. 2022 on values. It is given no numerals, since the paper has none."""
    if problem.source.texts:
        raise NotRun("reads one value of each property and no text")

    def tune(train: list[Record], truth: Rows) -> tabular_baselines.Tuned:
        tries = min(asked.tries, TRIES["published"])
        return tabular_baselines.published(train, task.asked, truth, task.prop.name, task.names, tries)

    return _tuned(task, tune)


def _tuned(task: Task, tune: Callable[[list[Record], Rows], tabular_baselines.Tuned]) -> Answers:
    """Tuned on all of train, fitted without what is held out to answer that, and on all to answer dev."""
    classes = len(task.prop.classes)
    moments = [_clock()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        truth = np.where(task.target.any(axis=1), task.target.argmax(axis=1), classes)
        tuned = tune(list(task.train), truth)
        held = _spread(*tuned.fit(task.learn), tuned.table[task.held], classes)
        machine, known = tuned.fit(task.all)
    moments.append(_clock())
    shown = _spread(machine, known, tuned.asked, classes)
    return Answers(shown, _spent(*moments, _clock()), held, note=json.dumps(tuned.settings))


def _spread(machine: Any, known: Rows, table: Any, classes: int) -> FloatArray:
    """Probabilities of the classes that a machine knows, among all (n, K)."""
    found = np.zeros((table.shape[0], classes))
    found[:, known] = machine.predict_proba(table)
    return found


def elsewhere(name: str) -> Callable[[Problem, Task, Asked], Answers]:
    """A peer of another interpreter, which gets the table in a file and gives probabilities back in one."""

    def run(problem: Problem, task: Task, asked: Asked) -> Answers:
        folder = _handed(name, problem, task, asked)
        try:
            done = subprocess.run(
                [asked.python, str(ELSEWHERE), str(folder)],
                env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
                capture_output=True,
                text=True,
                check=False,
            )
            answer = folder / "answer.json"
            if done.returncode or not answer.exists():
                last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
                raise NotRun(f"it failed: {last[0]}")
            return _read(folder, json.loads(answer.read_text(encoding="utf-8")), len(task.prop.classes))
        except OSError as error:
            raise NotRun(f"{asked.python} cannot be run: {error.strerror}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return run


def _handed(name: str, problem: Problem, task: Task, asked: Asked) -> Path:
    """The folder with the task of a peer."""

    def pairs(rows: Rows) -> list[list[int]]:
        return [part.tolist() for part in task.pairs(rows)]

    folder = Path(mkdtemp(prefix="enrich-peer-"))
    said = {
        "method": name,
        "seconds": asked.seconds,
        "classes": len(task.prop.classes),
        "columns": columns(problem, task),
        "learn": pairs(task.learn),
        "check": pairs(task.held),
        "all": pairs(task.all),
        "held": task.held.tolist(),
        "ask": list(range(len(task.train), len(task.train) + len(task.asked))),
    }
    (folder / "task.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


def _read(folder: Path, answer: dict[str, Any], classes: int) -> Answers:
    if "missing" in answer:
        raise NotRun(answer["missing"])
    train, ask = answer["seconds"]["train"], answer["seconds"]["ask"]
    spent = Spent(train["processor"], train["wall"], ask["processor"], ask["wall"])
    held, shown = (np.loadtxt(folder / f"{part}.csv", delimiter=",", ndmin=2) for part in ("held", "ask"))
    return Answers(shown.reshape(-1, classes), spent, held.reshape(-1, classes), note=answer["note"])


def not_tried(name: str) -> Callable[[Problem, Task, Asked], Answers]:
    """A peer that says why it is not run."""

    def run(_problem: Problem, _task: Task, _asked: Asked) -> Answers:
        raise NotRun(NOT_TRIED[name])

    return run


PEERS: dict[str, Callable[[Problem, Task, Asked], Answers]] = {
    "linear": linear,
    "published": published,
    "catboost": elsewhere("catboost"),
    "autogluon": elsewhere("autogluon"),
    **{name: not_tried(name) for name in NOT_TRIED},
}
