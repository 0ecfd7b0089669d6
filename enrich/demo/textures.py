"""Pictures of made objects, drawn so that the technique shows in the texture and the material in the sheen."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enrich.demo.museum import IMAGES, picture_url
from enrich.demo.objects import MadeObject

Field = NDArray[np.float64]
"""Brightness in 0…1, (SIZE, SIZE)."""
Chance = np.random.Generator
SIZE = 128

_Y, _X = np.mgrid[0:SIZE, 0:SIZE].astype(np.float64)


def write_pictures(folder: Path, objects: Iterable[MadeObject]) -> int:
    """Draw every picture of these objects into a folder, those that are there already left alone; how many."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for made in objects:
        for index in range(made.pictures):
            target = folder / picture_url(made, index).removeprefix(IMAGES)
            if not target.exists():
                draw(made, index).save(target, "JPEG", quality=80)
            count += 1
    return count


def draw(made: MadeObject, index: int = 0) -> Image.Image:
    """One picture of an object, 128 by 128 pixels: its techniques' textures, dyed and lit."""
    chance = np.random.default_rng(made.random(f"picture/{index}").getrandbits(64))
    texture = np.mean([_TEXTURES[name](chance) for name in made.values["technique"]], axis=0)
    dye = chance.uniform(0.15, 0.85, 3)
    ground = dye * chance.uniform(0.25, 0.6)
    picture = ground + texture[..., None] * (dye - ground + 0.35)
    if "metal-thread" in made.values["material"]:
        glints = (chance.random((SIZE, SIZE)) < 0.02) & (texture > 0.5)
        picture[glints] = (1.0, 0.85, 0.4)
    if "wool" in made.values["material"]:
        picture += chance.normal(0, 0.06, (SIZE, SIZE, 1))
    picture *= _light(chance)[..., None]
    picture += chance.normal(0, 0.04, picture.shape)
    return Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8), "RGB")


def _light(chance: Chance) -> Field:
    angle = chance.uniform(0, 2 * np.pi)
    slope = (np.cos(angle) * _X + np.sin(angle) * _Y) / SIZE
    field: Field = 0.85 + 0.25 * (slope - slope.mean())
    return field


def _turned(chance: Chance, spread: float = 0.15) -> tuple[Field, Field]:
    """Coordinates turned a little, as an object lies on the table."""
    angle = chance.normal(0, spread)
    return np.cos(angle) * _X + np.sin(angle) * _Y, np.cos(angle) * _Y - np.sin(angle) * _X


def _damask(chance: Chance) -> Field:
    """A large symmetrical figure, told from the ground only by the run of fine diagonal ribs."""
    x, y = _turned(chance)
    period = chance.uniform(36, 60)
    figure = np.cos(2 * np.pi * x / period) * np.cos(2 * np.pi * y / (1.4 * period)) > chance.uniform(
        -0.1, 0.2
    )
    ribs = np.where(figure, np.sin(1.2 * (x + y)), np.sin(1.2 * (x - y)))
    field: Field = 0.45 + 0.15 * figure + 0.15 * ribs
    return field


def _velvet(chance: Chance) -> Field:
    """Soft folds and a short pile without any figure."""
    x, y = _turned(chance, 0.8)
    folds = np.sin(x / chance.uniform(9, 16) + 2 * np.sin(y / chance.uniform(30, 50)))
    field: Field = 0.4 + 0.28 * folds + chance.normal(0, 0.05, (SIZE, SIZE))
    return field


def _embroidery(chance: Chance) -> Field:
    """Petals of parallel stitches on a plain ground."""
    field: Field = np.full((SIZE, SIZE), 0.2)
    for _ in range(int(chance.integers(5, 9))):
        cx, cy = chance.uniform(15, SIZE - 15, 2)
        radius, petals = chance.uniform(10, 20), chance.integers(4, 7)
        angle = np.arctan2(_Y - cy, _X - cx)
        inside = np.hypot(_X - cx, _Y - cy) < radius * (0.6 + 0.4 * np.cos(petals * angle))
        stitches = 0.7 + 0.3 * np.sign(np.sin(angle * 24))
        field = np.where(inside, stitches, field)
    return field


def _brocade(chance: Chance) -> Field:
    """Small raised figures in a strict repeat, cut from horizontal floats."""
    x, y = _turned(chance, 0.05)
    period = chance.uniform(18, 28)
    row = np.floor(y / period)
    u = (x + period / 2 * (row % 2)) % period - period / 2
    v = y % period - period / 2
    figure = np.abs(u) + np.abs(v) < period * 0.34
    field: Field = np.where(figure, 0.75 + 0.25 * np.sin(2.2 * y), 0.25)
    return field


def _lace(chance: Chance) -> Field:
    """A bright mesh over a dark table."""
    x, y = _turned(chance, 0.3)
    pitch = chance.uniform(7, 11)
    mesh = np.maximum(np.cos(2 * np.pi * (x + y) / pitch), np.cos(2 * np.pi * (x - y) / pitch))
    field: Field = np.where(mesh > 0.75, 1.0, 0.0)
    return field


def _tapestry(chance: Chance) -> Field:
    """Flat patches with stepped edges, under horizontal ribs."""
    cells = chance.random((int(chance.integers(5, 8)),) * 2)
    edge = SIZE // cells.shape[0] + 1
    patches = np.kron(cells, np.ones((edge, edge)))[:SIZE, :SIZE]
    field: Field = 0.15 + 0.6 * patches + 0.15 * np.sin(1.6 * _Y)
    return field


def _printing(chance: Chance) -> Field:
    """Flat round sprigs with crisp edges on white."""
    x, y = _turned(chance)
    period = chance.uniform(20, 34)
    u, v = x % period - period / 2, y % period - period / 2
    sprig = np.hypot(u, v) < period * (0.24 + 0.08 * np.cos(5 * np.arctan2(v, u)))
    field: Field = np.where(sprig, 0.1, 0.95)
    return field


_TEXTURES: dict[str, Callable[[Chance], Field]] = {
    "damask": _damask,
    "velvet": _velvet,
    "embroidery": _embroidery,
    "brocade": _brocade,
    "lace": _lace,
    "tapestry": _tapestry,
    "printing": _printing,
}
