"""What a model will answer before the first night: its gaps by group, property and regime, and what it promises there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pyoxigraph import NamedNode

from classifiers.base import ClassifierError, Progress, no_progress
from classifiers.model.description import ModelDescription, promises_of
from classifiers.model.regimes import REGIMES, group_of
from enrich.errors import ModelError
from enrich.graph.gaps import scan
from enrich.workspace import Workspace

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Forecast:
    """The gaps of one property in one group and regime, how many of them are expected to be answered, and the
    precision that is promised; None where nothing is, and then none is answered."""

    group: str
    property: str
    regime: str
    labelled: int
    gaps: int
    answered: int
    promised: float | None


def forecast(workspace: Workspace, model: Path, progress: Progress = no_progress) -> list[Forecast]:
    """Read the records with gaps, and say of each group and property what the model would do. Raises ModelError."""
    try:
        described = ModelDescription.read(model)
    except ClassifierError as error:
        raise ModelError(str(error)) from error
    experience = described.experience
    if experience is None:
        raise ModelError(f"{model} was trained before regimes were known; train it again")
    names = [p.name for p in described.properties]
    counts: Counter[tuple[str, str, str]] = Counter()
    rows = (row.record for row in scan(workspace.reader, names))
    done = 0
    for batch in _batches(rows):
        subjects = [s for s in workspace.reader.read(batch) if s.problem is None]
        for name in names:
            lacking = [s.record for s in subjects if name in s.missing]
            for record, regime in zip(lacking, experience.regimes(name, lacking), strict=True):
                counts[group_of(record, experience.groups), name, REGIMES[regime]] += 1
        done += len(batch)
        progress("reading gaps", done, 0)
    promises = promises_of(model, described.digest)
    found = []
    for (group, name, regime), gaps in sorted(counts.items()):
        promise = promises.get(regime, {}).get(name)  # type: ignore[call-overload]
        kept = promise is not None and promise.kept
        labelled = experience.labelled.get(name, {}).get(group, 0)
        answered = round(gaps * promise.coverage) if kept else 0
        found.append(
            Forecast(group, name, regime, labelled, gaps, answered, promise.target if kept else None)
        )
    return found


def _batches(rows: Iterator[NamedNode]) -> Iterator[list[NamedNode]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch
