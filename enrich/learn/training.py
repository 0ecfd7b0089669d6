"""Trains a model from the graph: reads the train split, fits every modality asked for, writes the folder."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pyoxigraph import NamedNode

from enrich.classifiers.base import ClassifierError, Progress, WrongSetting, no_progress
from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.digest import file_digest, json_digest
from enrich.classifiers.extras import LEARN, absent, versions
from enrich.classifiers.fusion.base import PassThrough
from enrich.classifiers.model.fitting import ModelSpec, fit_model, views
from enrich.classifiers.model.manifest import ModelFolderError
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.regimes import Experience, group_of
from enrich.classifiers.registry import fuser_class
from enrich.errors import InputError, ModelError, SettingsError
from enrich.graph.classes import broader_concepts
from enrich.graph.record_files import read_splits
from enrich.learn import croissant
from enrich.learn.measures import measure
from enrich.learn.members import AUTO, back_end_member, member_specs
from enrich.learn.review_labels import read_review_labels
from enrich.learn.review_training import with_reviews
from enrich.learn.split_records import read_records_of
from enrich.learn.splitting import DEV, split_records
from enrich.learn.text_back_end import choose_back_end
from enrich.learn.training_set import TrainingSet, training_set
from enrich.learn.unfinished import day_of, unfinished
from enrich.version import VERSION
from enrich.workspace import Workspace

_ENOUGH = 200
"""Records from which some are kept for figures where no splits say which."""
_FEW = 0.01
"""Share of the records that must have a modality for it to be learned from unasked."""


def train(
    workspace: Workspace,
    splits: Path | None,
    model: Path,
    *,
    modalities: Sequence[str] | None = None,
    seed: int | None = None,
    reviews: bool = False,
    compare: bool = True,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Train on the records of the split `train` and write `model`.

    Without `splits` a tenth of the records is kept for figures, whole blocks of accession numbers (see
    `splitting`), and the rest learned from. Without `modalities`, here or in the settings, every modality is learned
    from that the profile reaches and the records have.

    Returns {"model", "digest", "records", "skipped", "seconds", "mean_macro_f1", "modalities", "groups", …}:
    `skipped` counts records of the split that the graph does not hold or that could not be read. A training that
    was stopped goes on where it was, from the folder .NAME.training beside `model`. Raises InputError,
    SettingsError, ModelError.
    """
    began = time.monotonic()
    wanted = {} if splits is None else read_splits(splits)
    if splits is not None and not wanted.get("train"):
        raise InputError(f"{splits} has no record in the split train; it has: {', '.join(wanted) or 'none'}")
    try:
        with unfinished(model) as resume:
            asked = _Request(model, splits, wanted, modalities, seed, reviews, compare)
            trained = _train(workspace, asked, resume, progress)
    except ModelFolderError as error:
        raise ModelError(str(error)) from error
    except WrongSetting as error:
        raise SettingsError(f"training: {error}") from error
    except ClassifierError as error:
        raise ModelError(f"training: {error}") from error
    return {"model": str(model), **trained, "seconds": round(time.monotonic() - began, 1)}


@dataclass(frozen=True, slots=True)
class _Request:
    """What a training is asked for (see `train`); `records` are those of the splits, none where there are none."""

    model: Path
    splits: Path | None
    records: Mapping[str, Sequence[NamedNode]]
    modalities: Sequence[str] | None
    seed: int | None
    reviews: bool
    compare: bool


