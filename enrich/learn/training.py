"""Trains a model from the graph: reads the train split, fits every modality asked for, writes the folder."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pyoxigraph import NamedNode

from classifiers.base import ClassifierError, Progress, no_progress
from classifiers.data import Dataset
from classifiers.digest import file_digest
from classifiers.model.fitting import ModelSpec, fit_model
from classifiers.model.manifest import ModelFolderError
from classifiers.model.model import Model
from classifiers.model.out_of_fold import dataset_digest
from classifiers.registry import fuser_class
from enrich.errors import InputError, ModelError, SettingsError
from enrich.graph.record_files import read_splits
from enrich.learn.measures import measure
from enrich.learn.members import AUTO, back_end_member, member_specs
from enrich.learn.model_folders import json_file
from enrich.learn.split_records import read_records_of
from enrich.learn.text_back_end import choose_back_end
from enrich.learn.training_set import TrainingSet, training_set
from enrich.workspace import Workspace

_PACKAGES = ("enrich", "numpy", "scikit-learn", "xgboost-cpu", "torch", "timm", "transformers", "onnxruntime")


def train(
    workspace: Workspace,
    splits: Path | None,
    model: Path,
    *,
    modalities: Sequence[str] | None = None,
    seed: int | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Train on the records of the split `train` (all records when `splits` is None) and write `model`.

    Returns {"model", "digest", "records", "skipped", "seconds", "mean_macro_f1"}: `skipped` counts records
    of the split that the graph does not hold or that could not be read. A training that was killed goes
    on where it stopped, from the folder .NAME.training beside `model`. Raises InputError, ModelError.
    """
    began = time.monotonic()
    wanted = None if splits is None else read_splits(splits)
    if wanted is not None and not wanted.get("train"):
        raise InputError(f"{splits} has no record in the split train; it has: {', '.join(wanted) or 'none'}")
    asked = tuple(modalities or workspace.settings.train.modalities)
    spec = model_spec(workspace, asked, auto=True)
    named = None if wanted is None else wanted["train"]
    records, skipped = read_records_of(workspace, named, progress, "image" in asked)
    if not records:
        raise InputError(
            "none of the records to train on is in the graph; load it first, or check the splits"
        )
    learned = training_set(records, workspace.profile)
    seed = workspace.settings.train.seed if seed is None else seed
    resume = model.absolute().parent / f".{model.absolute().name}.training"
    try:
        _check_properties(workspace, learned)
        spec, choice = _resolved(workspace, spec, learned, seed, progress, resume)
        fitted = fit_model(learned.dataset, spec, seed=seed, progress=progress, resume=resume)
        dev = _dev_figures(workspace, fitted, None if wanted is None else wanted.get("dev"), progress)
        training = {
            **_account(workspace, learned, spec, seed, splits, len(records)),
            "snapshot": snapshot(learned.dataset, model),
            **choice,
        }
        metrics = {**fitted.metrics, **dev}
        digest = fitted.save(model, metrics=metrics, training=training)
    except ModelFolderError as error:
        raise ModelError(str(error)) from error
    except ClassifierError as error:
        raise ModelError(f"training: {error}") from error
    shutil.rmtree(resume, ignore_errors=True)
    return {
        "model": str(model),
        "digest": digest,
        "records": len(records),
        "skipped": skipped,
        "seconds": round(time.monotonic() - began, 1),
        "mean_macro_f1": dev.get("mean_macro_f1"),
    }


def model_spec(
    workspace: Workspace, modalities: Sequence[str] | None = None, *, auto: bool = False
) -> ModelSpec:
    """What the settings ask for. Raises SettingsError for a modality or text back end that there is not.

    The text back end `auto` is decided on the records, and so refused unless the caller does that (`auto`).
    """
    settings = workspace.settings.train
    asked = tuple(dict.fromkeys(modalities or settings.modalities))
    members = member_specs(workspace, asked)
    if not auto and any(member.classifier == AUTO for member in members):
        raise SettingsError("train.options.text.back_end is auto, which only enrich train decides; name one")
    fusion = dict(settings.options.get("fusion", {}))
    name = str(fusion.pop("name", "late")) if len(members) > 1 else None
    if name is not None:
        try:
            fuser_class(name).settings_class.read(fusion, "train.options.fusion")
        except ClassifierError as error:
            raise SettingsError(str(error)) from error
    return ModelSpec(
        members=members,
        fusion=name,
        fusion_settings=fusion if name is not None else {},
        folds=settings.folds,
        target_precision=workspace.settings.decision.target_precision,
    )


def _resolved(
    workspace: Workspace, spec: ModelSpec, learned: TrainingSet, seed: int, progress: Progress, resume: Path
) -> tuple[ModelSpec, dict[str, Any]]:
    """The same with the text back end decided, and the account of why; unchanged where none is `auto`."""
    members, account = [], {}
    for member in spec.members:
        if member.classifier == AUTO:
            member, account["text_back_end"] = choose_back_end(
                partial(back_end_member, workspace, "text"),
                learned.dataset,
                spec.folds,
                seed=seed,
                progress=progress,
                resume=resume,
            )
        members.append(member)
    return replace(spec, members=tuple(members)), account


def _check_properties(workspace: Workspace, learned: TrainingSet) -> None:
    if not learned.dataset.properties:
        raise InputError(
            f"no property of the profile {workspace.profile.name} has a class with enough training values; "
            "check it with: enrich profile check"
        )


def _dev_figures(
    workspace: Workspace, fitted: Model, dev: Sequence[NamedNode] | None, progress: Progress
) -> dict[str, Any]:
    """Figures on dev for the model card; nothing is fitted on them."""
    if not dev:
        return {}
    records, _ = read_records_of(workspace, dev, progress, "image" in fitted.members)
    figures = measure(fitted, records, detail=True, progress=progress)
    return {
        "dev": {name: said["by"] for name, said in figures["properties"].items()},
        "mean_macro_f1": figures["mean_macro_f1"],
    }


def _account(
    workspace: Workspace, learned: TrainingSet, spec: ModelSpec, seed: int, splits: Path | None, records: int
) -> dict[str, Any]:
    """All that is needed to say what a model was made from; no times, so that the same input gives the
    same digest."""
    return {
        **learned.account(),
        "records": records,
        "seed": seed,
        "profile": workspace.profile.name,
        "splits_sha256": None if splits is None else file_digest(splits),
        "python": platform.python_version(),
        "members": [
            {"classifier": m.classifier, "settings": dict(m.settings), "folds": m.folds or spec.folds}
            for m in spec.members
        ],
        **{f"version of {name}": _version(name) for name in _PACKAGES},
    }


def snapshot(dataset: Dataset, model: Path) -> dict[str, str]:
    """What the register says of the data learned from: its digest, the day it was read, and its role.

    A model that replaces one in the folder `model` learned from the same data keeps the earlier day, so
    that training again on the same data gives the same digest.
    """
    digest = dataset_digest(dataset)
    before = json_file(model / "config.json").get("training", {}).get("snapshot", {})
    same = before.get("sha256") == digest
    issued = before["issued"] if same else datetime.now(UTC).date().isoformat()
    return {"sha256": digest, "issued": issued, "role": "TrainingData"}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
