"""`enrich check-promise`: on a museum's own graph, what was promised beside what is kept where a property is hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from enrich.classifiers.base import ClassifierError, Progress, no_progress
from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.errors import NothingToLearn
from enrich.classifiers.extras import require
from enrich.classifiers.model.fitting import ModelSpec
from enrich.classifiers.model.thresholds import share_bounds
from enrich.errors import InputError, ModelError
from enrich.graph.labels import group_names
from enrich.learn.hiding import LEAST, Hidden, Kept, check, hidden_blocks, hidden_groups, train_without
from enrich.learn.plots import Panel, Point, panels_figure, save
from enrich.learn.training import broader_of, model_spec, read_to_learn
from enrich.learn.training_set import training_set
from enrich.workspace import Workspace

PLOT = "promise.png"


def check_promise(
    workspace: Workspace,
    *,
    modalities: Sequence[str] | None = None,
    properties: Sequence[str] = (),
    least: int = LEAST,
    blocks: bool = True,
    folder: Path | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Hide each property of each group with at least `least` values, and of every other tenth of the accession
    numbers; train on the rest; compare.

    Returns {"target", "groups", "names", "hidden": [figures of each], "not_learned": [{"kind", "group", "property"}],
    "summary"}: of what is not learned the rest has too few values. With `folder` a plot is written there. Raises
    InputError when there is no group to hide.
    """
    if folder is not None:
        require("report")
    for name in properties:
        workspace.profile.property(name)
    found = read_to_learn(workspace, None, modalities, progress)
    spec = replace(model_spec(workspace, found.modalities), go_without=True)
    try:
        kept, lost = _checked(workspace, found.records, spec, properties, least, blocks, progress)
    except ClassifierError as error:
        raise ModelError(f"training: {error}") from error
    if not kept and not lost:
        raise InputError(
            f"no group has {least} values of a property to hide: name a lower --least, or the contexts that make "
            f"groups in the profile (now: {', '.join(spec.groups) or 'none'})"
        )
    names = group_names(
        workspace.store, [*(k.group for k in kept), *(h.group for h in lost)], workspace.profile.prefixes
    )
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        save(_figure(kept, names, spec.target_precision), folder / PLOT)
    return {
        "target": spec.target_precision,
        "groups": list(spec.groups),
        "names": names,
        "hidden": [asdict(k) for k in kept],
        "not_learned": [{"kind": h.kind, "group": h.group, "property": h.property} for h in lost],
        "summary": summary(kept),
    }


def _checked(
    workspace: Workspace,
    records: list[Record],
    spec: ModelSpec,
    properties: Sequence[str],
    least: int,
    blocks: bool,
    progress: Progress,
) -> tuple[list[Kept], list[Hidden]]:
    """What became of all that was hidden, and what could not be learnt without it."""

    def learn(shown: Sequence[Record]) -> Dataset:
        return training_set(shown, workspace.profile, broader_of(workspace, shown)).dataset

    names = [p.name for p in workspace.profile.properties if not properties or p.name in properties]
    asked = list(hidden_groups(records, names, spec.groups, least))
    asked += hidden_blocks(records, names, spec.groups, least) if blocks else []
    kept: list[Kept] = []
    lost: list[Hidden] = []
    for done, hidden in enumerate(asked):
        progress("hiding", done, len(asked))
        trained = train_without(records, hidden, learn, spec, seed=workspace.settings.train.seed)
        try:
            if trained is not None:
                kept.append(check(trained, hidden))
        except NothingToLearn:
            trained = None
        if trained is None:
            lost.append(hidden)
    progress("hiding", len(asked), len(asked))
    return kept, lost


def summary(kept: Sequence[Kept]) -> dict[str, dict[str, Any]]:
    """By kind, over all that was hidden: how many answers there are, and the share that is right with 80 % bounds."""
    found = {}
    for kind in dict.fromkeys(k.kind for k in kept):
        own = [k for k in kept if k.kind == kind]
        asserted, right = sum(k.asserted for k in own), sum(k.right for k in own)
        low, high = share_bounds(right, asserted) if asserted else (None, None)
        found[kind] = {
            "hidden": len(own),
            "still_answered": sum(k.answered > 0 for k in own),
            "asked": sum(k.asked for k in own),
            "answered": sum(k.answered for k in own),
            "precision": right / asserted if asserted else None,
            "low": low,
            "high": high,
        }
    return found


def _figure(kept: Sequence[Kept], names: Mapping[str, str], target: float) -> Any:
    """Right when answered, by what was hidden, beside the promise; what is not answered has no bar."""
    panels = []
    for kind in dict.fromkeys(k.kind for k in kept):
        points: list[Point] = []
        for k in kept:
            if k.kind == kind and k.asserted:
                name = f"{k.property}, {names[k.group] if k.group else 'every other tenth'} ({k.answered:,})"
                points.append((name, k.right / k.asserted, *share_bounds(k.right, k.asserted)))
        title = {"group": "A group that never recorded it", "block": "Accession numbers never recorded"}[kind]
        series = {"right when answered (answers)": points or [("nothing is answered", 0.0, 0.0, 0.0)]}
        panels.append(Panel(title, "share right", "", series, promised=target))
    return panels_figure(panels)
