"""Folders that are written whole or not at all, with a MANIFEST of what is in them.

MANIFEST lists every file as "sha256  path" (the form of sha256sum); its own SHA-256 is the folder's digest.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.digest import file_digest

MANIFEST = "MANIFEST"
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


class ModelFolderError(ClassifierError):
    """A model folder is incomplete, altered, or holds what it must not."""


def expect_writable(folder: Path) -> None:
    """Raises ModelFolderError unless a model may be written there: where nothing is, or a model that it replaces."""
    if folder.exists() and not (
        folder.is_dir() and (not any(folder.iterdir()) or (folder / MANIFEST).is_file())
    ):
        raise ModelFolderError(f"{folder} is there already and is not a model folder; name another one")


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder` that takes its place, with a MANIFEST, when all went well.

    An existing model folder is replaced; anything else in that place is refused before work begins.
    """
    folder = folder.absolute()
    expect_writable(folder)
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


def parse_manifest(text: str, where: Path) -> dict[str, str]:
    """Path to SHA-256. Raises ModelFolderError for a line that is not of the form, or leads out of the folder."""
    listed: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None or match[2].startswith("/") or ".." in match[2].split("/") or match[2] in listed:
            raise ModelFolderError(f"{where}: a line that is not 'sha256  path': {line[:80]!r}")
        listed[match[2]] = match[1]
    return listed
