"""Our classifiers beside their peers: the same records, the same split, the same features, the same rule to answer by.

    python benchmarks/peers.py [--data DIR] [--problems silk silk-unnumbered collections] [--methods ours linear …]
        [--python PYTHON] [--seconds N] [--work DIR] [--json] [--out FILE.json]

Macro-F1 of the first candidate on dev (a hit when it is among the record's values), with the property hidden and the others
as they are; calibration error; the share answered where nine in ten are promised, and how many of those are right; seconds of
the processor (and by the wall). Ours less each peer with its 95 % interval, paired over the records of dev. Nothing is fitted on dev.

`ours` is what `enrich train` makes by default, `linear` the tuned linear model, `published` Rei et al. 2022. CatBoost and
AutoGluon run in the interpreter that --python names, which has them (uv pip install
'autogluon.tabular[lightgbm,catboost,xgboost]'); --seconds (of the processor) is their limit a property. What cannot be run says so. --work keeps
every answer: a run that was killed goes on, and the tables are printed anew without training. An hour and a quarter on one core.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from _data import FOLDER, data_or_skip
from _peer_figures import problem_figures, report
from _peer_methods import OURS, PEERS, Answers, Asked, NotRun, ours
from _peer_problems import SOURCES, Problem, Task

from enrich.learn.intervals import ROUNDS


def main() -> int:
    """Run what is asked for and print the tables."""
    given = _arguments()
    for name in given.problems:
        data_or_skip(SOURCES[name].folder, given.data)
    asked = Asked(given.python, given.seconds, given.tries)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="enrich-peers-") as made:
        for name in given.problems:
            problem = Problem.read(name, given.data, given.records)
            work = (given.work or Path(made)) / problem.key
            found[name] = measured(problem, given.methods, asked, work, given.rounds)
            if not given.json:
                print(
                    report(name, found[name]["methods"], found[name]["not run"], found[name]["records"]),
                    end="\n\n",
                    flush=True,
                )
    written = json.dumps(found, indent=1, sort_keys=True) + "\n"
    if given.json:
        print(written, end="")
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(written, encoding="utf-8")
    return 0


def measured(
    problem: Problem, methods: Sequence[str], asked: Asked, work: Path, rounds: int
) -> dict[str, Any]:
    """Every method on one problem: what was kept is read, the rest run."""
    tasks = [problem.task(prop) for prop in problem.train.properties]
    answers: dict[str, dict[str, Answers]] = {}
    not_run: dict[str, str] = {}
    for method in methods:
        try:
            answers[method] = kept_or_run(problem, tasks, method, asked, work)
        except NotRun as why:
            not_run[method] = str(why)
    records = len(problem.dev)
    rows = problem_figures(tasks, answers, records, rounds)
    return {"records": records, "methods": rows, "not run": not_run}


def kept_or_run(
    problem: Problem, tasks: Sequence[Task], method: str, asked: Asked, work: Path
) -> dict[str, Answers]:
    """The answers of one method by property. Raises NotRun."""
    files = {task.prop.name: work / f"{method}-{task.prop.name}.npz" for task in tasks}
    if method == OURS and not all(file.exists() for file in files.values()):
        for name, said in ours(problem, work / "training").items():
            said.write(files[name])
            _tell(problem, method, name, said)
    for task in tasks:
        file = files[task.prop.name]
        if not file.exists():
            said = PEERS[method](problem, task, asked)
            said.write(file)
            _tell(problem, method, task.prop.name, said)
    return {name: Answers.read(file) for name, file in files.items()}


def _tell(problem: Problem, method: str, name: str, said: Answers) -> None:
    line = f"{problem.name}, {method}, {name}: {said.spent.train:.0f} s of the processor {said.note}"
    print(line.rstrip(), file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    methods = [OURS, *PEERS]
    parser.add_argument("--data", type=Path, default=FOLDER)
    parser.add_argument("--problems", nargs="+", choices=list(SOURCES), default=list(SOURCES))
    parser.add_argument("--methods", nargs="+", choices=methods, default=methods)
    parser.add_argument("--records", type=int, help="of each split, at most, drawn at random")
    parser.add_argument("--tries", type=int, default=1000, help="settings that a tuned method tries, at most")
    parser.add_argument("--python", default=sys.executable, help="the Python that has CatBoost and AutoGluon")
    parser.add_argument(
        "--seconds", type=float, default=45.0, help="of the processor, their limit a property"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of the bootstrap")
    parser.add_argument("--work", type=Path, help="folder that keeps the answers")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--out", type=Path, help="write the JSON to this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
