"""The made museum: the same each time, values that hang together, and a truth that is not in the graph."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from itertools import islice
from pathlib import Path

import pyoxigraph as ox
import pytest
from pyoxigraph import Literal

from enrich.demo.museum import (
    Truth,
    class_iri,
    museum_quads,
    object_quads,
    record_iri,
    vocabulary_quads,
    write_museum,
)
from enrich.demo.objects import KEEPERS, PROPERTIES, made_object, made_objects
from enrich.demo.texts import descriptions, title
from enrich.demo.words import CLASSES, HINTS, LANGUAGES
from enrich.graph.record_files import read_splits

OBJECTS = list(made_objects(2000))


def share(of: str, value: str, given: str, when: str) -> float:
    """Share of the objects with `given`=`when` that have `of`=`value`."""
    those = [made for made in OBJECTS if when in made.values[given]]
    return sum(value in made.values[of] for made in those) / len(those)


def test_the_same_seed_makes_the_same_museum() -> None:
    assert list(museum_quads(50, seed=3)) == list(museum_quads(50, seed=3))
    assert list(museum_quads(50, seed=3)) != list(museum_quads(50, seed=4))


def test_an_object_does_not_depend_on_how_many_are_made() -> None:
    assert list(made_objects(5, start=100)) == list(islice(made_objects(200), 100, 105))
    assert made_object(102) == OBJECTS[102]


def test_values_hang_together() -> None:
    assert share("material", "cotton", "technique", "printing") > 2.5 * share(
        "material", "cotton", "technique", "velvet"
    )
    assert share("technique", "velvet", "place", "italy") > 2 * share(
        "technique", "velvet", "place", "france"
    )
    assert share("technique", "printing", "time", "16th-century") < 0.3 * share(
        "technique", "printing", "time", "19th-century"
    )


def test_every_class_is_common_enough_to_learn() -> None:
    for name in PROPERTIES:
        known = Counter(v for made in OBJECTS if name not in made.missing for v in made.values[name])
        assert set(known) == set(CLASSES[name])
        assert min(known.values()) >= 50


def test_a_third_has_several_techniques_or_materials() -> None:
    for name, many in (("technique", True), ("material", True), ("place", False), ("time", False)):
        several = sum(len(made.values[name]) > 1 for made in OBJECTS) / len(OBJECTS)
        assert (0.2 < several < 0.45) if many else several == 0
        assert all(len(set(made.values[name])) == len(made.values[name]) for made in OBJECTS)


def test_what_is_missing_depends_on_the_museum() -> None:
    for keeper in KEEPERS:
        kept = [made for made in OBJECTS if made.keeper is keeper]
        for name in PROPERTIES:
            missing = sum(name in made.missing for made in kept) / len(kept)
            assert missing == pytest.approx(keeper.missing[name], abs=0.07)


def test_the_truth_is_of_the_gaps_alone_and_not_in_the_graph() -> None:
    truth = Truth.of(OBJECTS[:200]).values
    objects = {record_iri(made).value: made for made in OBJECTS[:200]}
    assert set(truth) == {(iri, name) for iri, made in objects.items() for name in made.missing}
    for (iri, name), values in truth.items():
        said = {quad.object for quad in object_quads(objects[iri])}
        assert not said & {class_iri(name, value) for value in CLASSES[name]}
        assert values == tuple(class_iri(name, v).value for v in objects[iri].values[name])


def test_texts_hint_more_often_than_they_name() -> None:
    named = hinted = 0
    for made in OBJECTS[:500]:
        column = LANGUAGES.index(made.keeper.language)
        text = " ".join(t for t, language in descriptions(made) if language == made.keeper.language).lower()
        for name, values in made.values.items():
            named += sum(CLASSES[name][v][column].lower() in text for v in values)
            hinted += sum(HINTS[v][column].lower() in text for v in values)
    assert 0 < named < hinted


def test_texts_come_in_four_languages() -> None:
    assert {title(made)[1] for made in OBJECTS} == set(LANGUAGES)
    assert {len(descriptions(made)) for made in OBJECTS} == {0, 1, 2}


def test_every_class_is_named_in_four_languages() -> None:
    labels = Counter(quad.subject for quad in vocabulary_quads() if isinstance(quad.object, Literal))
    for name, classes in CLASSES.items():
        for value in classes:
            assert labels[class_iri(name, value)] == len(LANGUAGES)
            assert len(set(HINTS[value])) >= 3


def test_files_are_written_and_read_back(tmp_path: Path) -> None:
    truth = write_museum(tmp_path, 60, seed=1)
    quads = set(ox.parse(path=tmp_path / "records.nq"))
    assert quads == set(museum_quads(60, seed=1))
    splits = read_splits(tmp_path / "splits.tsv")
    assert set(splits) == {"train", "dev"}
    assert sum(map(len, splits.values())) == 60
    lines = (tmp_path / "truth.tsv").read_text().splitlines()
    assert len(lines) == 1 + sum(map(len, truth.values.values()))


def test_a_stream_takes_constant_memory() -> None:
    peaks = []
    for count in (500, 2000):
        tracemalloc.start()
        for _ in museum_quads(count, seed=5):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 100_000


def test_a_benchmark_can_leave_texts_and_pictures_out() -> None:
    bare = list(museum_quads(20, texts=False, pictures=False))
    assert not any(isinstance(quad.object, Literal) for quad in bare)
    assert set(bare) < set(museum_quads(20))
