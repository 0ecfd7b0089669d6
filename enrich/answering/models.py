"""The models of a process: each read once, read anew when its folder has changed."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from enrich.errors import ModelError

if TYPE_CHECKING:
    from classifiers.model.model import Model

FORK_SAFE = frozenset({"dummy", "tabular", "tfidf"})
"""Classifiers that may be read before the process forks, and are then shared between its children, so long
as nothing has used a second thread until then. Those on torch or ONNX Runtime keep thread pools from the
start, which do not survive a fork."""
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
                raise ModelError(
                    f"{folder} holds the model {there[:12]}, and the run was begun with {digest[:12]}: put "
                    "that one back and resume the run, or cancel the run and queue it again"
                )
            if there not in self._by_digest:
                self._keep(self._read(folder))
            return self._by_digest[there]

    def preload(self, folder: Path) -> bool:
        """Read a model before the process forks, if its classifiers allow that. Returns whether they do."""
        model = self.get(folder)
        if all(member.classifier.name in FORK_SAFE for member in model.members.values()):
            return True
        with self._lock:
            self._by_digest.clear()
        return False

    def _read(self, folder: Path) -> Model:
        from classifiers.base import ClassifierError
        from classifiers.model.model import Model

        self.loads += 1
        try:
            return Model.load(folder)
        except ClassifierError as error:
            raise ModelError(str(error)) from error

    def _keep(self, model: Model) -> None:
        self._by_digest[model.digest] = model
        while len(self._by_digest) > KEPT:
            del self._by_digest[next(iter(self._by_digest))]


def folder_digest(folder: Path) -> str:
    """The digest of a model folder as it is now. Raises ModelError when there is none."""
    try:
        return hashlib.sha256((folder / "MANIFEST").read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(
            f"{folder} is not a model folder ({error.strerror}); see: enrich train --model {folder}"
        ) from error
