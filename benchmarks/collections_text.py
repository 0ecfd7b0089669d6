"""Text, tabular and their fusion on the collections records, beside what a user would do instead.

    python benchmarks/collections_text.py [--data DIR] [--out FILE.json] [--numerals with|without|both|none]
        [--fusions late early hybrid] [--minilm] [--encoders N] [--elsewhere]

Macro-F1 of the first candidate on dev (a hit when it is among the record's values), over the classes with
at least `minimum` training values of the profile; the classes left out are named. Ours is run with the
numerals of identifiers (accession numbers, which tell who stood next to whom) and without; the baselines
are not given them; `none` runs the baselines alone. --minilm adds a frozen MiniLM as the text classifier.
--encoders N compares TF-IDF with MiniLM, frozen and fine-tuned, each trained once on N records and asked as it
comes, without calibration or a tuned order. --elsewhere asks the texts of a museum that was left out whole, which here is
another language as well: words, words with their meaning, and the meaning alone. Nothing is fitted on dev. An hour and more on one core for everything.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")

import _records
import collections_baselines as made
import numpy as np
from _data import FOLDER, data_or_skip

from enrich.classifiers.base import Classifier
from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.model import metrics
from enrich.classifiers.model.conformal import covered
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.out_of_fold import HELD_OUT_SHARE, MemberSpec
from enrich.classifiers.neural.text import TextClassifier
from enrich.classifiers.registry import classifier_class
from enrich.classifiers.tfidf.classifier import SentenceClassifier, TfidfClassifier
from enrich.classifiers.tfidf.features import FIELDS, MEANING
from enrich.learn.training_set import TrainingSet

COMMON = 50
"""Figures are also given over the classes with at least this many training values."""


def figures(scores: Any, target: Any, frequency: Any) -> dict[str, float]:
    """Of scores (n, K) and targets (n, K): over all classes, and over the common ones alone."""
    first = scores.argmax(axis=1)
    common = frequency >= COMMON
    rows = target[:, common].sum(axis=1) > 0
    return {
        "macro_f1": metrics.macro_f1(target, first, frequency),
        "macro_f1_common": metrics.macro_f1(
            target[rows][:, common], scores[rows][:, common].argmax(axis=1), frequency[common]
        ),
        "accuracy": metrics.accuracy(target, first),
    }


def baselines(taught: TrainingSet, dev: Sequence[Record]) -> dict[str, Any]:
    """The three baselines on every property."""
    rows: dict[str, Any] = {}
    for prop in taught.dataset.properties:
        target, named = taught.dataset.targets(prop)
        truth, asked = Dataset(dev, taught.dataset.properties).targets(prop)
        train = [taught.dataset.records[int(i)] for i in np.flatnonzero(named)]
        shown = [dev[int(i)] for i in np.flatnonzero(asked)]
        for name in (*made.PLAIN, "joint"):
            began = time.monotonic()
            chosen: dict[str, float] = {}
            if name == "joint":
                said = made.joint(train, shown, prop, target[named])
                first, chosen = said.asked.argmax(axis=1), said.chosen
            else:
                first = made.PLAIN[name](train, shown, prop, target[named])
            scores = np.eye(len(prop.classes))[first]
            row = figures(scores, truth[asked], target.sum(axis=0))
            row["seconds"] = time.monotonic() - began
            rows.setdefault(f"{name}, linear SVM", {})[prop.name] = row | chosen
            print(f"{name:8} {prop.name:10} {row['macro_f1']:.3f}", flush=True)
    return rows


def ours(
    taught: TrainingSet, dev: Sequence[Record], members: Sequence[MemberSpec], fusion: str, resume: Path
) -> tuple[dict[str, Any], Model]:
    """Every modality and the fusion of one model, by property; what training took."""
    began = time.monotonic()
    model = fit_model(taught.dataset, ModelSpec(tuple(members), fusion, regimes=()), resume=resume)
    seconds = time.monotonic() - began
    began = time.monotonic()
    answers = model.predict(dev)
    speed = len(dev) / (time.monotonic() - began)
    rows: dict[str, Any] = {}
    for prop in model.properties:
        frequency = taught.dataset.targets(prop)[0].sum(axis=0)
        truth, named = Dataset(dev, model.properties).targets(prop)
        answer = answers[prop.name]
        asked = [(m, d, model.members[m].offsets[prop.name]) for m, d in answer.by.items()]
        for modality, said, offsets in [*asked, (fusion, answer.fused, model.offsets[prop.name])]:
            use = named & said.present
            p, y = said.probabilities[use], truth[use]
            first = (np.log(p + 1e-12) + offsets).argmax(axis=1)
            row: dict[str, Any] = dict(figures(np.log(p + 1e-12) + offsets, y, frequency))
            row["records"] = int(use.sum())
            row["ece"] = metrics.ece(p[np.arange(len(p)), first], metrics.hits(y, first))
            if modality == fusion and answer.sets is not None:
                row["conformal_coverage"] = covered(answer.sets[use], y)
                row["conformal_size"] = float(answer.sets[use].sum(axis=1).mean())
                row["classes"] = _classes(prop.classes, metrics.per_class(y, first, frequency))
            rows.setdefault(modality, {})[prop.name] = row
    rows[fusion]["seconds"], rows[fusion]["records_per_second"] = seconds, speed
    return rows, model


def encoders(taught: TrainingSet, dev: Sequence[Record], count: int) -> dict[str, Any]:
    """TF-IDF and MiniLM, each trained once on the same `count` records of train; by the most probable class."""
    order = np.random.default_rng(0).permutation(len(taught.dataset))[:count]
    check = int(len(order) * HELD_OUT_SHARE)
    learn, held = taught.dataset.subset(np.sort(order[check:])), taught.dataset.subset(np.sort(order[:check]))
    tuned = {"epochs": 4, "batch": 16}
    made: dict[str, Classifier] = {
        "TF-IDF": TfidfClassifier(),
        "sentences": SentenceClassifier(),
        "MiniLM, frozen": TextClassifier(encoder="minilm", frozen=True, tokens=128),
        "MiniLM, fine-tuned": TextClassifier(encoder="minilm", tokens=128, training=tuned),
    }
    rows: dict[str, Any] = {}
    for name, classifier in made.items():
        began = time.process_time()
        classifier.fit(learn, held, progress=_say)
        rows[f"{name}, {count} records"] = row = {"seconds": time.process_time() - began}
        said = classifier.predict(dev)
        for prop in taught.dataset.properties:
            frequency = taught.dataset.targets(prop)[0].sum(axis=0)
            truth, named = Dataset(dev, taught.dataset.properties).targets(prop)
            use = named & said[prop.name].present
            row[prop.name] = figures(said[prop.name].probabilities[use], truth[use], frequency)
        print(f"{name}: {mean(row, 'macro_f1'):.3f}, {row['seconds']:.0f} s of processor", flush=True)
    return rows


def elsewhere(taught: TrainingSet, dev: Sequence[Record]) -> None:
    """Each museum left out of training, and its records of dev asked, where 50 of them name a class."""
    made: dict[str, dict[str, Any]] = {
        "words": {"name": "tfidf"},
        "words and meaning": {"name": "tfidf", "fields": [*FIELDS, MEANING]},
        "meaning": {"name": "sentences"},
    }
    print(
        f"{'left out':16}{'read':20}{'property':12}{'records':>8}{'macro-F1':>10}{'accuracy':>10}{'frequent':>10}"
    )
    for museum in sorted({museum_of(r) for r in dev}):
        learn = Dataset(
            [r for r in taught.dataset.records if museum_of(r) != museum], taught.dataset.properties
        )
        asked = Dataset([r for r in dev if museum_of(r) == museum], taught.dataset.properties)
        for label, settings in made.items():
            kind = classifier_class(settings["name"])
            classifier = kind(**{k: v for k, v in settings.items() if k != "name"})
            classifier.fit(learn, learn.subset(np.arange(0)))
            said = classifier.predict(asked.records)
            for prop in taught.dataset.properties:
                truth, named = asked.targets(prop)
                use = named & said[prop.name].present
                frequency = learn.targets(prop)[0].sum(axis=0)
                if use.sum() < COMMON or frequency.sum() < COMMON:
                    continue
                row = figures(said[prop.name].probabilities[use], truth[use], frequency)
                usual = float((truth[use][:, frequency.argmax()] > 0).mean())
                print(
                    f"{museum.rsplit('/', 1)[-1]:16}{label:20}{prop.name:12}{use.sum():8}{row['macro_f1']:10.3f}"
                    f"{row['accuracy']:10.3f}{usual:10.3f}",
                    flush=True,
                )


def museum_of(record: Record) -> str:
    """The museum that a record says; empty for none."""
    return next(iter(record.context.get("museum", ())), "")


def _say(stage: str, done: int, total: int) -> None:
    if stage == "training text":
        print(f"{time.strftime('%H:%M:%S')} {stage}: {done} of {total}", flush=True)


def _classes(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name.rsplit("/", 1)[-1]: dict(row) for name, row in zip(names, rows, strict=True)}


def mean(row: Mapping[str, Any], key: str) -> float:
    """The mean of a figure over the properties."""
    return float(np.mean([v[key] for v in row.values() if isinstance(v, Mapping)]))


def report(rows: Mapping[str, Any], properties: Sequence[str]) -> str:
    """One line per method: macro-F1 by property, the mean, the mean over common classes, the largest ECE."""
    lines = [f"{'':34}" + "".join(f"{p:>10}" for p in properties) + "      mean   common   max ECE"]
    for name, row in rows.items():
        by = "".join(f"{row[p]['macro_f1']:10.3f}" for p in properties)
        largest = max((row[p].get("ece", float("nan")) for p in properties), default=float("nan"))
        lines.append(
            f"{name:34}{by}{mean(row, 'macro_f1'):10.3f}{mean(row, 'macro_f1_common'):9.3f}{largest:10.3f}"
        )
        if "conformal_coverage" in row[properties[0]]:
            said = ", ".join(
                f"{p} {row[p]['conformal_coverage']:.3f} ({row[p]['conformal_size']:.1f} classes)"
                for p in properties
            )
            lines.append(f"{'':4}90 % sets cover: {said}")
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=FOLDER)
    parser.add_argument("--records", type=int, help="of each split, at most")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--minilm", action="store_true")
    parser.add_argument("--fusions", nargs="+", default=["late"])
    parser.add_argument("--no-baselines", action="store_true")
    parser.add_argument("--numerals", choices=("both", "with", "without", "none"), default="both")
    parser.add_argument("--encoders", type=int, default=0, metavar="N")
    parser.add_argument("--elsewhere", action="store_true")
    asked = parser.parse_args()
    found = _records.collections(data_or_skip("collections", asked.data), asked.records)
    taught, dev = found.taught(), found.dev
    properties = [p.name for p in taught.dataset.properties]
    rows = {} if asked.no_baselines else baselines(taught, dev)
    if asked.encoders:
        rows |= encoders(taught, dev, asked.encoders)
    if asked.elsewhere:
        elsewhere(taught, dev)
    texts = [("tfidf", MemberSpec("tfidf"))]
    if asked.minilm:
        texts.append(("MiniLM", MemberSpec("text", {"encoder": "minilm", "frozen": True})))
    with tempfile.TemporaryDirectory() as kept:
        for label, text in texts:
            for numerals, museum in (("with", "museum"), ("without", None)):
                if asked.numerals not in ("both", numerals):
                    continue
                tabular = MemberSpec("tabular", {"museum": museum}, fold_settings={"refit": False})
                for fusion in asked.fusions:
                    found, _ = ours(taught, dev, (text, tabular), fusion, Path(kept))
                    for modality, row in found.items():
                        detail = label if modality == "text" else f"{numerals} numerals"
                        if modality == fusion:
                            detail = f"{label}, {numerals} numerals"
                        rows[f"{modality} ({detail})"] = row
    if rows:
        print(report(rows, properties))
    left = {p: {c.rsplit("/", 1)[-1]: n for c, n in said.items()} for p, said in taught.left_out.items()}
    print("classes left out, with training values:", json.dumps(left))
    if asked.out:
        asked.out.write_text(json.dumps({"rows": rows, "left_out": left}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
