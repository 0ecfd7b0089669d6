"""Runs a peer in an interpreter that has it: a table comes in by a file, probabilities go back by another.

    python _peer_elsewhere.py FOLDER

FOLDER/task.json: {"method", "seconds", "classes": K, "columns": {name: {"kind", "values"}}, "learn", "check" and "all":
[rows, labels], "held" and "ask": rows}. Written: answer.json with the seconds that training and asking took ("wall",
"processor") and a note, and held.csv and ask.csv, probabilities (rows, K). A peer that is not installed is said in
answer.json ("missing"). It imports nothing of enrich.
"""

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

PATIENCE = 50
"""Trees without a better one, after which CatBoost stops."""


def on_processor_time():
    """From here on every limit counts seconds of the processor: what else the machine does takes nothing from a peer."""
    began = time.time()
    time.time = lambda: began + time.process_time()


def clock():
    """Seconds by the wall, and of the processor with that of child processes."""
    used = [getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    return time.monotonic(), sum(u.ru_utime + u.ru_stime for u in used)


def frame(columns):
    """The table; a missing number is NaN, a missing category one of its own."""
    import pandas

    table = {}
    for name, column in columns.items():
        values = column["values"]
        table[name] = pandas.Series(values, dtype=float if column["kind"] == "number" else object)
        if column["kind"] != "number":
            table[name] = table[name].replace("", "none")
    return pandas.DataFrame(table)


def spread(probabilities, classes, count):
    """Probabilities of some classes (n, k) among all (n, K)."""
    import numpy

    found = numpy.zeros((len(probabilities), count))
    found[:, [int(c) for c in classes]] = probabilities
    return found


class CatBoost:
    """Categories and texts as they are; trees until the held-out fifth gets no better, then so many on all records."""

    def __init__(self, task, table, folder):
        self.task, self.table, self.folder = task, table, folder
        kinds = {name: column["kind"] for name, column in task["columns"].items()}
        self.settings = {
            "loss_function": "MultiClass",
            "cat_features": [n for n, kind in kinds.items() if kind == "category"],
            "text_features": [n for n, kind in kinds.items() if kind == "text"],
            "learning_rate": 0.1,
            "random_seed": 0,
            "thread_count": 1,
            "verbose": False,
            "allow_writing_files": False,
        }
        self.until = time.time() + task["seconds"]

    def after_iteration(self, _info):
        """Whether to go on: the limit is as for the others."""
        return time.time() < self.until

    def made(self, iterations):
        from catboost import CatBoostClassifier

        return CatBoostClassifier(iterations=iterations, **self.settings)

    def fit(self):
        (rows, labels), (others, theirs) = self.task["learn"], self.task["check"]
        first = self.made(1000)
        first.fit(
            self.table.iloc[rows],
            labels,
            eval_set=(self.table.iloc[others], theirs),
            early_stopping_rounds=PATIENCE,
            callbacks=[self],
        )
        self.held = self.answers(first, self.task["held"])
        rows, labels = self.task["all"]
        self.model = self.made(max(first.tree_count_, 1))
        self.model.fit(self.table.iloc[rows], labels)
        return f"CatBoost {version('catboost')}, {first.tree_count_} trees"

    def answers(self, model, rows):
        return spread(model.predict_proba(self.table.iloc[rows]), model.classes_, self.task["classes"])

    def ask(self):
        return self.answers(self.model, self.task["ask"])


class AutoGluon:
    """AutoGluon Tabular, medium quality, by macro-F1 on the held-out fifth; what is best is fitted again on all records."""

    def __init__(self, task, table, folder):
        self.task, self.table, self.folder = task, table, folder

    def labelled(self, part):
        rows, labels = self.task[part]  # a record with several values is there once for each
        return self.table.iloc[rows].assign(**{"the answer": labels}).reset_index(drop=True)

    def fit(self):
        from autogluon.tabular import TabularPredictor

        self.predictor = TabularPredictor(
            "the answer",
            problem_type="multiclass",
            eval_metric="f1_macro",
            path=str(self.folder / "models"),
            verbosity=0,
            learner_kwargs={"label_count_threshold": 2},
        )
        self.predictor.fit(
            self.labelled("learn"),
            tuning_data=self.labelled("check"),
            time_limit=self.task["seconds"],
            presets="medium_quality",
            num_cpus=1,
            num_gpus=0,
        )
        self.held = self.answers(self.task["held"])
        best = self.predictor.model_best
        self.predictor.refit_full(model="best")
        tried = len(self.predictor.model_names(can_infer=True))
        return f"AutoGluon {version('autogluon.tabular')}, {tried} models with refits, {best}"

    def answers(self, rows):
        said = self.predictor.predict_proba(self.table.iloc[rows])
        return spread(said.to_numpy(), said.columns, self.task["classes"])

    def ask(self):
        return self.answers(self.task["ask"])


PEERS = {"catboost": CatBoost, "autogluon": AutoGluon}


def answered(folder):
    """Train and ask; what answer.json says."""
    import numpy

    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    peer = PEERS[task["method"]](task, frame(task["columns"]), folder)
    moments = [clock()]
    note = peer.fit()
    moments.append(clock())
    asked = peer.ask()
    moments.append(clock())
    numpy.savetxt(folder / "held.csv", peer.held, delimiter=",")
    numpy.savetxt(folder / "ask.csv", asked, delimiter=",")
    steps = zip(("train", "ask"), moments[:-1], moments[1:], strict=True)
    spent = {name: {"wall": b[0] - a[0], "processor": b[1] - a[1]} for name, a, b in steps}
    return {"note": note, "seconds": spent}


def main():
    """Answer the task of a folder."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    on_processor_time()
    folder = Path(sys.argv[1])
    try:
        found = answered(folder)
    except ModuleNotFoundError as error:
        found = {"missing": f"{error.name} is not installed for {sys.executable}"}
    (folder / "answer.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
