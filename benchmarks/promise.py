"""Whether the promise of precision is kept where the gaps are: on groups and blocks that never recorded a property.

    python benchmarks/promise.py --draw FILE.json --figure FILE.png [--sets silk made] [--kinds group block]
    python benchmarks/promise.py [--data DIR] [--sets silk collections dma made] [--kinds group block split]
        [--properties P …] [--least N] [--records N] [--plain] [--out FILE.json] [--figure FILE.png]

One property of one group is hidden wholly, the model trained with default settings on the rest, and its answers
compared with the group's own values: for every group and property with at least N values on dev. The same with every
other tenth of all accession numbers hidden, and on the ordinary dev split (of dma, which has none, a quarter of the
records drawn at random). `made` is the made museum of the demo, whose titles and descriptions say what they speak of.
Beside the product stand: thresholds by point estimate from records drawn at random, as before regimes; the same from groups or blocks left out; the bound with importance weights (a linear classifier tells the
records asked from those that taught; Tibshirani et al. 2019); and Mondrian conformal sets of one class, by crepes, where it
is installed. --plain leaves these out. A value outside the classes is an error everywhere.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _data import FOLDER, data_or_skip
from _records import NAMES, TABULAR, TEXT, read_sets, some
from sklearn.linear_model import LogisticRegression

from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.kinds import Flags, FloatArray, Indices
from enrich.classifiers.model.decision_rule import order_candidates
from enrich.classifiers.model.fitting import Fitted, ModelSpec
from enrich.classifiers.model.metrics import NEVER, asserted_classes, ece, hits, macro_f1, selective_curve
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.classifiers.model.regimes import REGIMES, Regime
from enrich.classifiers.model.thresholds import FLOOR, share_bounds
from enrich.classifiers.tabular.features import FeatureMap
from enrich.demo.museum import write_museum
from enrich.graph.loading import load_files
from enrich.graph.reading import Reader
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.learn.hiding import Hidden, Trained, check, hidden_blocks, hidden_groups, train_without
from enrich.learn.plots import Panel, Point, panels_figure, save
from enrich.learn.training_set import training_set
from enrich.ontology.profile_files import parse_profile
from enrich.ontology.profiles import Profile

try:
    from crepes import ConformalClassifier
except ImportError:  # an optional comparison
    ConformalClassifier = None

DMA = """
title = "Dallas Museum of Art: CIDOC-CRM of the American Art Collaborative"
record_class = "crm:E22_Man-Made_Object"
[properties.material]
predicate = "crm:P45_consists_of"
minimum = 10
[properties.maker]
node = ["crm:P108i_was_produced_by"]
predicate = "crm:P14_carried_out_by"
minimum = 10
[texts.title]
path = ["rdfs:label"]
[contexts.type]
path = ["crm:P2_has_type"]
"""


@dataclass(frozen=True)
class Museum:
    """Records of train and dev, what to learn by, and the contexts whose groups are hidden."""

    profile: Profile
    train: list[Record]
    dev: list[Record]
    spec: ModelSpec
    contexts: tuple[str, ...]

    def learn(self, records: Sequence[Record]) -> Dataset:
        """The dataset that a training makes."""
        return training_set(records, self.profile).dataset


def museum(name: str, data: Path, most: int | None, *, objects: int = 4000) -> Museum:
    """One of the sets, read from its files; the made one with so many objects."""
    if name == "dma":
        return _dma(data, most)
    if name == "made":
        with tempfile.TemporaryDirectory() as made:
            write_museum(Path(made), objects)
            spec = (replace(TABULAR, settings={"numerals": False}), TEXT)
            files = ("records.nq", "vocabulary.nq")
            return _museum(Path(made), "linked-art", "splits.tsv", files, spec, most)
    if name == "silk":
        files = ("records.nq.gz", "thesaurus.ttl.gz")
        return _museum(data / "silknow", "silknow", "splits.tsv.gz", files, (TABULAR,), most)
    files = ("records.nq.gz", "vocabulary.nq.gz")
    return _museum(data / "collections", "linked-art", "splits.tsv.gz", files, (TABULAR, TEXT), most)


def _museum(
    folder: Path,
    profile_name: str,
    splits_file: str,
    files: Sequence[str],
    members: tuple[MemberSpec, ...],
    most: int | None,
) -> Museum:
    found = read_sets(folder, profile_name, files, most, splits_file)
    groups = found.profile.grouped_by
    return Museum(found.profile, found.train, found.dev, ModelSpec(members, groups=groups), groups)


def _dma(data: Path, most: int | None) -> Museum:
    profile = parse_profile(DMA, "dma", "benchmarks/promise.py")
    with EmbeddedStore() as store:
        load_files(store, [data / "foreign" / "dma" / "consolidated_data.n3.zip"])
        reader = Reader(store, profile, NAMES)
        records = [x.record for x in some(list(reader.read_all()), most)]
    drawn = np.random.default_rng(0).permutation(len(records))
    cut = len(records) // 4
    parts = [[records[int(i)] for i in np.sort(rows)] for rows in (drawn[cut:], drawn[:cut])]
    return Museum(profile, *parts, ModelSpec((replace(TABULAR, settings={}), TEXT)), ())


def cases(museum: Museum, kind: str, least: int) -> tuple[list[Record], list[Hidden]]:
    """The records and what of them is hidden: all records for groups and blocks, those of dev for the split."""
    names = [p.name for p in museum.learn(museum.train).properties]
    everything = [*museum.train, *museum.dev]
    on_dev = np.arange(len(everything)) >= len(museum.train)
    if kind == "group":
        enough = {
            (h.context, h.group, h.property) for h in hidden_groups(museum.dev, names, museum.contexts, least)
        }
        found = hidden_groups(everything, names, museum.contexts, least)
        return everything, [h for h in found if (h.context, h.group, h.property) in enough]
    if kind == "block":
        return everything, list(hidden_blocks(everything, names, museum.spec.groups, least))
    hidden = []
    for name in names:
        rows = on_dev & np.array([bool(r.known.get(name)) or name in r.outside for r in everything])
        hidden.append(Hidden("block", "dev", "", name, rows))
    return everything, hidden


def point_threshold(confidence: FloatArray, correct: Flags, target: float) -> float:
    """The lowest threshold at which at least 20 answers are right often enough, by their share alone."""
    thresholds, coverage, precision = selective_curve(confidence, correct)
    good = np.flatnonzero((precision >= target) & (coverage * len(confidence) >= 20))
    return float(thresholds[good[-1]]) if len(good) else NEVER


def others(trained: Trained, fits: dict[Regime, Fitted | None], target: float) -> dict[str, dict[str, float]]:
    """What the other ways answer, and how often they are right."""
    found: dict[str, dict[str, float]] = {}
    regime = REGIMES[int(np.bincount(trained.regimes, minlength=3).argmax())]
    for name, by in (("random records, point", "seen"), ("left out alike, point", regime)):
        if (fitted := fits.get(by)) is not None:
            found[name] = _by_point(trained, fitted, target)
    if (fitted := fits.get(regime)) is not None and not trained.property.many:
        found["left out alike, bound, weights"] = _by_weights(trained, fitted, target)
    if (
        ConformalClassifier is not None
        and (fitted := fits.get("seen")) is not None
        and not trained.property.many
    ):
        found["random records, crepes"] = _by_crepes(trained, fitted, target)
    return found


def _held_out(trained: Trained, fitted: Fitted) -> tuple[FloatArray, FloatArray, FloatArray, Indices]:
    """Out-of-fold probabilities and targets of the training records, and probabilities and first candidates of the
    records asked."""
    prop, view = trained.property, trained.views[_regime_of(trained, fitted)]
    target, named = view.dataset.targets(prop)
    made = fitted.fused[prop.name]
    use = np.flatnonzero(named & made.present)
    answer = fitted.model.answer(trained.asked)[prop.name]
    return made.probabilities[use], target[use], np.nan_to_num(answer.fused.probabilities), answer.first()


def _regime_of(trained: Trained, fitted: Fitted) -> Regime:
    return next(r for r, v in trained.views.items() if v.hides == fitted.model.hides and r != "unseen block")


def _by_point(trained: Trained, fitted: Fitted, target: float) -> dict[str, float]:
    prop = trained.property
    p, y, asked, first_asked = _held_out(trained, fitted)
    first = order_candidates(p, fitted.model.offsets[prop.name])[:, 0]
    threshold: Any
    if prop.many:
        threshold = tuple(point_threshold(p[:, k], y[:, k] > 0, target) for k in range(p.shape[1]))
    else:
        threshold = point_threshold(p[np.arange(len(first)), first], hits(y, first), target)
    asserted = asserted_classes(asked, first_asked, threshold, prop.many)
    correct = hits(trained.truth, first_asked)
    return _share(asserted, trained) | {
        "macro_f1": macro_f1(trained.truth, first_asked),
        "ece": ece(asked[np.arange(len(asked)), first_asked], correct),
    }


def _by_weights(trained: Trained, fitted: Fitted, target: float) -> dict[str, float]:
    """The bound on weighted answers, at their effective number (Kish 1965)."""
    prop, view = trained.property, trained.views[_regime_of(trained, fitted)]
    target_of, named = view.dataset.targets(prop)
    made = fitted.fused[prop.name]
    use = np.flatnonzero(named & made.present)
    asked = [r.without_contexts(view.hides) for r in trained.asked]
    shown = [view.dataset.records[int(i)].without(prop.name) for i in use]
    matrix = FeatureMap.learn([*shown, *asked]).matrix([*shown, *asked])
    which = np.r_[np.zeros(len(shown)), np.ones(len(asked))]
    odds = LogisticRegression(max_iter=200, class_weight="balanced").fit(matrix, which).predict_proba(matrix)
    weight = np.clip(odds[: len(shown), 1] / odds[: len(shown), 0], 0.01, 100.0)
    p, y = made.probabilities[use], target_of[use]
    first = order_candidates(p, fitted.model.offsets[prop.name])[:, 0]
    confidence, correct = p[np.arange(len(first)), first], hits(y, first)
    threshold = NEVER
    for cut in np.unique(np.quantile(confidence, np.linspace(0, 1, 100)))[::-1]:
        over = confidence >= max(cut, FLOOR)
        own = weight[over]
        effective = own.sum() ** 2 / max((own**2).sum(), 1e-9)
        right = float((own * correct[over]).sum() / max(own.sum(), 1e-9)) * effective
        if effective >= 1 and share_bounds(right, effective)[0] >= target:
            threshold = max(float(cut), FLOOR)
        elif threshold != NEVER:
            break
    answer = fitted.model.answer(trained.asked)[prop.name]
    asserted = replace(answer, thresholds=np.full(answer.order.shape, threshold)).asserted()
    return {**_share(asserted, trained), "effective": float(weight.sum() ** 2 / (weight**2).sum())}


def _by_crepes(trained: Trained, fitted: Fitted, target: float) -> dict[str, float]:
    """Sets of one class, Mondrian by the class that is likeliest."""
    p, y, asked, _ = _held_out(trained, fitted)
    made = ConformalClassifier()
    made.fit(1.0 - p[np.arange(len(p)), y.argmax(axis=1)], bins=p.argmax(axis=1))
    sets = made.predict_set(1.0 - asked, bins=asked.argmax(axis=1), confidence=target) > 0
    return _share(sets & (sets.sum(axis=1, keepdims=True) == 1), trained)


def _share(asserted: Flags, trained: Trained) -> dict[str, float]:
    return {"asserted": int(asserted.sum()), "right": int((asserted & (trained.truth > 0)).sum())}


def measured(
    museum: Museum, kind: str, least: int, plain: bool, properties: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """One row for each hidden property, of all or of these."""
    records, hidden = cases(museum, kind, least)
    for one in (h for h in hidden if not properties or h.property in properties):
        began = time.monotonic()
        trained = train_without(records, one, museum.learn, museum.spec)
        if trained is None:
            where = {"kind": kind, "group": one.group, "property": one.property}
            yield where | {"note": "nothing left to learn"}
            continue
        kept: dict[Regime, Fitted | None] = {}
        known = partial(_fit_once, trained, kept)
        row = asdict(check(trained, one, known)) | {"kind": kind}
        if not plain:
            for regime in ("seen", REGIMES[int(np.bincount(trained.regimes, minlength=3).argmax())]):
                known(regime)
            row["others"] = others(trained, kept, museum.spec.target_precision)
        row["seconds"] = round(time.monotonic() - began, 1)
        yield row


def _fit_once(trained: Trained, kept: dict[Regime, Fitted | None], regime: Regime) -> Fitted | None:
    if regime not in kept:
        kept[regime] = trained.fit(regime)
    return kept[regime]


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Pooled over all hidden properties, for the product and each other way."""
    done = [r for r in rows if "asked" in r]
    asserted, right = sum(r["asserted"] for r in done), sum(r["right"] for r in done)
    large = [r["right"] / r["asserted"] for r in done if r["asserted"] >= 50]
    found: dict[str, Any] = {
        "hidden": len(done),
        "asked": sum(r["asked"] for r in done),
        "answered": sum(r["answered"] for r in done),
        "right when answered": right / asserted if asserted else None,
        "worst with 50 answers": min(large) if large else None,
        "still answered": sum(r["answered"] > 0 for r in done),
        "macro_f1": float(np.mean([r["macro_f1"] for r in done])) if done else None,
        "worst ece": max((r["ece"] for r in done), default=None),
        "with sets": sum(r["with_sets"] for r in done),
        "sets cover": _pooled(done, "covered", "with_sets"),
        "worst sets": min((r["covered"] for r in done if r["with_sets"] >= 50), default=None),
    }
    for name in dict.fromkeys(n for r in done for n in r.get("others", {})):
        own = [r["others"][name] for r in done if name in r.get("others", {})]
        given, well = sum(o["asserted"] for o in own), sum(o["right"] for o in own)
        worst = [o["right"] / o["asserted"] for o in own if o["asserted"] >= 50]
        found[name] = {
            "asserted": given,
            "right when answered": well / given if given else None,
            "worst with 50 answers": min(worst) if worst else None,
        }
        if all("macro_f1" in o for o in own):
            found[name] |= {
                "macro_f1": float(np.mean([o["macro_f1"] for o in own])),
                "worst ece": max(o["ece"] for o in own),
            }
    return found


