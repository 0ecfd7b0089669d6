"""What a model will answer, before its first night: the gaps by group, property and regime, and what is promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pyoxigraph import NamedNode

from classifiers.base import ClassifierError, Progress, no_progress
from classifiers.model.description import ModelDescription, promises_of
from classifiers.model.regimes import REGIMES, Regime
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
    counts: Counter[tuple[str, str, Regime]] = Counter()
    rows = (row.record for row in scan(workspace.reader, names))
    done = 0
    for batch in _batches(rows):
        subjects = [s for s in workspace.reader.read(batch) if s.problem is None]
        places = experience.places([s.record for s in subjects])
        for name in names:
            regimes = experience.regimes(name, places)
            for subject, group, regime in zip(subjects, places.groups, regimes, strict=True):
                if name in subject.missing:
                    counts[group, name, REGIMES[regime]] += 1
        done += len(batch)
        progress("reading gaps", done, 0)
    promises = promises_of(model, described.digest)
    if not promises:
        raise ModelError(f"{model} changed while its gaps were counted; count them again")
    found = []
    for (group, name, regime), gaps in sorted(counts.items()):
        promise = promises.get(regime, {}).get(name)
        answered, promised = 0, None
        if promise is not None and promise.kept:
            answered, promised = round(gaps * promise.coverage), promise.target
        labelled = experience.labelled.get(name, {}).get(group, 0)
        found.append(Forecast(group, name, regime, labelled, gaps, answered, promised))
    return found


def _batches(rows: Iterator[NamedNode]) -> Iterator[list[NamedNode]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch
