"""From a record's texts to token numbers: early truncation, a fair share for every text, batches by length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrich.classifiers.data import Record, Text

CHARACTERS_PER_TOKEN = 12
"""A text is cut to this many characters per token of room before the tokenizer sees it."""


@dataclass(frozen=True)
class Piece:
    """The tokens of one text, and where in `text` each of them stands (start, end)."""

    text: str
    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


class Tokens:
    """Turns the texts of records into sequences of token numbers of at most `limit`.

    `pad` is the padding number; `languages` are preferred in this order, others follow as they come.
    """

    def __init__(self, tokenizer: Any, limit: int, pad: int, languages: Sequence[str] = ()) -> None:
        self.tokenizer, self.limit, self.pad = tokenizer, limit, pad
        self.languages = tuple(languages)
        special = tokenizer.encode("").ids
        self.prefix: list[int] = special[:-1]
        self.suffix: list[int] = special[-1:]

    def texts(self, record: Record) -> list[str]:
        """The record's texts that say something, in order of preference, each cut early and encodable."""
        room = self.limit * CHARACTERS_PER_TOKEN
        ordered = sorted(record.texts, key=self._preference)
        cut = (t.value.lstrip()[:room].encode("utf-8", "replace").decode("utf-8").strip() for t in ordered)
        return list(dict.fromkeys(t for t in cut if t))

    def _preference(self, text: Text) -> int:
        language = (text.language or "").partition("-")[0].lower()
        return self.languages.index(language) if language in self.languages else len(self.languages)

    def pieces(self, texts: Sequence[str]) -> list[Piece]:
        """Every text tokenised by itself, without special tokens."""
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [Piece(text, tuple(e.ids), tuple(e.offsets)) for text, e in zip(texts, encodings, strict=True)]

    def join(self, pieces: Sequence[Piece]) -> tuple[list[int], list[tuple[int, int]]]:
        """One sequence of several texts, and for each of its tokens (piece, token in it), (-1, -1) if special.

        What is over the limit is taken from the longest texts, so that a short one is never crowded out.
        """
        pieces = list(pieces)[: max(1, self.limit // 8)]
        room = self.limit - len(self.prefix) - len(self.suffix) * len(pieces)
        ids, places = list(self.prefix), [(-1, -1)] * len(self.prefix)
        for number, (piece, share) in enumerate(zip(pieces, _shares(pieces, room), strict=True)):
            ids += [*piece.ids[:share], *self.suffix]
            places += [(number, i) for i in range(min(share, len(piece.ids)))]
            places += [(-1, -1)] * len(self.suffix)
        return ids[: self.limit], places[: self.limit]

    def sequences(self, records: Sequence[Record], *, joined: bool) -> tuple[list[list[int]], list[int]]:
        """Token sequences of many records and the row each belongs to: one per record, or one per text."""
        texts = [self.texts(r) for r in records]
        pieces = iter(self.pieces([t for row in texts for t in row]))
        sequences: list[list[int]] = []
        owners: list[int] = []
        for row, of_record in enumerate(texts):
            found = [next(pieces) for _ in of_record]
            for part in [found] if joined and found else [[p] for p in found]:
                sequences.append(self.join(part)[0])
                owners.append(row)
        return sequences, owners

    def padded(self, sequences: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Token numbers and mask (m, longest), padded to the longest of these sequences only."""
        longest = max((len(s) for s in sequences), default=1) or 1
        ids = np.full((len(sequences), longest), self.pad, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = sequence
            mask[row, : len(sequence)] = 1
        return ids, mask


def _shares(pieces: Sequence[Piece], room: int) -> list[int]:
    """How many tokens of each text fit when the longest give way first; their sum is at most `room`."""
    shares = [0] * len(pieces)
    by_length = sorted(range(len(pieces)), key=lambda i: len(pieces[i].ids))
    for done, i in enumerate(by_length):
        shares[i] = min(len(pieces[i].ids), max(0, room) // (len(pieces) - done))
        room -= shares[i]
    return shares


def buckets(lengths: Sequence[int], *, most: int, tokens: int) -> Iterator[list[int]]:
    """Batches of positions of about equal length, longest first: at most `most`, and `tokens` with padding.

    A batch ends where a sequence would be more than a sixth padding (and more than 4 tokens of it).
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    start = 0
    while start < len(order):
        longest = lengths[order[start]]
        size = max(1, min(most, tokens // max(1, longest)))
        shortest = min(longest * 5 / 6, longest - 4)
        batch = [i for i in order[start : start + size] if lengths[i] >= shortest]
        yield batch
        start += len(batch)
