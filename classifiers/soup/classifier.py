"""The soup as an image classifier: an ordinary model folder that never answers from memory."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from enrich.classifiers.base import ClassifierError, Distribution, Progress, no_progress
from enrich.classifiers.data import Dataset, Picture, Property, Record
from enrich.classifiers.digest import file_digest
from enrich.classifiers.kinds import Flags, FloatArray
from enrich.classifiers.model.folder import labels_json, read_model, write_model
from enrich.classifiers.model.manifest import MANIFEST, ModelFolderError
from enrich.classifiers.model.verified import read_json
from enrich.classifiers.neural.augment import centre_crop
from enrich.classifiers.neural.image import ImageClassifier, ImageSettings
from enrich.classifiers.neural.networks import ImageNetwork
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.selection import Soup
from enrich.classifiers.soup.trajectory import build, register_densenet
from enrich.classifiers.soup.trajectory_folder import SEEN


class SoupSettings(ImageSettings):
    """Those of the image classifier; training takes `folder` alone, the rest comes with the soup."""

    folder: str = ""
    """Folder of the cooked soup, relative to enrich.toml."""
    digest: str = ""
    """Digest of the soup's MANIFEST; `enrich train` fills it in."""


class SoupClassifier(ImageClassifier):
    """Averaged checkpoints as the image modality. `fit` takes a soup as it is and trains nothing.

    Where the soup learned a property's value from one of a record's pictures, it is absent for that
    property of that record: so calibration, thresholds and fusion, which are learned from the training
    records, see only answers on pictures it has not learned.
    """

    name: ClassVar[str] = "soup"
    settings_class = SoupSettings
    takes_refusals = False
    shared = {}  # noqa: RUF012
    option_names = ("folder",)
    settings: SoupSettings

    def prepare(self) -> None:
        super().prepare()
        self.learned: tuple[Property, ...] = ()
        self.seen: dict[str, frozenset[str]] = {}

    @classmethod
    def training_settings(
        cls, options: Mapping[str, Any], shared: Mapping[str, Any], folder: Path, where: str
    ) -> dict[str, Any]:
        """The folder of the soup, made absolute, and its digest."""
        del shared
        others = sorted(set(options) - set(cls.option_names))
        if others:
            raise ClassifierError(f"{where}.{others[0]} has no effect beside soup; leave it out")
        soup = (folder / Path(str(options.get("folder", ""))).expanduser()).resolve()
        if not (soup / MANIFEST).is_file():
            raise ClassifierError(f"{where}.soup: {soup} is no soup; cook one with: enrich soup cook")
        return {"folder": str(soup), "digest": file_digest(soup / MANIFEST)}

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
        folder = self.settings.folder
        if not folder:
            raise ClassifierError("the soup classifier needs a folder: make one with enrich soup cook")
        loaded = read_model(Path(folder))
        soup = loaded.classifier
        if not isinstance(soup, SoupClassifier):
            raise ModelFolderError(f"{folder} is a model of the kind {soup.name!r}, not a soup")
        if self.settings.digest not in ("", loaded.digest):
            raise ModelFolderError(f"{folder} is not the soup that training began with")
        known = {p.name for p in soup.learned}
        if known.isdisjoint(p.name for p in train.properties):
            raise ClassifierError(
                f"the soup in {folder} answers {', '.join(sorted(known))}; none is asked for"
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
        learned, answers = super().predict(records), {}
        for prop in self.properties:
            if prop.name not in learned:
                answers[prop.name] = Distribution.absent(prop, len(records))
                continue
            remembered = np.array([self._remembered(r, {prop.name}) for r in records], dtype=bool)
            answers[prop.name] = _for_classes(prop, learned[prop.name], remembered)
        return answers

    def look(self, picture: Tensor) -> Tensor:
        """The very pixels of a picture that the soup was chosen on."""
        side = self.decode_size
        return centre_crop(centre_crop(picture, side), self.size, self.size / side)

    def _remembered(self, record: Record, properties: set[str]) -> bool:
        """Whether the value of one of these properties was learned from a picture of the record."""
        wanted = [self.seen[name] for name in properties if self.seen.get(name)]
        if not wanted:
            return False
        digests = {_digest(p) for p in record.pictures if p.path is not None}
        return any(not digests.isdisjoint(part) for part in wanted)

    def head_properties(self) -> tuple[Property, ...]:
        return self.learned or self.properties

    def own_config(self, folder: Path) -> dict[str, Any]:
        text = json.dumps({k: sorted(v) for k, v in self.seen.items()}, indent=0, sort_keys=True)
        (folder / SEEN).write_text(text + "\n", encoding="utf-8")
        many = {p.name: p.many for p in self.learned}
        return {**super().own_config(folder), "learned": labels_json(self.learned), "many": many}

    def rebuild(self, folder: Path, config: Mapping[str, Any]) -> ImageNetwork:
        register_densenet()
        seen, learned, many = read_json(folder / SEEN), config.get("learned"), config.get("many")
        if not (isinstance(learned, Mapping) and isinstance(many, Mapping) and isinstance(seen, Mapping)):
            raise ClassifierError("config.json does not say what the soup has learned")
        self.learned = tuple(
            Property(str(name), tuple(map(str, classes)), bool(many.get(name)))
            for name, classes in learned.items()
        )
        self.seen = {str(name): frozenset(map(str, digests)) for name, digests in seen.items()}
        return super().rebuild(folder, config)

    @classmethod
    def of(cls, evaluator: Evaluator, soup: Soup) -> Self:
        """The classifier of a soup."""
        pool = evaluator.pool
        kept = {key: getattr(pool.settings, key) for key in ("backbone", "crop", "heads", "loss", "augment")}
        made = cls(SoupSettings(weights="none", size=pool.size, **kept))
        made.properties = made.learned = pool.properties
        made.seen = {name: frozenset(digests) for name, digests in pool.seen().items()}
        network = build(pool.settings, pool.properties)[0]
        network.load_state_dict(soup.weights)
        made.size = pool.size
        made._network = network.eval()
        return made


def write_soup(
    folder: Path, evaluator: Evaluator, soup: Soup, scoring: Mapping[str, Any] | None = None
) -> str:
    """Write a soup as a model folder, its ingredients in metrics.json; returns the digest."""
    metrics = {
        "method": soup.method,
        "metric": soup.metric,
        "ingredients": soup.ingredients(),
        "members_considered": len(evaluator.pool.members),
        "selection": soup.score.json(),
        "best_member": {"name": soup.best.name, "selection": soup.best_score.json()},
        "scoring": dict(scoring or {}),
        "steps": list(soup.steps),
        "notes": list(soup.notes),
    }
    trajectories = [
        {
            "name": t.name,
            "pictures": t.about.get("learned_from", {}).get("sha256"),
            "settings": t.about.get("settings"),
        }
        for t in evaluator.pool.trajectories
    ]
    made = SoupClassifier.of(evaluator, soup)
    return write_model(folder, made, metrics=metrics, training={"trajectories": trajectories})


def _for_classes(prop: Property, learned: Distribution, remembered: Flags) -> Distribution:
    """The distribution over the classes asked for; a class the soup does not know has probability 0."""
    column = {c: k for k, c in enumerate(learned.classes)}
    p: FloatArray = np.zeros((len(learned), len(prop.classes)))
    for k, name in enumerate(prop.classes):
        if name in column:
            p[:, k] = learned.probabilities[:, column[name]]
    present = learned.present & ~remembered
    if not prop.many:
        total = p.sum(axis=1, keepdims=True)
        present &= total[:, 0] > 0
        p = np.divide(p, total, out=p, where=total > 0)
    return Distribution.of(prop, p, present)


def _digest(picture: Picture) -> str:
    """SHA-256 of a picture's file."""
    if picture.sha256 or picture.path is None:
        return picture.sha256 or ""
    status = picture.path.stat()
    return _file_digest(picture.path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=100_000)
def _file_digest(path: Path, _changed: int, _size: int) -> str:
    return file_digest(path)
