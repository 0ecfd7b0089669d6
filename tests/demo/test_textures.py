"""Pictures: the technique shows in them, and the same object always looks the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from enrich.demo.museum import IMAGES, picture_url
from enrich.demo.objects import MadeObject, made_objects
from enrich.demo.textures import SIZE, draw, write_pictures
from enrich.demo.words import TECHNIQUES

OBJECTS = [made for made in made_objects(500) if len(made.values["technique"]) == 1]


def spectrum(made: MadeObject) -> NDArray[np.float64]:
    """How strong each fineness of pattern is, along rows, columns and overall: a crude look at the texture."""
    grey = np.asarray(draw(made).convert("L"), dtype=float)
    grey = (grey - grey.mean()) / (grey.std() + 1e-9)
    power = np.abs(np.fft.rfft2(grey))
    bands = [power[:, a:b].mean() for a, b in ((0, 4), (4, 8), (8, 16), (16, 32), (32, 64))]
    rows = [power[a:b].mean() for a, b in ((0, 4), (4, 8), (8, 16), (16, 32), (32, 64))]
    skew = [float((grey**3).mean() * 50)]
    return np.array([*bands, *rows, *skew])


def test_a_simple_look_tells_the_techniques_apart() -> None:
    features = np.array([spectrum(made) for made in OBJECTS])
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    labels = np.array([made.values["technique"][0] for made in OBJECTS])
    half = len(labels) // 2
    centres = {name: features[:half][labels[:half] == name].mean(axis=0) for name in TECHNIQUES}
    said = [min(centres, key=lambda name: float(((f - centres[name]) ** 2).sum())) for f in features[half:]]
    assert np.mean(np.array(said) == labels[half:]) > 0.7


def test_the_same_object_looks_the_same() -> None:
    made = OBJECTS[0]
    assert draw(made).tobytes() == draw(made).tobytes()
    assert draw(made, 0).tobytes() != draw(made, 1).tobytes()
    assert draw(made).size == (SIZE, SIZE)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_every_technique_is_drawn(technique: str) -> None:
    made = next(made for made in OBJECTS if made.values["technique"] == (technique,))
    assert np.asarray(draw(made)).std() > 5


def test_pictures_are_small_and_written_once(tmp_path: Path) -> None:
    some = OBJECTS[:10]
    assert write_pictures(tmp_path, some) == sum(made.pictures for made in some)
    names = {picture_url(m, i).removeprefix(IMAGES) for m in some for i in range(m.pictures)}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert all(path.stat().st_size < 20_000 for path in tmp_path.iterdir())
    first = sorted(tmp_path.iterdir())[0]
    with Image.open(first) as picture:
        assert picture.format == "JPEG"
    first.write_bytes(b"kept")
    write_pictures(tmp_path, some)
    assert first.read_bytes() == b"kept"
