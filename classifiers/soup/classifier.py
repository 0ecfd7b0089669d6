"""The soup as an image classifier: an ordinary model folder that never answers from memory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from classifiers.base import ClassifierError, Distribution, FloatArray, Progress, no_progress
from classifiers.data import Dataset, Picture, Property, Record
from classifiers.model.folder import labels_json, read_json, read_model, write_model
from classifiers.model.manifest import ModelFolderError, file_digest
from classifiers.neural.image import ImageClassifier, ImageSettings
from classifiers.neural.networks import ImageNetwork
from classifiers.soup import small
from classifiers.soup.evaluation import Kitchen
from classifiers.soup.selection import Soup
from classifiers.soup.trajectory import SEEN, build


@dataclass(frozen=True)
class SoupSettings(ImageSettings):
    """Those of the image classifier; `folder` is the cooked soup that `fit` takes, `digest` its MANIFEST's."""

    folder: str = ""
    digest: str = ""


class SoupClassifier(ImageClassifier):
    """Averaged checkpoints as the image modality. `fit` takes a cooked soup as it is and trains nothing.

    Where the soup learned a property's value from one of a record's pictures, it is absent for that
    property of that record: so calibration, thresholds and fusion, which are learned from the training
    records, see only answers on pictures it has not learned.
    """

    name: ClassVar[str] = "soup"
    settings_class: ClassVar[type] = SoupSettings
    settings: SoupSettings

    def __init__(self, settings: SoupSettings | None = None, /, **values: Any) -> None:
        super().__init__(settings, **values)
        self.learned: tuple[Property, ...] = ()
        self.seen: dict[str, frozenset[str]] = {}

    def fit(
        self,
        train: Dataset,
        held_out: Dataset,
        *,
        seed: int = 0,  # noqa: ARG002
        progress: Progress = no_progress,
        resume: Path | None = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Take the soup of `settings.folder`; its history names the ingredients. ClassifierError when it is none."""
        if not self.settings.folder:
            raise ClassifierError("the soup classifier needs a folder: cook one with enrich soup cook")
        loaded = read_model(Path(self.settings.folder))
        if not isinstance(loaded.classifier, SoupClassifier):
            raise ModelFolderError(
                f"{self.settings.folder} is a model of the kind {loaded.classifier.name!r}, not a soup"
            )
        if self.settings.digest not in ("", loaded.digest):
            raise ModelFolderError(f"{self.settings.folder} is not the soup that training began with")
        soup = loaded.classifier
        known = {p.name for p in soup.learned}
        if not known & {p.name for p in train.properties}:
            raise ClassifierError(
                f"the soup in {self.settings.folder} answers {', '.join(sorted(known))}; none is asked for"
            )
        self.__dict__.update(soup.__dict__)
        self.properties = train.properties
        records = [*train.records, *held_out.records]
        unseen = sum(1 for r in records if self.has_items(r) and not self._remembered(r, known))
        progress("taking the soup", 1, 1)
        return {
            **loaded.metrics,
            "soup": loaded.digest,
            "records": len(records),
            "records_not_learned_from": unseen,
        }

    def predict(self, records: Sequence[Record]) -> dict[str, Distribution]:
        """See Classifier.predict; absent as well where the record's value was learned from its picture."""
        asked, self.properties = self.properties, self.learned
        try:
            said = super().predict(records)
        finally:
            self.properties = asked
        answers = {}
        for prop in asked:
            if prop.name not in said:
                answers[prop.name] = Distribution.absent(prop, len(records))
                continue
            memory = np.array([self._remembered(r, {prop.name}) for r in records], dtype=bool)
            answers[prop.name] = _for_classes(prop, said[prop.name], memory)
        return answers

    def _remembered(self, record: Record, properties: set[str]) -> bool:
        """Whether the value of one of these properties was learned from a picture of the record."""
        wanted = [self.seen[name] for name in properties if self.seen.get(name)]
        if not wanted:
            return False
        digests = {digest_of(p) for p in record.pictures if p.path is not None}
        return any(not digests.isdisjoint(part) for part in wanted)

    def own_config(self, folder: Path) -> dict[str, Any]:
        text = json.dumps({k: sorted(v) for k, v in self.seen.items()}, indent=0, sort_keys=True)
        (folder / SEEN).write_text(text + "\n", encoding="utf-8")
        many = {p.name: p.many for p in self.learned}
        return {**super().own_config(folder), "learned": labels_json(self.learned), "many": many}

    def rebuild(self, folder: Path, config: Mapping[str, Any]) -> ImageNetwork:
        small.register()
        seen = read_json(folder / SEEN)
        learned, many = config.get("learned"), config.get("many")
        if not (isinstance(learned, Mapping) and isinstance(many, Mapping) and isinstance(seen, Mapping)):
            raise ClassifierError("config.json does not say what the soup has learned")
        self.learned = tuple(
            Property(str(name), tuple(map(str, classes)), bool(many.get(name)))
            for name, classes in learned.items()
        )
        self.seen = {str(name): frozenset(map(str, digests)) for name, digests in seen.items()}
        asked, self.properties = self.properties, self.learned
        try:
            return super().rebuild(folder, config)
        finally:
            self.properties = asked

    @classmethod
    def of(cls, kitchen: Kitchen, soup: Soup) -> Self:
        """The classifier of a soup."""
        pot = kitchen.pot
        made = cls(
            SoupSettings(
                backbone=pot.settings.backbone,
                weights="none",
                size=pot.size,
                crop=pot.settings.crop,
                heads=pot.settings.heads,
                loss=pot.settings.loss,
                augment=pot.settings.augment,
            )
        )
        made.properties = made.learned = pot.properties
        made.seen = {name: frozenset(digests) for name, digests in pot.seen().items()}
        network = build(pot.settings, pot.properties)[0]
        network.load_state_dict(soup.weights)
        made.size = pot.size
        made._network = network.eval()
        return made


def write_soup(folder: Path, kitchen: Kitchen, soup: Soup, scoring: Mapping[str, Any] | None = None) -> str:
    """Write a soup as a model folder, its ingredients in metrics.json; returns the digest."""
    metrics = {
        "method": soup.method,
        "metric": soup.metric,
        "ingredients": soup.ingredients(),
        "members_considered": len(kitchen.pot.members),
        "selection": soup.score.json(),
        "best_member": {"name": soup.best.name, "selection": soup.best_score.json()},
        "scoring": dict(scoring or {}),
        "steps": list(soup.steps),
        "notes": list(soup.notes),
    }
    training = {
        "trajectories": [
            {
                "name": t.name,
                "pictures": t.about.get("learned_from", {}).get("sha256"),
                "settings": t.about.get("settings"),
            }
            for t in kitchen.pot.trajectories
        ]
    }
    return write_model(folder, SoupClassifier.of(kitchen, soup), metrics=metrics, training=training)


def _for_classes(
    prop: Property, said: Distribution, memory: np.ndarray[Any, np.dtype[np.bool_]]
) -> Distribution:
    """The distribution over the classes asked for; a class the soup does not know has probability 0."""
    place = {c: k for k, c in enumerate(said.classes)}
    p: FloatArray = np.zeros((len(said), len(prop.classes)))
    for k, name in enumerate(prop.classes):
        if name in place:
            p[:, k] = said.probabilities[:, place[name]]
    present = said.present & ~memory
    if not prop.many:
        total = p.sum(axis=1, keepdims=True)
        present &= total[:, 0] > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            p = p / total
    p[~present] = np.nan
    return Distribution(prop.classes, p, present, prop.many)


def digest_of(picture: Picture) -> str:
    """SHA-256 of a picture's file."""
    if picture.sha256:
        return picture.sha256
    path = picture.path
    if path is None:
        return ""
    status = path.stat()
    return _file_digest(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=100_000)
def _file_digest(path: Path, _changed: int, _size: int) -> str:
    return file_digest(path)
