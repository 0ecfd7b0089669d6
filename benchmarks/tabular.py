"""The tabular classifier beside the published method and tuned linear models, on the silk records.

    python benchmarks/tabular.py [--data DIR] [--leave-out] [--out FILE.json]

Macro-F1 of the first candidate on dev, with the property hidden and the others as they are. Two rows of
ours: with the numerals of identifiers and picture names (accession numbers), and without. One linear row
is given the same numerals, binned. --leave-out adds leave-one-museum-out. Nothing is fitted on dev.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import _records
import numpy as np
import tabular_baselines as baselines
from _data import FOLDER, data_or_skip

from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.model import metrics
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.classifiers.tabular.classifier import TabularClassifier
from enrich.classifiers.tabular.features import FeatureMap
from enrich.learn.measures import measure

ROOT = Path(__file__).resolve().parent.parent
OURS = {"tabular": "museum", "tabular, no numerals": None}
_RECORDS, _TRIES = "BENCHMARK_RECORDS", "BENCHMARK_TRIES"
"""How the command line reaches the processes that measure."""
TRIES = {"published": 10, "logistic": 10, "svm": 10, "logistic, binned numerals": 5}


def _tries(method: str) -> int:
    return min(TRIES[method], int(os.environ.get(_TRIES, "1000")))


@cache
def data(folder: Path) -> tuple[Dataset, list[Record]]:
    """Train as a dataset, and the records of dev."""
    most = int(os.environ[_RECORDS]) if _RECORDS in os.environ else None
    found = _records.silk(folder, most)
    return found.taught().dataset, found.dev


def baseline(folder: Path, method: str, name: str) -> dict[str, Any]:
    """Macro-F1 and accuracy of one baseline for one property."""
    warnings.filterwarnings("ignore")
    began = time.monotonic()
    dataset, dev_records = data(folder)
    names = [p.name for p in dataset.properties]
    prop = next(p for p in dataset.properties if p.name == name)
    target, named = dataset.targets(prop)
    target_dev, named_dev = Dataset(dev_records, dataset.properties).targets(prop)
    train = [dataset.records[i] for i in np.flatnonzero(named)]
    dev = [dev_records[i] for i in np.flatnonzero(named_dev)]
    truth = target[named].argmax(axis=1)
    if method == "published":
        tuned = baselines.published(train, dev, truth, name, names, _tries(method))
    else:
        kind, numerals = method.split(",")[0], "numerals" in method
        tuned = baselines.linear(kind, train, dev, truth, name, names, _tries(method), numerals)
    first = tuned.first()
    return {
        "macro_f1": metrics.macro_f1(target_dev[named_dev], first),
        "accuracy": metrics.accuracy(target_dev[named_dev], first),
        "settings": tuned.settings,
        "seconds": time.monotonic() - began,
    }


def ours(folder: Path, method: str) -> dict[str, Any]:
    """The figures of our model on dev: as it is, without known values, and without the museum."""
    began = time.monotonic()
    dataset, dev = data(folder)
    model = fit_model(
        dataset,
        ModelSpec(
            (MemberSpec("tabular", {"museum": OURS[method]}, fold_settings={"refit": False}),), regimes=()
        ),
    )
    seconds = time.monotonic() - began
    began = time.monotonic()
    result = {"as it is": measure(model, dev)}
    result["records per second"] = len(dev) / (time.monotonic() - began)
    result["known values hidden"] = measure(model, dev, hide_known=True)
    result["museum hidden"] = measure(model, dev, without=("museum",))
    result["seconds"] = seconds
    result["trained without museum"] = {"mean_macro_f1": {"tabular": without_museum(dataset, dev)}}
    result["calibration"] = methods_of(model)
    return result


def methods_of(model: Model) -> dict[str, str]:
    """The calibration chosen for each property."""
    return {p: c.method for p, c in model.members["tabular"].calibrators.items()}


def plain(train: Dataset, dev: Sequence[Record], museum: str | None = "museum") -> dict[str, float]:
    """Macro-F1 by property of one classifier without calibration or tuned order, NaN where dev names none."""
    rows = np.random.default_rng(0).permutation(len(train))
    cut = len(rows) // 10
    classifier = TabularClassifier(museum=museum)
    classifier.fit(train.subset(rows[cut:]), train.subset(rows[:cut]))
    said, found = classifier.predict(dev), {}
    for prop in train.properties:
        target, named = Dataset(dev, train.properties).targets(prop)
        first = np.nan_to_num(said[prop.name].probabilities[named]).argmax(axis=1)
        found[prop.name] = metrics.macro_f1(target[named], first)
    return found


def without_museum(dataset: Dataset, dev: Sequence[Record]) -> float:
    """Mean macro-F1 of a classifier that has never seen a museum (nor, then, a numeral)."""
    bare = [Record(r.id, r.known, {}, r.texts, r.pictures) for r in dataset.records]
    return float(np.mean(list(plain(Dataset(bare, dataset.properties), dev).values())))


def blocks(folder: Path, numerals: bool, parity: int) -> dict[str, float]:
    """Leave out every other tenth of each museum's accession numbers, and answer the dev records there.

    No neighbour on the shelf teaches then, as in a museum that catalogued some acquisitions and not others.
    """
    dataset, dev = data(folder)
    features = FeatureMap.learn(dataset.records, "museum")
    column = len(features.columns) + features.numeric.index("picture position")

    def left_out(records: Sequence[Record]) -> np.ndarray:
        position = features.matrix(records)[:, column].toarray().ravel()
        tenth = np.floor(((position - 1.0) % 1.2) * 10)
        return np.asarray((position > 0) & (tenth % 2 == parity))

    rows = np.flatnonzero(~left_out(dataset.records))
    there = [dev[i] for i in np.flatnonzero(left_out(dev))]
    return plain(dataset.subset(rows), there, "museum" if numerals else None)


def leave_out(folder: Path, museum: str) -> dict[str, Any]:
    """Train on the other museums, answer this one's dev records."""
    dataset, dev = data(folder)
    rows = np.flatnonzero([museum not in r.context.get("museum", ()) for r in dataset.records])
    theirs = [r for r in dev if museum in r.context.get("museum", ())]
    return {"records": len(theirs), "macro_f1": plain(dataset.subset(rows), theirs)}


