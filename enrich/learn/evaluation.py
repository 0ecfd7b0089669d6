"""Measures a model on records it was not trained on, each property hidden in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyoxigraph import NamedNode

from enrich.answering.models import load_model
from enrich.classifiers.base import Progress, no_progress
from enrich.classifiers.extras import require
from enrich.errors import InputError
from enrich.graph.record_files import read_splits
from enrich.learn.intervals import ROUNDS
from enrich.learn.leave_out import leave_one_out
from enrich.learn.measures import measure
from enrich.learn.report.page import account, write_report
from enrich.learn.split_records import read_records_of
from enrich.learn.training import splits_digest
from enrich.runs.request import expect_fit
from enrich.workspace import Workspace

_INPUTS = ("pictures", "texts")


def evaluate(
    workspace: Workspace,
    model: Path,
    splits: Path,
    split: str = "dev",
    *,
    hide_known: bool = False,
    without: Sequence[str] = (),
    report: Path | None = None,
    leave_out: bool = False,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Measure a model folder on one split.

    The property asked for is hidden from the classifiers, the others stay as they are in the graph;
    `hide_known` hides those as well, `without` hides contexts by name (or pictures, or texts). With
    `report`, report.json and report.html there also hold classes, confusions, reliability, curves, the
    modalities on the same records and the fusion without each; with `leave_out` also what becomes of each
    museum when the model is trained again without it.

    Thresholds and floors of the settings are in force, as in a run. `other_splits` says that the splits are not those
    that the model was trained with, so that records measured on may have taught it.

    Returns {"split", "other_splits", "properties": {name: {"records", "by": {modality: figures}}}, "mean_macro_f1"}.
    Raises InputError for a split or context that there is not, ModelError for a model that does not load.
    """
    if report is not None:
        require("report")
    known = _records(splits, split)
    _expect_inputs(workspace, without)
    if leave_out and (report is None or not known.get("train")):
        raise InputError("--leave-out trains anew for the report: it needs --report and train records")
    loaded = load_model(model)
    expect_fit(workspace, loaded.properties, loaded.training)
    records, skipped = read_records_of(workspace, known[split], progress, "image" in loaded.members)
    figures = measure(
        loaded,
        records,
        hide_known=hide_known,
        without=without,
        detail=report is not None,
        compare=0 if report is None else ROUNDS,
        decision=workspace.settings.decision,
        progress=progress,
    )
    other = loaded.training.get("splits_sha256") != splits_digest(splits, known)
    result = {"split": split, "model": loaded.digest, "skipped": skipped, "other_splits": other, **figures}
    if report is None:
        return result
    result |= account(loaded, workspace, records, hide_known, without)
    if leave_out:
        train, _ = read_records_of(workspace, known["train"], progress, "image" in loaded.members)
        shown: dict[str, Any] = {"hide_known": hide_known, "without": without}
        result["left_out"] = leave_one_out(
            loaded, train, records, workspace.profile.museum, **shown, progress=progress
        )
    write_report(report, result, workspace)
    return result


def _records(splits: Path, split: str) -> Mapping[str, Sequence[NamedNode]]:
    """The records of each split. Raises InputError where one has none."""
    known = read_splits(splits)
    if not known.get(split):
        raise InputError(
            f"{splits} has no record in the split {split!r}; it has: {', '.join(known) or 'none'}"
        )
    return known


def _expect_inputs(workspace: Workspace, without: Sequence[str]) -> None:
    """Raise InputError for an input to hide that there is not."""
    names = [*(c.name for c in workspace.profile.contexts), *_INPUTS]
    for name in without:
        if name not in names:
            raise InputError(f"--without {name}: there is {', '.join(names)}")
