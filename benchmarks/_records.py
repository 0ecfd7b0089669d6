"""The museums' records that several benchmarks measure on, read from their files, and the members that learn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from enrich.classifiers.data import Record
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.graph.loading import load_files
from enrich.graph.reading import Reader
from enrich.graph.record_files import read_splits
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.learn.training_set import TrainingSet, training_set
from enrich.ontology.profile_files import load_profile
from enrich.ontology.profiles import Profile
from enrich.ontology.terms import Names

T = TypeVar("T")
NAMES = Names("https://data.example.org/enrich/")
TABULAR = MemberSpec("tabular", {"museum": "museum"}, fold_settings={"refit": False})
TEXT = MemberSpec("tfidf", {})
"""The members that `enrich train` makes by default of values and of texts."""


@dataclass(frozen=True)
class Sets:
    """The records of the splits train and dev, and the profile they were read by."""

    profile: Profile
    train: list[Record]
    dev: list[Record]

    def taught(self) -> TrainingSet:
        """Train with its classes."""
        return training_set(self.train, self.profile)


def silk(folder: Path, most: int | None = None) -> Sets:
    """The silk records: values alone."""
    return read_sets(folder, "silknow", ("records.nq.gz", "thesaurus.ttl.gz"), most)


def collections(folder: Path, most: int | None = None) -> Sets:
    """The catalogue records of three museums: texts and values."""
    return read_sets(folder, "linked-art", ("records.nq.gz", "vocabulary.nq.gz"), most)


def read_sets(
    folder: Path, profile: str, files: Sequence[str], most: int | None, splits: str = "splits.tsv.gz"
) -> Sets:
    """Train and dev from the files of a folder, by a profile of the package; of each split at most so many."""
    found, wanted = load_profile(profile), read_splits(folder / splits)
    with EmbeddedStore() as store:
        load_files(store, [folder / file for file in files])
        reader = Reader(store, found, NAMES)
        train, dev = ([x.record for x in reader.read_all(some(wanted[s], most))] for s in ("train", "dev"))
    return Sets(found, train, dev)


def some(records: Sequence[T], most: int | None) -> Sequence[T]:
    """At most so many, drawn at random; in their order."""
    if most is None or len(records) <= most:
        return records
    drawn = np.random.default_rng(0).choice(len(records), most, replace=False)
    return [records[int(i)] for i in np.sort(drawn)]