def _train(workspace: Workspace, asked: _Request, resume: Path, progress: Progress) -> dict[str, Any]:
    """Read, fit and write; returns the account of it."""
    reviewed = read_review_labels(workspace) if asked.reviews else None
    found = read_to_learn(workspace, asked.records.get("train"), asked.modalities, progress)
    if reviewed is not None:
        found = replace(found, records=reviewed.training_records(found.records))
    spec = model_spec(workspace, found.modalities, auto=True)
    seed = workspace.settings.train.seed if asked.seed is None else asked.seed
    records, dev = _set_apart(workspace, found, asked.records, spec, seed, progress)
    broader = broader_of(workspace, records)
    learned = training_set(records, workspace.profile, broader, workspace.reader.spellings())
    _check_properties(workspace, learned)
    taken = snapshot(learned.dataset, asked.model)
    spec, choice = _resolved(workspace, spec, learned, seed, progress, resume)
    fit = partial(fit_model, spec=spec, seed=seed, resume=resume)
    fitted = fit(learned.dataset, progress=progress)
    figures = _dev_figures(fitted, dev, progress)
    training = {
        **_account(workspace, learned, spec, seed, len(records)),
        "splits_sha256": splits_digest(asked.splits, asked.records),
        "snapshot": taken,
        **choice,
    }
    if reviewed is not None:
        outcome = with_reviews(
            workspace, reviewed, fitted, learned.dataset, fit if asked.compare else None, progress
        )
        training |= outcome.account
        figures["reviews"] = outcome.figures
    digest = fitted.save(
        asked.model,
        metrics={**fitted.metrics, **figures},
        training=training,
        documents={croissant.FILE: croissant.described(workspace, training)},
    )
    return {
        "digest": digest,
        "records": len(records),
        "skipped": found.skipped,
        "mean_macro_f1": figures.get("mean_macro_f1"),
        "modalities": list(found.modalities),
        "without": found.without,
        "groups": len(set(map(partial(group_of, groups=spec.groups), records))),
        "left_out": {"no class": list(learned.without_classes), "one class": list(learned.single)},
        "accuracy": accuracy(figures.get("dev") or fitted.metrics["out_of_fold"]),
        "promises": promised(fitted),
        **(
            {}
            if reviewed is None
            else {"reviews": {**outcome.account, **outcome.figures, "seconds": outcome.seconds}}
        ),
    }


@dataclass(frozen=True, slots=True)
class ToLearn:
    """Records to learn from, how many of those asked for could not be read, the modalities to learn from, and why
    the others are left out."""

    records: list[Record]
    skipped: int
    modalities: tuple[str, ...]
    without: dict[str, str]


def read_to_learn(
    workspace: Workspace,
    asked: Sequence[NamedNode] | None,
    modalities: Sequence[str] | None,
    progress: Progress,
) -> ToLearn:
    """Read the records asked for, or all. Without modalities, here or in the settings, those that the records have
    are learned from. Raises SettingsError, before anything is read, for one that there is not; InputError when
    there is nothing to learn from."""
    named = tuple(modalities or workspace.settings.train.modalities)
    if named:
        model_spec(workspace, named, auto=True)
    reached = not named and bool(workspace.profile.images)
    why = absent("image") if reached else None
    pictures = "image" in named or (reached and why is None)
    records, skipped = read_records_of(workspace, asked, progress, pictures)
    return ToLearn(records, skipped, *((named, {}) if named else reached_modalities(records, why)))


def _set_apart(
    workspace: Workspace,
    found: ToLearn,
    splits: Mapping[str, Sequence[NamedNode]],
    spec: ModelSpec,
    seed: int,
    progress: Progress,
) -> tuple[list[Record], list[Record]]:
    """The records to learn from and those for figures: the split `dev`; without splits, whole blocks."""
    if splits:
        dev = splits.get("dev")
        read = read_records_of(workspace, dev, progress, "image" in found.modalities)[0] if dev else []
        return found.records, read
    if len(found.records) < _ENOUGH:
        return found.records, []
    parts = split_records(found.records, spec.groups, "block", {"dev": DEV}, seed)
    return parts["train"], parts["dev"]


