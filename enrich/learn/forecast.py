"""What a model will answer, before its first night: the gaps by group, property and regime, and what is promised.

Records with a gap are unlike those that teach, so what was answered of the latter says little: some of the gaps
are asked. Only a model that looks at pictures is judged by its held-out records, since none are fetched to count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random

from enrich.answering.decision import in_force
from enrich.answering.models import load_model
from enrich.classifiers.base import Progress, no_progress
from enrich.classifiers.data import Record
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.regimes import REGIMES, Experience, Regime
from enrich.classifiers.model.thresholds import Promise
from enrich.errors import ModelError
from enrich.graph.gaps import scan
from enrich.runs.request import expect_fit
from enrich.settings.models import DecisionSettings
from enrich.workspace import Workspace

_BATCH = 500
SAMPLE = 100
"""Gaps of a group, property and regime that are asked, drawn at random; all where there are fewer."""

Key = tuple[str, str, Regime]
"""Group, property and regime."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The gaps of one property in one group and regime, how many of them are expected to be answered, and the
    precision that is promised; None where nothing is: none is answered then, unless the museum's own threshold is
    in force. `answered` is None where nobody knows: a model that looks at pictures is not asked, and its held-out
    records were answered by another threshold than the museum's."""

    group: str
    property: str
    regime: str
    labelled: int
    gaps: int
    answered: int | None
    promised: float | None


def forecast(workspace: Workspace, folder: Path, progress: Progress = no_progress) -> list[Forecast]:
    """Read the records with gaps, and say of each group and property what the model would do. Raises ModelError."""
    model = load_model(folder)
    expect_fit(workspace, model.properties, model.training)
    if model.experience is None:
        raise ModelError(f"{folder} was trained before regimes were known; train it again")
    decision = workspace.settings.decision
    counts, drawn = _counted(workspace, model, model.experience, progress)
    shares = (
        _held_out(model, drawn, decision) if "image" in model.members else _asked(workspace, model, drawn)
    )
    found = []
    for (group, name, regime), gaps in sorted(counts.items()):
        labelled = model.experience.labelled.get(name, {}).get(group, 0)
        share = shares[group, name, regime]
        answers = None if share is None else round(gaps * share)
        kept = name not in decision.thresholds and _kept(model, regime, name) is not None
        target = model.target_precision if kept else None
        found.append(Forecast(group, name, regime, labelled, gaps, answers, target))
    return found


def _counted(
    workspace: Workspace, model: Model, experience: Experience, progress: Progress
) -> tuple[Counter[Key], dict[Key, list[Record]]]:
    """The gaps by group, property and regime, and some records of each, any as likely as another."""
    counts: Counter[Key] = Counter()
    drawn: dict[Key, list[Record]] = defaultdict(list)
    chance, done = Random(0), 0
    rows = (row.record for row in scan(workspace.reader, [p.name for p in model.properties]))
    while batch := list(islice(rows, _BATCH)):
        subjects = [s for s in workspace.reader.read(batch) if s.problem is None]
        places = experience.places([s.record for s in subjects])
        for name in (p.name for p in model.properties):
            regimes = experience.regimes(name, places)
            for subject, group, regime in zip(subjects, places.groups, regimes, strict=True):
                if name not in subject.missing:
                    continue
                key = (group, name, REGIMES[regime])
                counts[key] += 1
                if len(drawn[key]) < SAMPLE:
                    drawn[key].append(subject.record)
                elif (at := chance.randrange(counts[key])) < SAMPLE:
                    drawn[key][at] = subject.record
        done += len(batch)
        progress("reading gaps", done, 0)
    return counts, drawn


def _asked(
    workspace: Workspace, model: Model, drawn: Mapping[Key, Sequence[Record]]
) -> dict[Key, float | None]:
    """The share of the records drawn that a run would answer; each is predicted once, for all its properties."""
    own, floors = workspace.settings.decision.thresholds, workspace.settings.decision.floors
    records = {record.id: record for some in drawn.values() for record in some}
    rows = {iri: row for row, iri in enumerate(records)}
    given = {}
    for name, found in model.predict(list(records.values())).items():
        reach = in_force(found.thresholds, own.get(name), floors.get(name))
        given[name] = replace(found, thresholds=reach).asserted()
    return {
        key: float(given[key[1]][[rows[r.id] for r in some]].any(axis=1).mean())
        for key, some in drawn.items()
    }


def _held_out(model: Model, drawn: Iterable[Key], decision: DecisionSettings) -> dict[Key, float | None]:
    """The share of held-out records that were answered, where anything is promised; None where the settings decide
    otherwise than those were answered."""
    shares: dict[Key, float | None] = {}
    for key in drawn:
        _, name, regime = key
        promise = _kept(model, regime, name)
        raised = promise is not None and decision.floors.get(name, 0.0) > promise.threshold
        shares[key] = None if name in decision.thresholds or raised else promise.coverage if promise else 0.0
    return shares


def _kept(model: Model, regime: Regime, name: str) -> Promise | None:
    """What is promised of a property in a regime; None where nothing is."""
    part = model.parts().get(regime)
    promise = None if part is None else part.promises.get(name)
    return promise if promise is not None and promise.kept else None
