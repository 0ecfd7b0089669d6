"""Folders that are written whole or not at all, and that can prove that nothing in them was altered.

MANIFEST lists every file as "sha256  path" (the form of sha256sum); its own SHA-256 is the folder's
digest. Reading refuses files that are not listed, missing or altered, links, and anything that could
carry a pickle.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.base import ClassifierError

MANIFEST = "MANIFEST"
_PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib", ".dill", ".npy", ".npz", ".ckpt", ".pck"}
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


class ModelFolderError(ClassifierError):
    """A model folder is incomplete, altered, or holds what it must not."""


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder` that takes its place, with a MANIFEST, when all went well.

    An existing model folder is replaced; anything else in that place is refused before work begins.
    """
    folder = folder.absolute()
    if folder.exists() and not (
        folder.is_dir() and (not any(folder.iterdir()) or (folder / MANIFEST).is_file())
    ):
        raise ModelFolderError(f"{folder} is there already and is not a model folder; name another one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield stage
        write_manifest(stage)
        stage.chmod(0o755)
        _replace(stage, folder)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _replace(stage: Path, folder: Path) -> None:
    if not folder.exists():
        stage.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    folder.rename(old / "model")
    try:
        stage.rename(folder)
    except OSError:
        (old / "model").rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_manifest(folder: Path) -> str:
    """List every file of the folder; returns the digest."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)
    lines = [f"{file_digest(p)}  {p.relative_to(folder).as_posix()}\n" for p in paths]
    (folder / MANIFEST).write_text("".join(lines), encoding="utf-8", newline="\n")
    return file_digest(folder / MANIFEST)


def verify(folder: Path) -> str:
    """Check a folder against its MANIFEST; returns the digest. Raises ModelFolderError."""
    manifest = folder / MANIFEST
    if not folder.is_dir():
        raise ModelFolderError(f"no model folder {folder}; train one with: enrich train --model {folder}")
    if not manifest.is_file() or manifest.is_symlink():
        raise ModelFolderError(f"{folder} has no MANIFEST, so it is no model folder or an unfinished one")
    listed = files_of(manifest)
    found = set()
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise ModelFolderError(f"{folder}: {name} is a link; a model folder holds its files itself")
        if path.is_file() and path != manifest:
            found.add(name)
    for name in sorted(found - set(listed)):
        raise ModelFolderError(f"{folder}: {name} is not in the MANIFEST")
    for name in sorted(set(listed) - found):
        raise ModelFolderError(f"{folder}: {name} is in the MANIFEST and not in the folder")
    for name, digest in listed.items():
        _refuse_pickle(folder, name)
        if file_digest(folder / name) != digest:
            raise ModelFolderError(f"{folder}: {name} was altered: its SHA-256 is not the MANIFEST's")
        if name.endswith(".safetensors"):
            _refuse_not_finite(folder / name)
    return file_digest(manifest)


def files_of(manifest: Path) -> dict[str, str]:
    """The files of a MANIFEST by path within the folder, each with its digest. Raises ModelFolderError."""
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ModelFolderError(f"{manifest} is not UTF-8 text") from error
    listed: dict[str, str] = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None or match[2].startswith("/") or ".." in match[2].split("/") or match[2] in listed:
            raise ModelFolderError(f"{manifest}: a line that is not 'sha256  path': {line[:80]!r}")
        listed[match[2]] = match[1]
    return listed


def _refuse_pickle(folder: Path, name: str) -> None:
    path = folder / name
    with path.open("rb") as file:
        head = file.read(4)
    pickled = len(head) >= 2 and head[0] == 0x80 and head[1] in (2, 3, 4, 5)
    if path.suffix.lower() in _PICKLES or pickled or head == b"PK\x03\x04":
        raise ModelFolderError(f"{folder}: {name} can hold a pickle, which would run code; it is not loaded")


_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def _refuse_not_finite(path: Path) -> None:
    """Refuse tensors with NaN or infinity; reads the format's header itself, so bfloat16 works as well."""
    data = path.read_bytes()
    try:
        (length,) = struct.unpack("<Q", data[:8])
        header: dict[str, Any] = json.loads(data[8 : 8 + length])
        body = memoryview(data)[8 + length :]
        for name, tensor in header.items():
            if name == "__metadata__" or tensor["dtype"] not in _FLOATS:
                continue
            start, end = tensor["data_offsets"]
            values = np.frombuffer(body[start:end], dtype=_FLOATS[tensor["dtype"]])
            bad = (
                ((values & 0x7F80) == 0x7F80).any()
                if tensor["dtype"] == "BF16"
                else not np.isfinite(values).all()
            )
            if bad:
                raise ModelFolderError(f"{path}: the tensor {name} has values that are not numbers")
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFolderError(f"{path} is not a safetensors file: {error}") from error