def show(result: dict[str, Any], names: Sequence[str]) -> None:
    """Print the tables."""
    print("macro-F1 on dev".ljust(30) + "".join(n.rjust(11) for n in names) + "mean".rjust(11))
    for method, row in result["macro_f1"].items():
        print(method.ljust(30) + "".join(f"{row[n]:11.3f}" for n in (*names, "mean")))
    for method in OURS:
        said = result["ours"][method]
        print(f"\n{method}: trained in {said['seconds']:.0f} s, {said['records per second']:.0f} records/s")
        for figure in ("accuracy", "ece", "coverage", "precision"):
            values = [said["as it is"]["properties"][n]["by"]["tabular"][figure] for n in names]
            print(
                f"  {figure}".ljust(30)
                + "".join("          –" if v is None else f"{v:11.3f}" for v in values)
            )
        for harder in ("known values hidden", "museum hidden", "trained without museum"):
            print(f"  mean macro-F1, {harder}".ljust(45) + f"{said[harder]['mean_macro_f1']['tabular']:.3f}")
    print("\nmacro-F1 where blocks of accession numbers were left out of training")
    for method, row in result["blocks left out"].items():
        print(method.ljust(30) + "".join(f"{row[n]:11.3f}" for n in names))
    for museum, said in result.get("leave one museum out", {}).items():
        row = "".join(f"{said['macro_f1'][n]:11.3f}" for n in names)
        print(f"without {museum.rsplit('/', 1)[-1]} ({said['records']})".ljust(30) + row)


def main() -> int:
    """Run everything, two processes at a time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=FOLDER)
    parser.add_argument("--records", type=int, help="of each split, at most")
    parser.add_argument("--tries", type=int, help="settings that each baseline tries, at most")
    parser.add_argument("--leave-out", action="store_true", help="leave-one-museum-out as well")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks/tabular.json")
    given = parser.parse_args()
    folder = data_or_skip("silknow", given.data)
    os.environ |= {k: str(v) for k, v in ((_RECORDS, given.records), (_TRIES, given.tries)) if v}
    names = ["place", "time", "technique", "material"]
    with ProcessPoolExecutor(2) as pool:
        mine = {m: pool.submit(ours, folder, m) for m in OURS}
        theirs = {(m, n): pool.submit(baseline, folder, m, n) for m in TRIES for n in names}
        shelves = {
            m: [pool.submit(blocks, folder, bool(museum), parity) for parity in (0, 1)]
            for m, museum in OURS.items()
        }
        left = {}
        if given.leave_out:
            museums = sorted({m for r in data(folder)[1] for m in r.context.get("museum", ())})
            left = {m: pool.submit(leave_out, folder, m) for m in museums}
        result: dict[str, Any] = {
            "ours": {m: f.result() for m, f in mine.items()},
            "baselines": {m: {n: theirs[m, n].result() for n in names} for m in TRIES},
            "blocks left out": {
                m: {n: float(np.mean([f.result()[n] for f in found])) for n in names}
                for m, found in shelves.items()
            },
            "leave one museum out": {m: f.result() for m, f in left.items()},
        }
    rows = {m: {n: said[n]["macro_f1"] for n in names} for m, said in result["baselines"].items()}
    for m, said in result["ours"].items():
        rows[m] = {n: said["as it is"]["properties"][n]["by"]["tabular"]["macro_f1"] for n in names}
    result["macro_f1"] = {m: {**row, "mean": float(np.mean(list(row.values())))} for m, row in rows.items()}
    show(result, names)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
