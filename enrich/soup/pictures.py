"""The pictures of a soup: from a folder with labels.csv, or those of a property of the graph."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from classifiers.base import Progress
from enrich.errors import InputError, SettingsError

if TYPE_CHECKING:
    from classifiers.data import Dataset
    from classifiers.soup.candidates import Table
    from classifiers.soup.pictures import PictureSet
    from enrich.workspace import Workspace

LEARN_SHARE = 0.8
"""Share of the graph's train split that trajectories learn from; the rest selects, and calibrates the soup."""


@dataclass(frozen=True)
class Source:
    """Where pictures come from: `pictures` a folder, or `splits` and `property` of the graph.

    `seed` divides what is divided: a folder's split dev into a selecting and a scoring half, a graph's
    split train into what is learned from and what selects (its dev scores).
    """

    pictures: Path | None = None
    splits: Path | None = None
    property: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.pictures is None) == (self.splits is None):
            raise SettingsError(
                "say where the pictures are: --pictures DIR, or --splits FILE for those of the graph"
            )
        if self.splits is not None and self.property is None:
            raise SettingsError("say which property of the graph to learn: --property NAME")


def read_table(
    source: Source,
    side: int,
    open_workspace: Callable[[], AbstractContextManager[Workspace]],
    progress: Progress,
) -> Table:
    """The pictures that are learned from, that select and that score, `side` pixels wide.

    Raises InputError where a split is missing, ClassifierError for pictures that cannot be used.
    """
    if source.pictures is not None:
        return _of_folder(source.pictures, source, side, progress)
    with open_workspace() as workspace:
        return _of_graph(workspace, source, side, progress)


def _of_folder(folder: Path, source: Source, side: int, progress: Progress) -> Table:
    from classifiers.soup.candidates import Table
    from classifiers.soup.pictures import read_folder

    sets = read_folder(folder, side, name=source.property or "label", progress=progress)
    for split in ("train", "dev"):
        if split not in sets:
            raise InputError(
                f"{folder}: labels.csv has no line of the split {split}; it has: {', '.join(sets)}"
            )
    selection, scoring = sets["dev"].divide(source.seed)
    return Table.apart(sets["train"], selection, scoring)


def _of_graph(workspace: Workspace, source: Source, side: int, progress: Progress) -> Table:
    import numpy as np

    from classifiers.data import Dataset
    from classifiers.soup.candidates import Table
    from enrich.graph.record_files import read_splits
    from enrich.learn.training import read_records_of
    from enrich.learn.training_set import lesson

    if source.splits is None:
        raise SettingsError("say which records to learn from: --splits FILE")
    splits = read_splits(source.splits)
    for split in ("train", "dev"):
        if not splits.get(split):
            raise InputError(f"{source.splits} has no record in the split {split}")
    records, _ = read_records_of(workspace, splits["train"], progress, pictures=True)
    taught = lesson(records, workspace.profile).dataset
    chosen = [p for p in taught.properties if p.name == source.property]
    if not chosen:
        known = ", ".join(p.name for p in taught.properties) or "none"
        raise InputError(f"no property {source.property!r} with enough values to learn; there are: {known}")
    order = np.random.default_rng(source.seed).permutation(len(records))
    cut = round(len(order) * LEARN_SHARE)
    held, _ = read_records_of(workspace, splits["dev"], progress, pictures=True)
    whole = Dataset(records, tuple(chosen))
    return Table.apart(
        _pictures(whole.subset(np.sort(order[:cut])), side, progress),
        _pictures(whole.subset(np.sort(order[cut:])), side, progress),
        _pictures(Dataset(held, tuple(chosen)), side, progress),
    )


def _pictures(dataset: Dataset, side: int, progress: Progress) -> PictureSet:
    from classifiers.soup.pictures import from_records

    return from_records(dataset, side, progress)