def reached_modalities(
    records: Sequence[Record], no_pictures: str | None
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The modalities that the records have, and why the others are left out; `no_pictures` is why none was fetched."""
    texts = sum(bool(r.texts) for r in records)
    pictures = sum(any(p.path is not None for p in r.pictures) for r in records)
    addresses = sum(bool(r.pictures) for r in records)
    without = {}
    if texts < _FEW * len(records):
        without["text"] = f"{texts:,} of {len(records):,} records have a text"
    if no_pictures and addresses >= _FEW * len(records):
        without["image"] = no_pictures
    elif pictures < _FEW * len(records):
        without["image"] = (
            f"{pictures:,} of {len(records):,} records have a picture that came; {addresses:,} name one"
        )
    return tuple(m for m in ("tabular", "text", "image") if m not in without), without


def accuracy(figures: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, float | None]]:
    """How often the first candidate is right on held-out records, by property and modality."""
    return {name: {by: found.get("accuracy") for by, found in said.items()} for name, said in figures.items()}


def promised(model: Model) -> dict[str, dict[str, dict[str, Any]]]:
    """What the model promises, by regime and property."""
    return {r: {n: p.to_json() for n, p in part.promises.items()} for r, part in model.parts().items()}


def broader_of(workspace: Workspace, records: Sequence[Record]) -> dict[str, dict[str, tuple[str, ...]]]:
    """The broader concepts of the rare values, by property; none where the profile lists the classes."""
    found = {}
    for prop in workspace.profile.properties:
        counts = Counter(v for r in records for v in r.labels(prop.name))
        rare = [v for v, n in counts.items() if n < prop.minimum]
        if rare and not prop.classes:
            found[prop.name] = broader_concepts(prop, rare, workspace.store, *workspace.reader.vocabulary)
    return found


def model_spec(
    workspace: Workspace, modalities: Sequence[str] | None = None, *, auto: bool = False
) -> ModelSpec:
    """What the settings ask for. Raises SettingsError for a modality or text back end that there is not.

    The text back end `auto` is decided on the records, and so refused unless the caller does that (`auto`).
    """
    settings = workspace.settings.train
    asked = tuple(dict.fromkeys(modalities or settings.modalities or ("tabular",)))
    members = member_specs(workspace, asked)
    if not auto and any(member.classifier == AUTO for member in members):
        raise SettingsError("train.options.text.back_end is auto, which only enrich train decides; name one")
    fusion = dict(settings.options.get("fusion", {}))
    name = str(fusion.pop("name", "late")) if len(members) > 1 else None
    if name is not None:
        try:
            fuser_class(name).settings_class.read(fusion, "train.options.fusion")
            if name == PassThrough.name:
                PassThrough.expect(len(members))
        except ClassifierError as error:
            raise SettingsError(str(error)) from error
    return ModelSpec(
        members=members,
        fusion=name,
        fusion_settings=fusion if name is not None else {},
        folds=settings.folds,
        target_precision=workspace.settings.decision.target_precision,
        groups=workspace.profile.grouped_by,
    )


def _resolved(
    workspace: Workspace, spec: ModelSpec, learned: TrainingSet, seed: int, progress: Progress, resume: Path
) -> tuple[ModelSpec, dict[str, Any]]:
    """The same with the text back end decided, and the account of why; unchanged where none is `auto`."""
    members, account = [], {}
    for member in spec.members:
        if member.classifier == AUTO:
            experience = Experience.learn(learned.dataset, spec.groups)
            seen = views(learned.dataset, replace(spec, members=()), experience)[0]
            member, account["text_back_end"] = choose_back_end(
                partial(back_end_member, workspace, "text"),
                seen,
                seed=seed,
                progress=progress,
                resume=resume,
            )
        members.append(member)
    return replace(spec, members=tuple(members)), account


def _check_properties(workspace: Workspace, learned: TrainingSet) -> None:
    if not learned.dataset.properties and learned.single:
        raise InputError(
            f"nothing can be learned: of {', '.join(learned.single)} only one class is known, "
            "and there is nothing to tell it from"
        )
    if not learned.dataset.properties:
        raise InputError(
            f"no property of the profile {workspace.profile.name} has a class with enough training values; "
            "check it with: enrich profile check"
        )


def _dev_figures(fitted: Model, dev: Sequence[Record], progress: Progress) -> dict[str, Any]:
    """Figures on dev for the model card; nothing is fitted on them."""
    if not dev:
        return {}
    figures = measure(fitted, dev, detail=True, progress=progress)
    return {
        "dev": {name: said["by"] for name, said in figures["properties"].items()},
        "mean_macro_f1": figures["mean_macro_f1"],
    }


def _account(
    workspace: Workspace, learned: TrainingSet, spec: ModelSpec, seed: int, records: int
) -> dict[str, Any]:
    """All that is needed to say what a model was made from; no times, so that the same input gives the
    same digest."""
    return {
        **learned.account(),
        "records": records,
        "seed": seed,
        "profile": workspace.profile.name,
        "groups": list(spec.groups),
        "python": platform.python_version(),
        "members": [
            {"classifier": m.classifier, "settings": dict(m.settings), "folds": m.folds or spec.folds}
            for m in spec.members
        ],
        "version of enrich": VERSION,
        **{f"version of {name}": found for name, found in versions().items() if name in LEARN},
    }


def splits_digest(splits: Path | None, wanted: Mapping[str, Sequence[NamedNode]]) -> str | None:
    """Of the file, or of what was read of it where it can be read only once, such as standard input."""
    if splits is None:
        return None
    if splits.is_file():
        return file_digest(splits)
    return json_digest({name: [iri.value for iri in iris] for name, iris in wanted.items()})


def snapshot(dataset: Dataset, model: Path) -> dict[str, str]:
    """What the register says of the data learned from: its digest, the day it was read, and its role."""
    return {"sha256": dataset.digest, "issued": day_of(dataset.digest, model), "role": "TrainingData"}
