"""Opens model folders: every file is read once, in pieces, and compared with the MANIFEST.

Refused are files that are not listed, missing or altered, links, anything that could carry a pickle, and
weights that are not numbers. `load_verified` makes sure that what is loaded is what was compared.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np

from enrich.classifiers.digest import bytes_digest
from enrich.classifiers.model.manifest import MANIFEST, ModelFolderError, parse_manifest

T = TypeVar("T")
State = tuple[int, ...]
TRIES = 3
"""How often a folder is opened again that is replaced while it is being loaded."""
_PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib", ".dill", ".npy", ".npz", ".ckpt", ".pck"}
_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_PIECE = 1 << 20
_MOST_HEADER = 100_000_000
"""Bytes of a safetensors header, at most, as the format says."""


@dataclass(frozen=True)
class VerifiedFolder:
    """A folder that was found as its MANIFEST says. `files` maps a path to its SHA-256."""

    path: Path
    digest: str
    files: Mapping[str, str]
    states: Mapping[str, State]

    def json(self, name: str) -> Any:
        """The values of a file that was verified. Raises ModelFolderError."""
        return _json_of(self._bytes(name), self.path / name)

    def part(self, name: str) -> VerifiedFolder:
        """A folder within that has a MANIFEST of its own. Raises ModelFolderError when that lists other files."""
        inside = f"{name}/"
        files = {n.removeprefix(inside): d for n, d in self.files.items() if n.startswith(inside)}
        states = {n.removeprefix(inside): s for n, s in self.states.items() if n.startswith(inside)}
        digest = files.pop(MANIFEST, "")
        path = self.path / name
        if parse_manifest(_text(self._bytes(f"{name}/{MANIFEST}"), path), path / MANIFEST) != files:
            raise ModelFolderError(f"{path}: its MANIFEST is not that of the files in it")
        return VerifiedFolder(path, digest, files, states)

    def unchanged(self) -> bool:
        """Whether every file is still the one that was verified."""
        return all(_state(self.path / name) == state for name, state in self.states.items())

    def _bytes(self, name: str) -> bytes:
        if name not in self.files:
            raise ModelFolderError(f"{self.path / name} cannot be read: the MANIFEST does not list it")
        data = _read(self.path / name)
        if bytes_digest(data) != self.files[name]:
            raise ModelFolderError(f"{self.path}: {name} was altered while it was being read")
        return data


def load_verified(folder: Path, load: Callable[[VerifiedFolder], T]) -> T:
    """What `load` makes of a folder, which is opened anew when it was replaced meanwhile.

    Raises ModelFolderError for a folder that is not as its MANIFEST says, and when it does not rest.
    """
    for _ in range(TRIES):
        before = _state(folder / MANIFEST)
        try:
            opened = open_folder(folder)
            loaded = load(opened)
        except (ModelFolderError, OSError) as error:
            if _state(folder / MANIFEST) == before:
                raise ModelFolderError(str(error)) from error
            continue
        if opened.unchanged():
            return loaded
    raise ModelFolderError(f"{folder} was replaced {TRIES} times while it was being loaded; load it again")


def open_folder(folder: Path) -> VerifiedFolder:
    """Compare a folder with its MANIFEST. Raises ModelFolderError."""
    manifest = folder / MANIFEST
    if not folder.is_dir():
        raise ModelFolderError(f"no model folder {folder}; train one with: enrich train --model {folder}")
    if not manifest.is_file() or manifest.is_symlink():
        raise ModelFolderError(f"{folder} has no MANIFEST, so it is no model folder or an unfinished one")
    states = {MANIFEST: _state(manifest)}
    content = _read(manifest)
    listed = parse_manifest(_text(content, folder), manifest)
    _compare_names(folder, set(listed))
    for name, digest in listed.items():
        states[name] = _verify_file(folder, name, digest)
    return VerifiedFolder(folder, bytes_digest(content), listed, states)


def read_json(path: Path) -> Any:
    """JSON values of a file. Raises ModelFolderError."""
    return _json_of(_read(path), path)


def _json_of(data: bytes, where: Path) -> Any:
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelFolderError(f"{where} cannot be read: {error}") from error


def _compare_names(folder: Path, listed: set[str]) -> None:
    found = set()
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise ModelFolderError(f"{folder}: {name} is a link; a model folder holds its files itself")
        if path.is_file() and name != MANIFEST:
            found.add(name)
    for name in sorted(found - listed):
        raise ModelFolderError(f"{folder}: {name} is not in the MANIFEST")
    for name in sorted(listed - found):
        raise ModelFolderError(f"{folder}: {name} is in the MANIFEST and not in the folder")


def _verify_file(folder: Path, name: str, digest: str) -> State:
    """Read a file once, compare it and look at its tensors on the way."""
    path, found, problem = folder / name, hashlib.sha256(), ""
    try:
        with path.open("rb") as file:
            state = _of(os.fstat(file.fileno()))
            head = file.read(4)
            file.seek(0)
            pieces = _tensor_pieces(file) if path.suffix == ".safetensors" else _pieces(file)
            for piece, wrong in pieces:
                found.update(piece)
                problem = problem or wrong
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be read: {error.strerror}") from error
    pickled = len(head) >= 2 and head[0] == 0x80 and head[1] in (2, 3, 4, 5)
    if path.suffix.lower() in _PICKLES or pickled or head == b"PK\x03\x04":
        raise ModelFolderError(f"{folder}: {name} can hold a pickle, which would run code; it is not loaded")
    if found.hexdigest() != digest:
        raise ModelFolderError(f"{folder}: {name} was altered: its SHA-256 is not the MANIFEST's")
    if problem:
        raise ModelFolderError(f"{path}{problem}")
    return state


def _pieces(file: BinaryIO, wrong: str = "") -> Iterator[tuple[bytes, str]]:
    while piece := file.read(_PIECE):
        yield piece, wrong


def _tensor_pieces(file: BinaryIO) -> Iterator[tuple[bytes, str]]:
    """A safetensors file in pieces, each with what is wrong with it, such as NaN or infinity."""
    size = file.read(8)
    length = struct.unpack("<Q", size)[0] if len(size) == 8 else 0
    header = file.read(length) if length <= _MOST_HEADER else b""
    yield size + header, ""
    try:
        tensors = json.loads(header)
        tensors.pop("__metadata__", None)
        ordered = sorted(_span(name, tensor) for name, tensor in tensors.items())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        yield b"", f" is not a safetensors file: {error}"
        ordered = []
    at = 0
    for start, end, dtype, name in ordered:
        if start != at:
            yield b"", " is not a safetensors file: its tensors are not side by side"
        while at < end and (piece := file.read(min(_PIECE, end - at))):
            yield (
                piece,
                "" if _finite(piece, dtype) else f": the tensor {name} has values that are not numbers",
            )
            at += len(piece)
    if ordered and at != ordered[-1][1]:
        yield b"", " is not a safetensors file: it is cut short"
    yield from _pieces(file, " is not a safetensors file: it goes on after its tensors")


def _span(name: str, tensor: Mapping[str, Any]) -> tuple[int, int, str, str]:
    """Where a tensor begins and ends, its type, and its name. Raises ValueError, KeyError or TypeError."""
    start, end = tensor["data_offsets"]
    if type(start) is not int or type(end) is not int:
        raise ValueError(f"the tensor {name} is at no place")
    return start, end, str(tensor["dtype"]), name


def _finite(piece: bytes, dtype: str) -> bool:
    if dtype not in _FLOATS:
        return True
    kind = np.dtype(_FLOATS[dtype])
    values = np.frombuffer(piece[: len(piece) // kind.itemsize * kind.itemsize], dtype=kind)
    if dtype == "BF16":
        return not bool(((values & 0x7F80) == 0x7F80).any())
    return bool(np.isfinite(values).all())


def _text(data: bytes, where: Path) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelFolderError(f"{where}: the MANIFEST is not UTF-8 text") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be read: {error.strerror}") from error


def _state(path: Path) -> State:
    """What tells one file at a path from another; () for none."""
    try:
        return _of(path.stat())
    except OSError:
        return ()


def _of(status: os.stat_result) -> State:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
