"""Labelled pictures in memory, the split that keeps choosing and judging apart, and the view of one property."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Property
from enrich.classifiers.kinds import Flags, FloatArray, Indices, Rows
from enrich.classifiers.neural.augment import centre_crop
from enrich.classifiers.neural.heads import by_property


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

    def middle(self, rows: slice | Tensor, size: int) -> Tensor:
        """What a network that looks at `size` pixels sees of these rows: float32 (m, 3, size, size), 0 to 1."""
        pixels = self.pixels[rows]
        if self.side != size:
            pixels = torch.stack([centre_crop(p, size, size / self.side) for p in pixels])
        return (pixels.float() / 255.0).contiguous(memory_format=torch.channels_last)

    def subset(self, rows: Rows) -> PictureSet:
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


@dataclass(frozen=True)
class PictureSplit:
    """Pictures that are learned from, that choose, and that judge; none that judges is in another part."""

    learn: PictureSet
    selection: PictureSet
    scoring: PictureSet

    def __post_init__(self) -> None:
        if set(self.selection.names) & set(self.scoring.names):
            raise ClassifierError(
                "a picture is among those that select and those that score; keep them apart"
            )

    @classmethod
    def apart(cls, learn: PictureSet, selection: PictureSet, scoring: PictureSet) -> PictureSplit:
        """The same three, less the selecting pictures that are learned from, and the scoring ones in either.

        Museums show one picture with several records: a file counts as the same by its SHA-256.
        """
        selection = selection.without(learn.digests)
        return cls(learn, selection, scoring.without((*learn.digests, *selection.digests)))

    def sizes(self) -> dict[str, int]:
        """The number of pictures in each part."""
        return {"learn": len(self.learn), "selection": len(self.selection), "scoring": len(self.scoring)}


@dataclass(frozen=True)
class PropertyView:
    """One property of a picture set: its columns, the pictures that name it, and their true classes (n',)."""

    prop: Property
    columns: slice
    rows: Flags
    truth: Indices

    @classmethod
    def of(cls, pictures: PictureSet, name: str | None = None) -> PropertyView:
        """The property of this name, the first without one. ClassifierError when it may have several values."""
        names = [p.name for p in pictures.properties]
        if name not in (None, *names):
            raise ClassifierError(f"there is no property {name!r} among those of the trajectory")
        p = 0 if name is None else names.index(name)
        prop, columns = by_property(pictures.properties)[p]
        if prop.many:
            raise ClassifierError(f"{prop.name} may have several values; choose a property with one")
        rows: Flags = pictures.named[:, p].numpy()
        return cls(prop, columns, rows, pictures.target[:, columns].numpy()[rows].argmax(axis=1))

    def select(self, p: FloatArray) -> FloatArray:
        """The property's part (n', K) of probabilities (n, ΣK)."""
        found: FloatArray = p[self.rows][:, self.columns]
        return found

    def hits(self, p: FloatArray) -> FloatArray:
        """Whether the first candidate of each picture is right, 0 or 1 (n',), for probabilities (n, ΣK)."""
        found: FloatArray = (self.select(p).argmax(axis=1) == self.truth).astype(np.float64)
        return found
