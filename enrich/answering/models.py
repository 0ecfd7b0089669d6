"""The models of a process: each read once, read anew when its folder has changed."""

import threading
from pathlib import Path

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.digest import file_digest
from enrich.classifiers.model.description import survives_fork
from enrich.classifiers.model.manifest import MANIFEST
from enrich.classifiers.model.model import Model
from enrich.errors import ModelError

KEPT = 2
"""Models kept in memory: the one in use, and the one before it while a run with it goes on."""


class Models:
    """The models that this process has read, by their digest."""

    def __init__(self) -> None:
        self._by_digest: dict[str, Model] = {}
        self._lock = threading.Lock()
        self.loads = 0

    def get(self, folder: Path, digest: str | None = None) -> Model:
        """The model in a folder, of this digest when one is given. Raises ModelError.

        Whether the folder has changed is seen from its MANIFEST, whose digest is the model's.
        """
        with self._lock:
            if digest is not None and digest in self._by_digest:
                return self._by_digest[digest]
            there = folder_digest(folder)
            if digest is not None and there != digest:
                raise _another(folder, there, digest)
            if there not in self._by_digest:
                model = self._read(folder)
                if digest is not None and model.digest != digest:  # replaced in this very moment
                    raise _another(folder, model.digest, digest)
                self._keep(model)
                there = model.digest
            return self._by_digest[there]

    def preload(self, folder: Path) -> bool:
        """Read a model before the process forks, if all that it is made of allows that. Returns whether it does."""
        try:
            safe = survives_fork(folder)
        except ClassifierError as error:
            raise ModelError(str(error)) from error
        if safe:
            self.get(folder)
        return safe

    def _read(self, folder: Path) -> Model:
        self.loads += 1
        return load_model(folder)

    def _keep(self, model: Model) -> None:
        self._by_digest[model.digest] = model
        while len(self._by_digest) > KEPT:
            del self._by_digest[next(iter(self._by_digest))]


def load_model(folder: Path) -> Model:
    """The verified model of a folder. Raises ModelError."""
    try:
        return Model.load(folder)
    except ClassifierError as error:
        raise ModelError(str(error)) from error


def _another(folder: Path, there: str, digest: str) -> ModelError:
    return ModelError(
        f"{folder} holds the model {there[:12]}, and the run was begun with {digest[:12]}: put "
        "that one back and resume the run, or cancel the run and queue it again"
    )


def folder_digest(folder: Path) -> str:
    """The digest of a model folder as it is now. Raises ModelError when there is none."""
    try:
        return file_digest(folder / MANIFEST)
    except OSError as error:
        raise ModelError(
            f"{folder} is not a model folder ({error.strerror}); see: enrich train --model {folder}"
        ) from error
