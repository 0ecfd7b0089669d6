"""What every plot shares: a figure of panels, and its file, small enough for a repository."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from enrich.classifiers import libraries

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 90
GREY, LIGHT = "#999999", "#cccccc"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` × `height` inches."""
    made: Figure = libraries.matplotlib().figure.Figure(figsize=(width, height), layout="constrained")
    return made


def panels(rows: int, columns: int, width: float, height: float, **options: Any) -> tuple[Figure, Any]:
    """A figure of `width` × `height` inches and its grid of axes (rows, columns)."""
    figure = new_figure(width, height)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def save(figure: Figure, path: Path, *, dpi: int = DPI) -> Path:
    """Write a figure as PNG. A palette of 256 colours is plenty for a drawing, and half of the bytes."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=dpi, metadata={"Software": None})
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    return path
