"""Token sequences of records: order, truncation, shares, batches."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.classifiers.data import Record, Text
from enrich.classifiers.neural.encoders import train_tokenizer
from enrich.classifiers.neural.tokens import CHARACTERS_PER_TOKEN, Tokens, buckets

TOKENIZER = train_tokenizer(["red silk velvet", "green wool coat", "vase of glass"] * 3, 300)
CLS, SEP = 2, 3


def tokens(limit: int = 24, languages: tuple[str, ...] = ()) -> Tokens:
    return Tokens(TOKENIZER, limit, 0, languages)


def record(*texts: str) -> Record:
    return Record("r", texts=tuple(Text(t) for t in texts))


def test_texts_are_joined_between_special_tokens() -> None:
    sequences, owners = tokens().sequences(
        [record("red silk", "vase"), record(), record("wool")], joined=True
    )
    assert owners == [0, 2]
    assert sequences[0][0] == CLS
    assert sequences[0].count(SEP) == 2
    assert sequences[0][-1] == SEP


def test_texts_can_stay_apart() -> None:
    sequences, owners = tokens().sequences([record("red silk", "vase")], joined=False)
    assert owners == [0, 0]
    assert [s.count(SEP) for s in sequences] == [1, 1]


def test_a_long_text_does_not_crowd_out_a_short_one() -> None:
    made = tokens(24)
    pieces = made.pieces(["green wool coat " * 50, "red silk"])
    ids, places = made.join(pieces)
    assert len(ids) == 24
    assert sum(1 for n, _ in places if n == 1) == len(pieces[1].ids)


def test_preferred_languages_come_first_and_repeats_are_dropped() -> None:
    r = Record(
        "r", texts=(Text("vert", "fr"), Text("green", "en-GB"), Text("verde", "es"), Text("vert", "ca"))
    )
    assert tokens(languages=("en", "es")).texts(r) == ["green", "verde", "vert"]


def test_a_text_of_a_megabyte_is_cut_before_it_is_tokenised() -> None:
    made = tokens(24)
    started = time.process_time()
    texts = made.texts(record("silk " * 1_000_000))
    made.sequences([record("silk " * 1_000_000)] * 20, joined=True)
    assert len(texts[0]) <= 24 * CHARACTERS_PER_TOKEN
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize("blanks", [" ", "\n\t ", "\u3000"])
def test_a_text_behind_many_blanks_is_read(blanks: str) -> None:
    made = tokens(24)
    far = record(blanks * 1_000_000 + "green wool")
    started = time.process_time()
    assert made.texts(far) == ["green wool"]
    assert made.sequences([far], joined=True) == made.sequences([record("green wool")], joined=True)
    assert time.process_time() - started < 1.0


@given(st.lists(st.text(st.characters(), max_size=200), max_size=12), st.integers(8, 40), st.booleans())
def test_any_texts_give_sequences_within_the_limit(texts: list[str], limit: int, joined: bool) -> None:
    made = tokens(limit)
    sequences, owners = made.sequences([record(*texts)], joined=joined)
    assert len(sequences) == len(owners)
    assert all(0 < len(s) <= limit for s in sequences)
    assert bool(sequences) == any(t.strip() for t in texts)
    ids, mask = made.padded(sequences)
    assert mask.sum() == sum(map(len, sequences))
    assert ids.shape == mask.shape


def test_surrogates_and_nul_do_not_stop_a_record() -> None:
    sequences, _ = tokens().sequences([record("red \ud800 silk \x00")], joined=True)
    assert len(sequences) == 1


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 8), st.integers(1, 200))
def test_buckets_hold_everything_once_within_their_bounds(lengths: list[int], most: int, room: int) -> None:
    found = list(buckets(lengths, most=most, tokens=room))
    assert sorted(i for b in found for i in b) == list(range(len(lengths)))
    for bucket in found:
        assert len(bucket) <= most
        longest = max(lengths[i] for i in bucket)
        assert len(bucket) == 1 or len(bucket) * longest <= room
        assert all(lengths[i] >= min(longest * 5 / 6, longest - 4) for i in bucket)


@pytest.mark.parametrize("text", ["Ωμέγα", "絹織物", "نسيج", "🧵"])
def test_every_script_has_tokens_and_offsets(text: str) -> None:
    piece: Any = tokens().pieces([text])[0]
    assert piece.ids
    assert TOKENIZER.token_to_id("[UNK]") not in piece.ids
    assert max(end for _, end in piece.spans) == len(text)
