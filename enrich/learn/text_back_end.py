"""Which text classifier a museum gets: what the settings name, or the better one of those that can be had."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from classifiers.base import ClassifierError, Distribution, Progress
from classifiers.data import Dataset
from classifiers.model.metrics import macro_f1
from classifiers.model.out_of_fold import MemberSpec, fold_of, held_out_predictions
from classifiers.settings import from_json
from enrich.errors import SettingsError

if TYPE_CHECKING:
    from classifiers.neural.text import TextSettings

TEXT_BACK_ENDS = {"tfidf": "tfidf", "transformer": "text"}
"""Back end, as `train.options.text.back_end` names it, to the classifier's name."""
AUTO = "auto"


def text_member(options: Mapping[str, Any], common: Mapping[str, Any], folds: int | None) -> MemberSpec:
    """The text classifier that `[train.options.text]` asks for; for `auto` one that `chosen` replaces.

    A table `tfidf` or `transformer` within the options holds what is said of that back end alone, so that
    changing one for the other changes one line. `common` are the settings of every neural classifier.
    Raises SettingsError for a back end that there is not, or options that no back end takes.
    """
    own = dict(options)
    tables = {name: dict(own.pop(name, {})) for name in TEXT_BACK_ENDS}
    back_end = own.pop("back_end", "tfidf")
    if back_end == AUTO:
        if own:
            raise SettingsError(
                f'train.options.text.{min(own)}: with back_end = "auto" say it under '
                "[train.options.text.tfidf] or [train.options.text.transformer]"
            )
        tables["transformer"] = merged(common, tables["transformer"])
        return MemberSpec(AUTO, tables, folds)
    if back_end not in TEXT_BACK_ENDS:
        known = ", ".join((*TEXT_BACK_ENDS, AUTO))
        raise SettingsError(f"train.options.text.back_end is {back_end!r}; there are: {known}")
    settings = merged(own, tables[back_end])
    if back_end == "transformer":
        settings = merged(common, settings)
    return MemberSpec(TEXT_BACK_ENDS[back_end], settings, folds)


def chosen(
    auto: MemberSpec,
    dataset: Dataset,
    folds: int,
    *,
    seed: int,
    progress: Progress,
    resume: Path | None = None,
) -> tuple[MemberSpec, dict[str, Any]]:
    """The back end with the best mean macro-F1 out of fold on the training records, and an account of it.

    Of equals TF-IDF wins, which is the cheaper one; alone it needs no comparison. An encoder that cannot
    be had is left out, with the reason in the account. Its folds are found again in `resume` when the
    model is trained.
    """
    candidates = {"tfidf": MemberSpec("tfidf", auto.settings["tfidf"], auto.folds)}
    account: dict[str, Any] = {"chosen": "tfidf", "mean_macro_f1": {}}
    try:
        candidates["transformer"] = MemberSpec("text", _encoder(auto.settings["transformer"]), auto.folds)
    except ClassifierError as error:
        account["without transformer"] = str(error)
        return candidates["tfidf"], account
    fold = fold_of(len(dataset), auto.folds or folds, seed)
    for name, member in candidates.items():
        said = held_out_predictions(dataset, member, fold, seed=seed, progress=progress, resume=resume)
        account["mean_macro_f1"][name] = round(mean_macro_f1(dataset, said), 6)
    scores: dict[str, float] = account["mean_macro_f1"]
    best = max(scores, key=lambda name: scores[name])
    return candidates[best], {**account, "chosen": best}


def _encoder(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the encoder, frozen where no GPU makes fine-tuning quick and nothing else was said.

    Raises ClassifierError when the encoder cannot be had.
    """
    try:
        import torch

        from classifiers.neural import encoders
        from classifiers.neural.text import TextSettings
    except ImportError as error:
        raise ClassifierError(f"{error.name} is not installed") from error
    read: TextSettings = from_json(TextSettings, dict(settings), "train.options.text.transformer")
    if read.encoder == "scratch":
        return dict(settings)
    encoders.load(read.encoder)
    return dict(settings) if torch.cuda.is_available() else {"frozen": True, **settings}


def mean_macro_f1(dataset: Dataset, said: Mapping[str, Distribution]) -> float:
    """Mean over the properties of the first candidate's macro-F1, on records that name a class.

    Where nothing was said the most frequent class is taken, so that silence gains nothing.
    """
    scores = []
    for prop in dataset.properties:
        target, named = dataset.targets(prop)
        if not named.any():
            continue
        probabilities = said[prop.name].probabilities
        first = np.where(np.isnan(probabilities), -1.0, probabilities).argmax(axis=1)
        first[~said[prop.name].present] = int(target.sum(axis=0).argmax())
        scores.append(macro_f1(target[named], first[named]))
    return float(np.mean(scores)) if scores else 0.0


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two tables in one, tables within them as well; the second one wins."""
    result = dict(first)
    for key, value in second.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result
