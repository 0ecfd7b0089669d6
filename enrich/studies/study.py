"""What every study has: the records it learns from, a table, panels to plot, a conclusion, and its files."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from enrich.classifiers.base import Classifier, Progress, no_progress
from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.extras import require
from enrich.classifiers.kinds import FloatArray, Indices
from enrich.classifiers.model.metrics import ece, hits
from enrich.classifiers.model.out_of_fold import MemberSpec, fit_classifier
from enrich.classifiers.page import MEANINGS, render, today
from enrich.classifiers.registry import classifier_class
from enrich.classifiers.stored import json_values
from enrich.classifiers.tables import Table
from enrich.errors import InputError
from enrich.graph.labels import class_names
from enrich.graph.record_files import read_splits
from enrich.learn.intervals import Interval, Scored, mean_over, resamples
from enrich.learn.plots import Panel, Point, embedded, panels_figure, save
from enrich.learn.split_records import read_records_of
from enrich.learn.training_set import training_set
from enrich.workspace import Workspace

Cell = str | int | float | None


@dataclass(frozen=True)
class Study:
    """The answer to one question. `setting` says on what and how; `figures` holds all numbers, for JSON."""

    name: str
    question: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    conclusion: str
    setting: Mapping[str, Any]
    panels: Sequence[Panel] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON values: the table by column names, the setting, figures, plotted points and the conclusion."""
        table = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        found: dict[str, Any] = json_values(
            {
                "study": self.name,
                "question": self.question,
                "setting": self.setting,
                "table": table,
                "conclusion": self.conclusion,
                "figures": self.figures,
                "panels": {panel.title: panel.series for panel in self.panels},
            }
        )
        return found

    def table(self) -> Table:
        """The table, its title the question."""
        return Table(self.columns, self.rows, self.question, range(1, len(self.columns)))

    def write(self, folder: Path) -> list[Path]:
        """Write NAME.json, NAME.html, NAME.md (the table and the conclusion) and NAME.png; returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{self.name}.{end}" for end in ("json", "html", "md", "png")]
        text = json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
        paths[0].write_text(text + "\n", encoding="utf-8")
        figure = panels_figure(self.panels)
        paths[1].write_text(self._page(embedded(figure, self.question)), encoding="utf-8")
        paths[2].write_text(f"{self.table().markdown()}\n{self.conclusion}\n", encoding="utf-8")
        save(figure, paths[3])
        return paths

    def _page(self, figure: Markup) -> str:
        about = {term: said for term, said in self.setting.items() if not isinstance(said, Mapping)}
        return render(
            "study.html",
            package="enrich",
            measures=[
                name for name in MEANINGS if (name in self.columns and name != "records") or name == "95 %"
            ],
            title=f"{self.question} {about.get('profile', '')}, {today()}",
            verdict=self.conclusion,
            about={"date": today(), **about},
            study=self,
            figure=figure,
        )


@dataclass(frozen=True)
class Material:
    """Records to learn from and records to measure on, which are never learnt from."""

    train: Dataset
    held_out: Sequence[Record]
    split: str
    museum: str
    names: Callable[[Sequence[str]], Mapping[str, str]]
    seed: int = 0
    profile: str = ""

    def setting(self, **rest: Any) -> dict[str, Any]:
        """What every study says of itself."""
        held_out = Dataset(self.held_out, self.train.properties)
        digests = {"train": self.train.digest, self.split: held_out.digest}
        return {
            "profile": self.profile,
            "data": ", ".join(f"{name} sha256 {digest}" for name, digest in digests.items()),
            "train records": len(self.train),
            f"{self.split} records": len(self.held_out),
            "classes": {p.name: len(p.classes) for p in self.train.properties},
            "seed": self.seed,
            **rest,
        }

    def drawn(self) -> Any:
        """Resamples of the held-out records (rounds, n)."""
        return resamples(len(self.held_out), seed=self.seed)

    def scored(self, first: Mapping[str, Indices], rows: Any = None) -> dict[str, Scored]:
        """First candidates by property, ready to be counted; only in `rows` (n,) bool, if given."""
        truth = Dataset(self.held_out, self.train.properties)
        found = {}
        for prop in self.train.properties:
            target, named = truth.targets(prop)
            use = named if rows is None else named & rows
            if use.any():
                found[prop.name] = Scored.of(target, use, first[prop.name])
        return found

    def means(self, first: Mapping[str, Indices]) -> tuple[FloatArray, FloatArray]:
        """Mean macro-F1 and accuracy of first candidates over the properties, in each resample."""
        drawn, scored = self.drawn(), self.scored(first).values()
        return mean_over([s.macro_f1(drawn) for s in scored]), mean_over([s.correct(drawn) for s in scored])

    def ece(self, first: Mapping[str, Indices], said: Mapping[str, FloatArray]) -> float:
        """The mean calibration error over the properties, from probabilities (n, K); NaN where nothing was said."""
        truth, errors = Dataset(self.held_out, self.train.properties), []
        for prop in self.train.properties:
            target, named = truth.targets(prop)
            use = np.flatnonzero(named & np.isfinite(said[prop.name]).all(axis=1))
            chosen = first[prop.name][use]
            errors.append(ece(said[prop.name][use, chosen], hits(target[use], chosen)))
        return float(np.nanmean(errors))


def gather(
    workspace: Workspace,
    splits: Path,
    split: str = "dev",
    *,
    records: int | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Material:
    """Read the train split (`records` of them, drawn at random, when given) and the split to measure on.

    Raises InputError for splits without records.
    """
    require("report")
    known = read_splits(splits)
    for name in ("train", split):
        if not known.get(name):
            raise InputError(f"{splits} has no record in the split {name!r}")
    train, _ = read_records_of(workspace, known["train"], progress)
    held_out, _ = read_records_of(workspace, known[split], progress)
    if records is not None and records < len(train):
        chosen = np.sort(np.random.default_rng(seed).choice(len(train), records, replace=False))
        train = [train[int(i)] for i in chosen]
    return Material(
        training_set(train, workspace.profile).dataset,
        held_out,
        split,
        workspace.profile.museum,
        lambda iris: class_names(workspace.store, iris, workspace.profile.prefixes),
        seed,
        workspace.profile.name,
    )


def fit(member: MemberSpec, dataset: Dataset, seed: int, progress: Progress = no_progress) -> Classifier:
    """One classifier, a tenth of the records held out for early stopping, and not refitted on them."""
    once = classifier_class(member.classifier).fold_settings
    cheaper = replace(member, settings={**member.settings, **once})
    return fit_classifier(dataset, cheaper, seed, progress)[0]


def first_candidates(classifier: Classifier, records: Sequence[Record], train: Dataset) -> dict[str, Indices]:
    """The most probable class of each record and property; where it is absent, the most frequent of `train`."""
    usual = most_frequent(train)
    return {
        name: np.where(d.present, np.nan_to_num(d.probabilities).argmax(axis=1), usual[name])
        for name, d in classifier.predict(records).items()
    }


def most_frequent(train: Dataset) -> dict[str, int]:
    """The column of each property's most frequent class."""
    return {p.name: int(train.targets(p)[0].sum(axis=0).argmax()) for p in train.properties}


def line(values: Iterable[tuple[float | str, FloatArray]]) -> list[Point]:
    """A series of a plot: figures in each resample by where they stand, with their intervals."""
    found = ((x, Interval.of(resampled)) for x, resampled in values)
    return [(x, i.value, i.low, i.high) for x, i in found]


def where_clear(gains: Mapping[str, Interval], better: str, worse: str) -> str:
    """Both sentences, such as "helps at {}", with the places where a gain is clear; nothing where it is nowhere."""
    up = [at for at, gain in gains.items() if gain.clear and gain.value > 0]
    down = [at for at, gain in gains.items() if gain.clear and gain.value < 0]
    return " and ".join(said.format(", ".join(at)) for said, at in ((better, up), (worse, down)) if at)
