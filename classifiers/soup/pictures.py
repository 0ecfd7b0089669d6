"""Labelled pictures in memory: decoded once, small and square, for training and measuring trajectories."""

from __future__ import annotations

import csv
import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from classifiers.base import ClassifierError, Progress, no_progress
from classifiers.data import Dataset, Property, Record
from classifiers.neural.heads import targets

LABELS = "labels.csv"
LABEL_BASE = "urn:label:"
"""What a label that is not an IRI is written behind: a class of a model folder is an absolute IRI."""


@dataclass(frozen=True)
class PictureSet:
    """n pictures: `pixels` (n, 3, side, side) uint8, targets (n, ΣK) float and which properties they name (n, P).

    `digests` are the SHA-256 of the files, `names` what they are called.
    """

    properties: tuple[Property, ...]
    names: tuple[str, ...]
    digests: tuple[str, ...]
    pixels: Tensor
    target: Tensor
    named: Tensor

    def __len__(self) -> int:
        return len(self.names)

    @property
    def side(self) -> int:
        """Width and height of the pictures."""
        return int(self.pixels.shape[-1])

    def subset(self, rows: NDArray[np.intp]) -> PictureSet:
        """The pictures of these rows."""
        index = torch.from_numpy(np.asarray(rows, dtype=np.int64))
        return replace(
            self,
            names=tuple(self.names[int(i)] for i in rows),
            digests=tuple(self.digests[int(i)] for i in rows),
            pixels=self.pixels[index],
            target=self.target[index],
            named=self.named[index],
        )

    def without(self, digests: Iterable[str]) -> PictureSet:
        """The pictures whose file is none of these; the very same set when that is all of them."""
        known = set(digests)
        rows = np.array([i for i, d in enumerate(self.digests) if d not in known], dtype=np.intp)
        return self if len(rows) == len(self) else self.subset(rows)

    def divide(self, seed: int, share: float = 0.5) -> tuple[PictureSet, PictureSet]:
        """Two parts, drawn by `seed`; the first has `share` of the pictures."""
        order = np.random.default_rng(seed).permutation(len(self))
        cut = round(len(order) * share)
        return self.subset(np.sort(order[:cut])), self.subset(np.sort(order[cut:]))

    def digest(self) -> str:
        """SHA-256 of the pictures and their targets, in order."""
        digest = hashlib.sha256(repr([(p.name, p.classes, p.many) for p in self.properties]).encode())
        digest.update("".join(self.digests).encode())
        digest.update(self.target.numpy().tobytes())
        digest.update(self.named.numpy().tobytes())
        return digest.hexdigest()


def read_folder(
    folder: Path, side: int, *, name: str = "label", progress: Progress = no_progress
) -> dict[str, PictureSet]:
    """The pictures of a folder by split, each `side` pixels wide and high.

    `labels.csv` has the columns file, label and split; it and the files lie in the folder or in tar archives
    in it. Raises ClassifierError for a file that is not there or does not decode.
    """
    rows = _labels(folder)
    classes = tuple(sorted({label for _, label, _ in rows}))
    prop = Property(name, tuple(_iri(label) for label in classes))
    column = {label: k for k, label in enumerate(classes)}
    wanted = {file: i for i, (file, _, _) in enumerate(rows)}
    pixels = torch.zeros(len(rows), 3, side, side, dtype=torch.uint8)
    digests = [""] * len(rows)
    for done, (file, data) in enumerate(_files(folder, wanted), start=1):
        row = wanted[file]
        digests[row] = hashlib.sha256(data).hexdigest()
        pixels[row] = _decode(data, side, f"{folder}: {file}")
        if done % 500 == 0:
            progress("reading pictures", done, len(rows))
    missing = [file for file, row in wanted.items() if not digests[row]]
    if missing:
        raise ClassifierError(
            f"{folder}: {len(missing)} files of {LABELS} are not there, first {missing[0]!r}"
        )
    target = torch.zeros(len(rows), len(classes))
    target[torch.arange(len(rows)), torch.tensor([column[label] for _, label, _ in rows])] = 1.0
    names = tuple(file for file, _, _ in rows)
    whole = PictureSet(
        (prop,), names, tuple(digests), pixels, target, torch.ones(len(rows), 1, dtype=torch.bool)
    )
    splits = np.array([split for _, _, split in rows])
    return {split: whole.subset(np.flatnonzero(splits == split)) for split in dict.fromkeys(splits.tolist())}


def from_records(dataset: Dataset, side: int, progress: Progress = no_progress) -> PictureSet:
    """The fetched pictures of records that name a value: each is an example of its record's values.

    Pictures that do not decode are left out. Raises ClassifierError when none is left.
    """
    target, named = targets(dataset)
    names, digests, pixels, owners = [], [], [], []
    for row, (name, digest, picture) in enumerate_pictures(dataset.records, side, progress):
        if bool(named[row].any()):
            names.append(name)
            digests.append(digest)
            pixels.append(picture)
            owners.append(row)
    if not names:
        raise ClassifierError("no record to learn from has both a picture that decodes and a known value")
    return PictureSet(
        dataset.properties, tuple(names), tuple(digests), torch.stack(pixels), target[owners], named[owners]
    )


def enumerate_pictures(
    records: Iterable[Record], side: int, progress: Progress = no_progress
) -> Iterator[tuple[int, tuple[str, str, Tensor]]]:
    """(row of the record, (IRI of the picture, SHA-256, pixels)) for every picture that decodes."""
    for row, record in enumerate(records):
        for picture in record.pictures:
            if picture.path is None:
                continue
            data = picture.path.read_bytes()
            try:
                pixels = _decode(data, side, str(picture.path))
            except ClassifierError:
                continue  # counted by the caller, who knows how many pictures the records have
            yield row, (picture.url, hashlib.sha256(data).hexdigest(), pixels)
        if row % 500 == 0:
            progress("reading pictures", row, 0)


def _labels(folder: Path) -> list[tuple[str, str, str]]:
    """(file, label, split) of every line of labels.csv."""
    where = f"{folder}: {LABELS}"
    found = dict(_files(folder, {LABELS: 0}))
    if LABELS not in found:
        raise ClassifierError(f"{folder} has no {LABELS} with the columns file, label, split")
    try:
        reader = csv.DictReader(io.StringIO(found[LABELS].decode("utf-8-sig"), newline=""))
    except UnicodeDecodeError as error:
        raise ClassifierError(f"{where} is not UTF-8 text: {error}") from error
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
    """(name, bytes) of the wanted files, from the folder itself and from the archives in it, each once."""
    left = dict(wanted)
    for archive in sorted(folder.glob("*.tar")):
        with tarfile.open(archive) as tar:
            for member in tar:
                inner = tar.extractfile(member) if member.isfile() and member.name in left else None
                if inner is not None:
                    del left[member.name]
                    yield member.name, inner.read()
    root = folder.resolve()
    for file in left:
        path = (folder / file).resolve()
        if path.is_relative_to(root) and path.is_file():
            yield file, path.read_bytes()


def _decode(data: bytes, side: int, where: str) -> Tensor:
    """The middle square of a picture, (3, side, side) uint8."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.draft("RGB", (side, side))
            rgb = picture.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError) as error:
        raise ClassifierError(f"{where} is not a picture that can be read: {error}") from error
    width, height = rgb.size
    if (width, height) != (side, side):
        short = min(width, height)
        left, top = (width - short) // 2, (height - short) // 2
        rgb = rgb.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + short, top + short))
    return torch.from_numpy(np.array(rgb)).permute(2, 0, 1)
