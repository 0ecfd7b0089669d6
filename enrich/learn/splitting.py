"""Splits of the records: each by itself, or by groups or blocks of accession numbers that stay together."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Literal, cast

import numpy as np

from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.kinds import Rows
from enrich.classifiers.model.regimes import Experience
from enrich.graph.files import writing

By = Literal["record", "group", "block"]
DEV = 0.1
"""Share of the records that are kept for the figures of a training without splits."""


def split_records(
    records: Sequence[Record], groups: Sequence[str], by: By, shares: Mapping[str, float], seed: int = 0
) -> dict[str, list[Record]]:
    """Records by split. `shares` gives each split's share; what is left of one is `train`.

    What stays together goes whole to the split that is furthest from its share, the largest first; a record
    without an accession number is a block of its own.
    """
    names = ["train", *shares]
    wanted = np.array([1.0 - sum(shares.values()), *shares.values()]) * len(records)
    found: dict[str, list[Record]] = {name: [] for name in names}
    units = _units(records, groups, by)
    sizes = np.bincount(units) if len(units) else np.zeros(0, dtype=np.intp)
    drawn = np.random.default_rng(seed).permutation(len(sizes))
    place, load = np.zeros(len(sizes), dtype=np.intp), np.zeros(len(names))
    for unit in drawn[np.argsort(-sizes[drawn], kind="stable")]:
        place[unit] = int(((wanted - load) / np.maximum(wanted, 1e-9)).argmax())
        load[place[unit]] += sizes[unit]
    for record, unit in zip(records, units, strict=True):
        found[names[place[unit]]].append(record)
    return found


def _units(records: Sequence[Record], groups: Sequence[str], by: By) -> Rows:
    if by == "record":
        return np.arange(len(records))
    places = Experience.learn(Dataset(records, ()), groups).places(records)
    return places.by_group() if by == "group" else places.by_block()


def write_splits(path: Path, splits: Mapping[str, Sequence[Record]]) -> None:
    """A tab-separated file with the columns record and split; compressed when its name ends in .gz."""
    with writing(path) as raw:
        file = io.TextIOWrapper(cast(BinaryIO, raw), "utf-8", newline="")
        table = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
        table.writerow(("record", "split"))
        table.writerows((r.id, name) for name, records in splits.items() for r in records)
        file.detach()
