"""Plots: a grid of panels, and a file that is small and the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from enrich.classifiers.plots import panels, save


def drawn(path: Path) -> Path:
    figure, grid = panels(2, 3, 8, 4, sharey=True)
    assert grid.shape == (2, 3)
    for axes in grid.ravel():
        axes.plot(np.random.default_rng(0).random(200), label="a line")
    grid[0, 0].legend()
    return save(figure, path)


def test_a_plot_is_small_and_has_the_size_that_was_asked_for(tmp_path: Path) -> None:
    path = drawn(tmp_path / "new" / "plot.png")
    assert path.stat().st_size < 100_000
    with Image.open(path) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "P", (720, 360))
        assert "Software" not in picture.info


def test_drawing_twice_gives_the_same_file(tmp_path: Path) -> None:
    assert drawn(tmp_path / "a.png").read_bytes() == drawn(tmp_path / "b.png").read_bytes()