def _pooled(rows: Sequence[dict[str, Any]], share: str, number: str) -> float | None:
    """The mean of a share, by the number of records it is of."""
    total = sum(r[number] for r in rows)
    return sum(r[share] * r[number] for r in rows if r[number]) / total if total else None


def figure(found: dict[str, Any], path: Path) -> None:
    """Promised beside kept, by what was hidden: before regimes, and now. What is not answered has no bar."""
    panels = []
    for title, part in found.items():
        series: dict[str, list[Point]] = {"as before": [], "by regime": []}
        for row in part["rows"]:
            if "asked" not in row:
                continue
            name = f"{row['property']}, {row['group'].rsplit('/', 1)[-1] or 'all'}"
            before = row.get("others", {}).get("random records, point", {})
            for points, own in zip(series.values(), (before, row), strict=True):
                if own.get("asserted", 0) >= 20:
                    points.append(
                        (name, own["right"] / own["asserted"], *share_bounds(own["right"], own["asserted"]))
                    )
        if any(series.values()):
            panels.append(Panel(title, "share right", "", series, promised=0.9))
    save(panels_figure(panels), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=FOLDER)
    parser.add_argument("--sets", nargs="+", default=["silk", "collections", "dma", "made"])
    parser.add_argument("--kinds", nargs="+", default=["group", "block", "split"])
    parser.add_argument("--properties", nargs="+", default=[], help="otherwise all")
    parser.add_argument("--least", type=int, default=100, help="values on dev that a group needs")
    parser.add_argument("--records", type=int, help="records of each split, at most")
    parser.add_argument("--plain", action="store_true", help="the product alone")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--figure", type=Path, help="a plot of what was promised beside what was kept")
    parser.add_argument("--draw", type=Path, help="what --out wrote before, to be drawn again")
    asked = parser.parse_args()
    if asked.draw:
        drawn = json.loads(asked.draw.read_text(encoding="utf-8"))
        wanted = {f"{name}, {kind}" for name in asked.sets for kind in asked.kinds}
        figure({k: part for k, part in drawn.items() if k in wanted}, asked.figure)
        return
    data_or_skip("silknow/records.nq.gz", asked.data)
    found: dict[str, Any] = {}
    for name in asked.sets:
        held = museum(name, asked.data, asked.records)
        for kind in asked.kinds:
            rows = []
            for row in measured(held, kind, asked.least, asked.plain, asked.properties):
                print(name, json.dumps(row), flush=True)
                rows.append(row)
            found[f"{name}, {kind}"] = {"summary": summary(rows), "rows": rows}
            print(
                f"== {name}, {kind}:", json.dumps(found[f"{name}, {kind}"]["summary"], indent=1), flush=True
            )
            if asked.figure:
                figure(found, asked.figure)
            if asked.out:
                asked.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
