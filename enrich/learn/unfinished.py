"""What a training keeps beside its model until that is written: one that was stopped goes on from there."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from enrich.classifiers.model.folder import write_json
from enrich.classifiers.model.manifest import ModelFolderError, expect_writable
from enrich.classifiers.page import today
from enrich.learn.model_folders import json_file

_SNAPSHOT, _LOCK = "snapshot.json", "lock"


def training_folder(model: Path) -> Path:
    """The folder beside a model folder."""
    return model.absolute().parent / f".{model.absolute().name}.training"


@contextmanager
def unfinished(model: Path) -> Iterator[Path]:
    """The folder to keep finished parts in. It goes when the training ends well, and when nothing in it is finished.

    Raises ModelFolderError, before anything is learned, where no model can be written or another training holds the
    folder, and OSError where no folder can.
    """
    expect_writable(model)
    folder = training_folder(model)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    with _held(folder, model):
        try:
            yield folder
        except BaseException:
            if not parts(folder):
                shutil.rmtree(folder, ignore_errors=True)
                with suppress(OSError):
                    for path in made[1:]:
                        path.rmdir()
            raise
        shutil.rmtree(folder, ignore_errors=True)


def _held(folder: Path, model: Path) -> TextIO:
    """The lock of the folder, which is made; where another training ended meanwhile, that of the folder made anew."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            file = (folder / _LOCK).open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(file.fileno()), (folder / _LOCK).stat()):
                    return file
            except BlockingIOError as error:
                file.close()
                raise ModelFolderError(
                    f"another training of {model} is under way; wait for it, or name another folder"
                ) from error


def parts(folder: Path) -> int:
    """How many finished folds, classifiers and checkpoints it holds."""
    return sum(any(part.iterdir()) if part.is_dir() else True for part in folder.glob("*/*"))


def day_of(digest: str, model: Path) -> str:
    """The day on which the data of this digest were read first, by the model that is replaced or by the training that
    was stopped: training again on the same data gives the same model."""
    kept = training_folder(model) / _SNAPSHOT
    before = (json_file(model / "config.json", "training", "snapshot"), json_file(kept))
    day = next((str(said["issued"]) for said in before if said.get("sha256") == digest), today())
    write_json(kept, {"sha256": digest, "issued": day})
    return day
