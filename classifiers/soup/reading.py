"""Reads labelled pictures: from a folder with labels.csv and archives, or those of the graph's records."""

import csv
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO
from urllib.parse import quote

import numpy as np
import torch
from torch import Tensor

from enrich.classifiers.base import ClassifierError, Progress, no_progress
from enrich.classifiers.data import Dataset, Property
from enrich.classifiers.digest import bytes_digest
from enrich.classifiers.neural.decoding import MAX_BYTES
from enrich.classifiers.neural.heads import targets
from enrich.classifiers.neural.image import square
from enrich.classifiers.soup.pictures import PictureSet

LABELS = "labels.csv"
LABEL_BASE = "urn:label:"
"""What a label that is not an IRI is written behind: a class of a model folder is an absolute IRI."""


def read_folder(
    folder: Path, side: int, *, name: str = "label", progress: Progress = no_progress
) -> dict[str, PictureSet]:
    """The pictures of a folder by split, each `side` pixels wide and high.

    `labels.csv` has the columns file, label and split; it and the files lie in the folder or in tar archives
    in it. Raises ClassifierError for a file that is not there or does not decode.
    """
    rows = _labels(folder)
    classes = tuple(sorted({label for _, label, _ in rows}))
    wanted = {file: i for i, (file, _, _) in enumerate(rows)}
    pixels = torch.zeros(len(rows), 3, side, side, dtype=torch.uint8)
    digests = [""] * len(rows)
    for done, (file, data) in enumerate(_files(folder, wanted), start=1):
        row = wanted[file]
        digests[row] = bytes_digest(data)
        try:
            pixels[row] = square(data, side)
        except ClassifierError as error:
            raise ClassifierError(f"{folder}: {file} cannot be used: {error}") from error
        if done % 500 == 0:
            progress("reading pictures", done, len(rows))
    missing = [file for file, row in wanted.items() if not digests[row]]
    if missing:
        raise ClassifierError(
            f"{folder}: {len(missing)} files of {LABELS} are not there, first {missing[0]!r}"
        )
    target = torch.zeros(len(rows), len(classes))
    target[torch.arange(len(rows)), torch.tensor([classes.index(label) for _, label, _ in rows])] = 1.0
    prop = Property(name, tuple(_iri(label) for label in classes))
    named = torch.ones(len(rows), 1, dtype=torch.bool)
    whole = PictureSet((prop,), tuple(file for file, _, _ in rows), tuple(digests), pixels, target, named)
    splits = np.array([split for _, _, split in rows])
    return {split: whole.subset(np.flatnonzero(splits == split)) for split in dict.fromkeys(splits.tolist())}


def read_unlabelled(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of all files of a folder and of the tar archives in it, or of one archive, in the order of their names.

    What labels.csv, where there is one, puts into another split than train is left out, and so are hidden files. Raises
    ClassifierError where nothing is there, or an archive cannot be read.
    """
    if not path.exists():
        raise ClassifierError(f"{path} is not there; name a folder of pictures, or a tar archive")
    labelled = any(_files(path, {LABELS: 0}))
    held = {_plain(file) for file, _, split in _labels(path) if split != "train"} if labelled else set()
    for name, data in _all_files(path):
        if name not in held and name != LABELS:
            yield name, data


def _all_files(path: Path) -> Iterator[tuple[str, bytes]]:
    files = [path] if path.is_file() else sorted(p for p in path.rglob("[!.]*") if p.is_file())
    for file in files:
        if file.suffix != ".tar":
            with file.open("rb") as stream:
                yield file.relative_to(path).as_posix(), _start_of(stream, file.stat().st_size)
            continue
        for name, inner, size in _held(file):
            if not Path(name).name.startswith("."):
                yield name, _start_of(inner, size)


def _held(archive: Path) -> Iterator[tuple[str, IO[bytes], int]]:
    """The name of each file in a tar archive, without a leading `./`, its content and its size. Raises
    ClassifierError."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                inner = tar.extractfile(member) if member.isfile() else None
                if inner is not None:
                    yield _plain(member.name), inner, member.size
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ClassifierError(f"{archive} cannot be read as a tar archive: {error}") from error


def _plain(name: str) -> str:
    """A file's name without `./` in front, as every tar archive of `.` has it."""
    return name.removeprefix("./")


def _start_of(stream: IO[bytes], size: int) -> bytes:
    """The whole, or of what is larger than a picture may be one byte more than that."""
    return stream.read(min(size, MAX_BYTES + 1))


def from_records(dataset: Dataset, side: int, progress: Progress = no_progress) -> PictureSet:
    """The fetched pictures of records that name a value: each is an example of its record's values.

    Pictures that do not decode are left out. Raises ClassifierError when none is left.
    """
    target, named = targets(dataset)
    found: list[tuple[str, str, Tensor, int]] = []
    for row, record in enumerate(dataset.records):
        for picture in record.pictures if bool(named[row].any()) else ():
            if picture.path is None:
                continue
            data = picture.path.read_bytes()
            try:
                pixels = square(data, side)
            except ClassifierError:
                continue  # the caller knows how many pictures the records have
            found.append((picture.url, bytes_digest(data), pixels, row))
        if row % 500 == 0:
            progress("reading pictures", row, 0)
    if not found:
        raise ClassifierError("no record to learn from has both a picture that decodes and a known value")
    names, digests, pictures, owners = zip(*found, strict=True)
    rows = list(owners)
    return PictureSet(dataset.properties, names, digests, torch.stack(pictures), target[rows], named[rows])


def _labels(folder: Path) -> list[tuple[str, str, str]]:
    """(file, label, split) of every line of labels.csv."""
    where = f"{folder}: {LABELS}"
    found = dict(_files(folder, {LABELS: 0}))
    if LABELS not in found:
        raise ClassifierError(f"{folder} has no {LABELS} with the columns file, label, split")
    try:
        reader = csv.DictReader(io.StringIO(found[LABELS].decode("utf-8-sig"), newline=""))
    except UnicodeDecodeError as error:
        raise ClassifierError(f"{where} is not UTF-8 text; save it as UTF-8 (in Excel: CSV UTF-8)") from error
    lacking = {"file", "label", "split"} - set(reader.fieldnames or ())
    if lacking:
        raise ClassifierError(f"{where} lacks the column {sorted(lacking)[0]}; it needs file, label, split")
    rows = [(row["file"], row["label"], row["split"]) for row in reader]
    if not all(value for row in rows for value in row):
        raise ClassifierError(f"{where} has a line without file, label or split")
    if len({file for file, _, _ in rows}) != len(rows):
        raise ClassifierError(f"{where} names a file twice")
    if not rows:
        raise ClassifierError(f"{where} names no file")
    return rows


def _iri(label: str) -> str:
    return label if "://" in label or label.startswith("urn:") else LABEL_BASE + quote(label, safe="")


def _files(folder: Path, wanted: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of the wanted files, from the folder itself and from the archives in it, or from one archive, each
    once. Raises ClassifierError for an archive that cannot be read."""
    left = {_plain(name): name for name in wanted}
    for archive in [folder] if folder.suffix == ".tar" and folder.is_file() else sorted(folder.glob("*.tar")):
        for name, inner, _ in _held(archive):
            if name in left:
                yield left.pop(name), inner.read()
    root = folder.resolve()
    for file in left.values():
        path = (folder / file).resolve()
        if path.is_relative_to(root) and path.is_file():
            yield file, path.read_bytes()
