"""Digests of a record: of what it gives the models, and of what was seen of its pictures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from enrich.classifiers.data import Picture, Record, Text
from enrich.graph.records import input_digest, seen_digest

RECORD = Record(
    "https://museum.example.org/object/1",
    {"place": ("https://museum.example.org/lyon",), "technique": ("https://museum.example.org/damask",)},
    {"museum": ("https://museum.example.org/silk",)},
    (Text("A silk damask", "en"),),
    (Picture("https://images.example.org/a.jpg"), Picture("https://images.example.org/b.jpg")),
)
HAD = Picture("https://images.example.org/a.jpg", sha256="a" * 64)
GONE = Picture("https://images.example.org/b.jpg", failure="images.example.org answers 404")
LATER = Picture("https://images.example.org/b.jpg", failure="images.example.org answers 503", may_come=True)


def test_the_digest_of_inputs_is_what_earlier_versions_wrote() -> None:
    """Else every answer would be asked again because the software changed."""
    assert input_digest(RECORD, "place") == (
        "sha256:db3d00c16bb8562a4fa090e5d5bae4f70e4860ff586e22769fdd8d33e2ac2c3b"
    )


def test_the_value_asked_for_is_not_an_input() -> None:
    other = replace(RECORD, known={**RECORD.known, "place": ()})
    assert input_digest(other, "place") == input_digest(RECORD, "place")
    assert input_digest(other, "technique") != input_digest(RECORD, "technique")


@pytest.mark.parametrize("pictures", [(HAD, GONE), (HAD, LATER)])
def test_pictures_are_inputs_by_their_address(pictures: tuple[Picture, ...]) -> None:
    """They are not fetched when it is asked whether a gap is open."""
    assert input_digest(replace(RECORD, pictures=pictures), "place") == input_digest(RECORD, "place")


@pytest.mark.parametrize("pictures", [(), (HAD, GONE), (HAD,)])
def test_what_was_seen_matters_only_while_a_picture_may_come(pictures: tuple[Picture, ...]) -> None:
    assert seen_digest(replace(RECORD, pictures=pictures)) is None


def test_what_was_seen_changes_with_content_and_refusal_and_not_with_the_reason_for_waiting() -> None:
    def seen(*pictures: Picture) -> str | None:
        return seen_digest(replace(RECORD, pictures=(*pictures, LATER)))

    assert seen(HAD) == seen(HAD) != seen(replace(HAD, sha256="b" * 64))
    assert len({seen(HAD), seen(GONE), seen(LATER)}) == 3
    assert seen(LATER) == seen(replace(LATER, failure="images.example.org has no address"))
