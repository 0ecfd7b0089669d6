"""Late fusion: gradient-boosted trees over what each modality said, and what the record says as a whole.

Rei et al. 2022 (section 4.5) boost trees over the modalities' class probabilities. Here the trees also
see presence masks, the known values of the other properties (hidden at random in training, because at
night the neighbours are missing too), a linear machine over words, context and values together, and the
votes of the most similar records. All that is learnt from is out-of-fold (Wolpert 1992).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classifiers.base import ClassifierError, Distribution, FloatArray, Progress, no_progress
from classifiers.data import Dataset, Property, Record
from classifiers.fusion.base import ByModality, Fuser
from classifiers.fusion.columns import Columns, RecordColumns, gated
from classifiers.fusion.joint import LINEAR, WholeRecord
from classifiers.fusion.rows import distribution, heard_rows, present_rows, some_rows, thinned
from classifiers.fusion.table import Boosting, Table, answer, boost, log_odds, shares
from classifiers.model.calibration import Calibrator
from classifiers.settings import from_json, require, to_json
from classifiers.tabular.losses import sigmoid, softmax
from classifiers.tfidf.features import TextFeatureSettings

WHOLE = "whole.safetensors"
_SCALE = 3.0


@dataclass(frozen=True)
class LateFusionSettings:
    """What can be set.

    `gamma` is the focal loss's; `hide_known` the share of training records seen a second time with known
    values hidden; `whole_record` whether the linear machine, the neighbours and the lifts take part;
    `cost` the linear machine's C; `folds` how many times it is fitted for its out-of-fold scores;
    `records` the most that trees are grown on. `features` are the machine's texts: with words and values
    beside them, letters by fours serve as well as three to five and take half the time.
    """

    rounds: int = 150
    depth: int = 4
    eta: float = 0.1
    gamma: float = 1.0
    hide_known: float = 0.3
    whole_record: bool = True
    cost: float = 1.0
    folds: int = 5
    records: int = 60_000
    features: TextFeatureSettings = field(default_factory=lambda: TextFeatureSettings(letters=(4, 4)))

    def __post_init__(self) -> None:
        require(self.rounds >= 1 and self.depth >= 1 and self.folds >= 2, "rounds, depth ≥ 1, folds ≥ 2")
        require(0.0 <= self.hide_known <= 1.0 and self.gamma >= 0.0, "hide_known is in [0, 1], gamma ≥ 0")
        require(self.eta > 0.0 and self.cost > 0.0 and self.records >= 1, "eta, cost, records are above 0")


@dataclass(frozen=True)
class _Gathered:
    """Out-of-fold evidence of the training records, and of the copies (rows) with known values hidden."""

    seen: dict[str, dict[str, FloatArray]]
    hidden: dict[str, dict[str, FloatArray]]
    rows: NDArray[np.intp]


class LateFusion(Fuser):
    """See the module. Modalities that it was not trained with, or that are absent, are simply not heard."""

    name = "late"

    def __init__(self, **settings: Any) -> None:
        self.settings = from_json(LateFusionSettings, settings, "late fusion")
        self.modalities: tuple[str, ...] = ()
        self.layout: RecordColumns | None = None
        self.whole: dict[str, WholeRecord] = {}
        self.starts: dict[str, Calibrator] = {}
        self.priors: dict[str, FloatArray] = {}
        self.boosters: dict[str, Any] = {}
        self._kept: tuple[Dataset, Columns | None, _Gathered] | None = None

    def fit(
        self, dataset: Dataset, by: ByModality, *, seed: int = 0, progress: Progress = no_progress
    ) -> Mapping[str, Any]:
        """See Fuser.fit. Evidence gathered by `cross_fit` on the same dataset is used again."""
        if self._kept is None or self._kept[0] is not dataset:
            fold = np.random.default_rng(seed).permutation(len(dataset)) % self.settings.folds
            self._gather(dataset, by, fold, seed, progress)
        assert self._kept is not None
        _, columns, gathered = self._kept
        self._kept = None
        if self.layout is not None and columns is not None:
            self.whole = self._whole(dataset, columns, np.ones(len(dataset), dtype=bool), seed)
        everyone = np.arange(len(dataset))
        history: dict[str, Any] = {"note": self._note()}
        for i, prop in enumerate(self.properties):
            self.starts[prop.name], self.boosters[prop.name] = self._boost(
                dataset, by, gathered, prop, everyone, seed
            )
            progress("late fusion", i + 1, len(self.properties))
        return history

    def cross_fit(
        self,
        dataset: Dataset,
        by: ByModality,
        fold: NDArray[np.intp],
        *,
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> dict[str, Distribution]:
        """Fused answers of trees that did not see the record; the evidence is gathered once for all folds."""
        self._gather(dataset, by, fold, seed, progress)
        assert self._kept is not None
        gathered = self._kept[2]
        found = {}
        for prop in self.properties:
            said = np.full((len(dataset), len(prop.classes)), np.nan)
            for k in range(int(fold.max()) + 1):
                inside, outside = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
                start, booster = self._boost(dataset, by, gathered, prop, outside, seed + k + 1)
                evidence = {name: v[inside] for name, v in gathered.seen[prop.name].items()}
                table = self._table(prop, some_rows(by, prop, inside), evidence, start, len(inside))
                said[inside] = _ask(booster, table, prop, self.priors[prop.name])
            found[prop.name] = distribution(prop, said, present_rows(by, prop, len(dataset)))
        return found

    def _gather(
        self, dataset: Dataset, by: ByModality, fold: NDArray[np.intp], seed: int, progress: Progress
    ) -> None:
        """Learn the columns, and the evidence on every record by machines that did not see it."""
        self.properties, self.modalities = dataset.properties, tuple(sorted(by))
        rng = np.random.default_rng(seed)
        rows = np.flatnonzero(rng.random(len(dataset)) < self.settings.hide_known)
        for prop in self.properties:
            target, named = dataset.targets(prop)
            self.priors[prop.name] = (target[named].sum(axis=0) + 0.5) / (named.sum() + 1.0)
        seen: dict[str, dict[str, FloatArray]] = {p.name: {} for p in self.properties}
        hidden: dict[str, dict[str, FloatArray]] = {p.name: {} for p in self.properties}
        columns: Columns | None = None
        self.layout = None
        if self.settings.whole_record and {"text", "tabular"} & set(by):
            self.layout, columns = RecordColumns.learn(dataset.records, self.settings.features)
            thin = [thinned(dataset.records[int(i)], rng) for i in rows]
            copies = Columns(columns.text[rows], self.layout.token_matrix(thin))
            folds = int(fold.max()) + 1
            for k in range(folds):
                whole = self._whole(dataset, columns, fold != k, seed + k + 1)
                self._fill(seen, whole, by, columns, np.arange(len(dataset)), fold == k)
                self._fill(hidden, whole, by, copies, rows, fold[rows] == k)
                progress("fusion: the record as a whole", k + 1, folds)
        self._kept = (dataset, columns, _Gathered(seen, hidden, rows))

    def _whole(
        self, dataset: Dataset, columns: Columns, use: NDArray[np.bool_], seed: int
    ) -> dict[str, WholeRecord]:
        assert self.layout is not None
        layout = self.layout
        found = {}
        for prop in self.properties:
            target, named = dataset.targets(prop)
            rows = np.flatnonzero(named & use)
            found[prop.name] = WholeRecord.fit(
                prop, layout, columns.take(rows), target[rows], cost=self.settings.cost, seed=seed
            )
        return found

    def _fill(
        self,
        into: dict[str, dict[str, FloatArray]],
        whole: Mapping[str, WholeRecord],
        by: ByModality,
        columns: Columns,
        rows: NDArray[np.intp],
        use: NDArray[np.bool_],
    ) -> None:
        """Evidence of the columns where `use`; `rows` are their records' places in `by`."""
        places = np.flatnonzero(use)

        for prop in self.properties:
            said = self._evidence(whole[prop.name], by, columns.take(places), rows[places])
            for name, values in said.items():
                empty = np.full((len(rows), len(prop.classes)), np.nan)
                into[prop.name].setdefault(name, empty)[places] = values

    def _evidence(
        self, whole: WholeRecord, by: ByModality, columns: Columns, rows: NDArray[np.intp]
    ) -> dict[str, FloatArray]:
        """What the whole record says, hearing only what the members may: no texts where text is absent."""
        text, tabular = (heard_rows(by, m, whole.property, rows) for m in ("text", "tabular"))
        return whole.evidence(gated(columns, text, tabular))

    def _boost(
        self,
        dataset: Dataset,
        by: ByModality,
        gathered: _Gathered,
        prop: Property,
        rows: NDArray[np.intp],
        seed: int,
    ) -> tuple[Calibrator, Any]:
        """The calibration of the start and the trees, learnt from `rows` that name a class; None for no trees."""
        target, named = dataset.targets(prop)
        named &= present_rows(by, prop, len(dataset))
        learn = rows[named[rows]]
        if len(learn) > self.settings.records:
            chosen = np.random.default_rng(seed).choice(learn, self.settings.records, replace=False)
            learn = np.sort(chosen)
        seen = {name: v[learn] for name, v in gathered.seen[prop.name].items()}
        start = Calibrator("none", prop.many)
        if LINEAR in seen:
            raw = _probabilities(seen[LINEAR], prop.many)
            start = Calibrator.fit(
                raw, target[learn], prop.many, methods=("temperature", "vector"), seed=seed
            )
        if len(prop.classes) < 2 or not len(learn):
            return start, None
        table = self._table(prop, some_rows(by, prop, learn), seen, start, len(learn))
        targets, weight = target[learn], np.ones(len(learn))
        again = np.flatnonzero(np.isin(gathered.rows, learn))
        if len(again) and gathered.hidden[prop.name]:
            who = gathered.rows[again]
            hidden = {name: v[again] for name, v in gathered.hidden[prop.name].items()}
            table = Table.join(table, self._table(prop, some_rows(by, prop, who), hidden, start, len(who)))
            targets = np.vstack([targets, target[who]])
            weight = np.concatenate([weight, np.full(len(who), 0.5)])
        s = self.settings
        trees = Boosting(s.rounds, s.depth, s.eta, s.gamma)
        return start, boost(table, targets, weight, prop.many, trees, seed)

    def _table(
        self,
        prop: Property,
        said: Mapping[str, Distribution],
        evidence: Mapping[str, FloatArray],
        start: Calibrator,
        n: int,
    ) -> Table:
        prior = self.priors[prop.name]
        common = log_odds(np.tile(prior, (n, 1)), prop.many)
        if LINEAR in evidence:
            base = log_odds(start.apply(_probabilities(evidence[LINEAR], prop.many)), prop.many)
        else:
            odds = [log_odds(d.probabilities, prop.many) for m, d in said.items() if m in self.modalities]
            heard = np.stack([common, *odds])
            count = np.isfinite(heard[1:]).sum(axis=0)
            base = np.where(count > 0, np.nansum(heard[1:], axis=0) / np.maximum(count, 1), common)
        base = np.where(np.isfinite(base), base, common)
        return Table.build(self.modalities, said, evidence, base, prior, prop.many)

    def predict(self, records: Sequence[Record], by: ByModality) -> dict[str, Distribution]:
        """One distribution per property; absent where every modality is."""
        tables = self._tables(records, by)
        answers = {}
        for prop in self.properties:
            said = _ask(self.boosters[prop.name], tables[prop.name], prop, self.priors[prop.name])
            answers[prop.name] = distribution(prop, said, present_rows(by, prop, len(records)))
        return answers

    def _tables(self, records: Sequence[Record], by: ByModality) -> dict[str, Table]:
        rows = np.arange(len(records))
        columns = None if self.layout is None else self.layout.matrices(records)
        tables = {}
        for prop in self.properties:
            evidence: dict[str, FloatArray] = {}
            if columns is not None:
                evidence = self._evidence(self.whole[prop.name], by, columns, rows)
            tables[prop.name] = self._table(
                prop, some_rows(by, prop, rows), evidence, self.starts[prop.name], len(records)
            )
        return tables

    def contributions(
        self, record: Record, by: ByModality, prop: str, class_index: int
    ) -> list[tuple[str, float]]:
        """Each modality's say in the log-odds of a class, the largest first.

        `whole record` is the linear machine over everything, which is also where the trees start;
        `neighbours` the votes of similar records; `known: …` and `context: …` what a value alone says.
        """
        booster = self.boosters[prop]
        if booster is None:
            return []
        table = self._tables([record], by)[prop]
        said: dict[str, float] = {}
        for name, value in shares(booster, table, np.array([class_index]))[0].items():
            group = name.removesuffix(" gap").removesuffix(" present")
            if group in (LINEAR, "base"):
                group = "whole record" if self.layout is not None else "all modalities"
            said[group] = said.get(group, 0.0) + value
        return sorted(said.items(), key=lambda item: -abs(item[1]))

    def _note(self) -> str:
        heard = ", ".join(self.modalities)
        if len(self.modalities) == 1:
            return f"one modality only ({heard}): the trees weigh it against known values and similar records"
        missing = sorted({"image", "text", "tabular"} - set(self.modalities))
        return f"fuses {heard}" + (f"; not trained with {' or '.join(missing)}" if missing else "")

    def write(self, folder: Path) -> Mapping[str, Any]:
        """One booster per property; with the whole record also its columns and whole.safetensors."""
        from safetensors.numpy import save_file

        for i, prop in enumerate(self.properties):
            if self.boosters[prop.name] is not None:
                self.boosters[prop.name].save_model(folder / f"{i}.ubj")
        if self.layout is not None:
            self.layout.write(folder)
            arrays = {
                f"{i}.{name}": array
                for i, prop in enumerate(self.properties)
                for name, array in self.whole[prop.name].arrays().items()
            }
            save_file(arrays, folder / WHOLE)
        return {
            "settings": to_json(self.settings),
            "modalities": list(self.modalities),
            "whole_record": self.layout is not None,
            "starts": {name: c.to_json() for name, c in self.starts.items()},
            "priors": {name: p.tolist() for name, p in self.priors.items()},
            "boosted": [p.name for p in self.properties if self.boosters[p.name] is not None],
            "note": self._note(),
        }

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any], properties: tuple[Property, ...]) -> Self:
        """Raises ClassifierError when files are damaged or do not fit the labels."""
        try:
            made = cls(**config["settings"])
            made.properties = properties
            made.modalities = tuple(map(str, config["modalities"]))
            for prop in properties:
                prior = np.asarray(config["priors"][prop.name], dtype=np.float64)
                if prior.shape != (len(prop.classes),) or not np.isfinite(prior).all():
                    raise ClassifierError(f"{folder}: the priors of {prop.name} do not fit its labels")
                made.priors[prop.name] = prior
                start = config["starts"][prop.name]
                size = len(prop.classes) if start["method"] != "none" else None
                made.starts[prop.name] = Calibrator.from_json(start, size)
            boosted, whole = set(config["boosted"]), bool(config["whole_record"])
        except (KeyError, TypeError, ValueError) as error:
            raise ClassifierError(f"{folder}: the late fusion cannot be read: {error!r}") from error
        if whole:
            made._read_whole(folder)
        for i, prop in enumerate(properties):
            made.boosters[prop.name] = (
                _read_booster(folder / f"{i}.ubj", prop) if prop.name in boosted else None
            )
        return made

    def _read_whole(self, folder: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        self.layout = RecordColumns.read(folder, self.settings.features)
        try:
            arrays = load_file(folder / WHOLE)
        except (OSError, SafetensorError) as error:
            raise ClassifierError(f"{folder}: {WHOLE} cannot be read: {error}") from error
        for i, prop in enumerate(self.properties):
            own = {name.split(".", 1)[1]: a for name, a in arrays.items() if name.split(".", 1)[0] == str(i)}
            self.whole[prop.name] = WholeRecord.restore(prop, self.layout, own, folder)


def _read_booster(path: Path, prop: Property) -> Any:
    import xgboost as xgb

    booster = xgb.Booster()
    try:
        booster.load_model(path)
    except (xgb.core.XGBoostError, OSError) as error:
        raise ClassifierError(f"{path}: the booster of {prop.name} is damaged") from error
    return booster


def _ask(booster: Any, table: Table, prop: Property, prior: FloatArray) -> FloatArray:
    if booster is None:
        shown: FloatArray = prior if prop.many else prior / prior.sum()
        return np.tile(shown, (len(table.base), 1))
    return answer(booster, table, prop.many)


def _probabilities(scores: FloatArray, many: bool) -> FloatArray:
    return sigmoid(_SCALE * scores) if many else softmax(_SCALE * scores)
