"""What a IIIF image server says of a picture in its info.json.

Sources: IIIF Image API 1.1, section 5; 2.1 and 3.0, section 5 (image information). `maxWidth`, `maxHeight`
and `maxArea` are limits that a request above is refused for.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_SIDE = 1_000_000


@dataclass(frozen=True, slots=True)
class Tiles:
    """Tiles of one size that a server gives, for the original scaled down by each of these factors."""

    width: int
    height: int
    factors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What info.json says: pixels of the original, the sizes listed, the limits, version (1 to 3), level."""

    width: int
    height: int
    version: int = 2
    level: int = 0
    sizes: tuple[tuple[int, int], ...] = ()
    tiles: tuple[Tiles, ...] = ()
    formats: tuple[str, ...] = ("jpg",)
    """File name endings, the preferred first; `jpg`, which every service has to give, is among them."""
    max_width: int | None = None
    max_height: int | None = None
    max_area: int | None = None

    def limited(self, width: int, height: int) -> tuple[int, int]:
        """A size brought under the server's limits, proportions kept."""
        most_high = self.max_height or self.max_width or height
        scale = min(1.0, (self.max_width or width) / width, most_high / height)
        if self.max_area is not None:
            scale = min(scale, math.sqrt(self.max_area / (width * height)))
        return max(1, math.floor(width * scale)), max(1, math.floor(height * scale))

    def best_listed(self, shorter: int) -> tuple[int, int] | None:
        """The smallest listed size whose shorter side is large enough, else the largest."""
        wanted = min(shorter, self.width, self.height)
        return min(self.sizes, key=lambda size: distance(size[0], size[1], wanted), default=None)

    def spelled(self, size: tuple[int, int]) -> tuple[str, str]:
        """Both spellings of a size, the version's canonical one first (2.1 section 4.7, 3.0 section 4.7)."""
        by_width, both = f"{size[0]},", f"{size[0]},{size[1]}"
        return (both, by_width) if self.version == 3 else (by_width, both)

    def region(self, region: str) -> tuple[int, int]:
        """Width and height of a region, in pixels of the original."""
        if region == "square":
            return (min(self.width, self.height),) * 2
        if region == "full":
            return self.width, self.height
        x, y, width, height = (float(number) for number in region.removeprefix("pct:").split(","))
        if region.startswith("pct:"):
            width, height = self.width * width / 100, self.height * height / 100
        else:
            width, height = min(width, self.width - x), min(height, self.height - y)
        return max(1, int(width)), max(1, int(height))


def distance(width: int, height: int, shorter: int) -> tuple[bool, int]:
    """How far a size is from a shorter side: least for the smallest that is enough, else for the largest."""
    return min(width, height) < shorter, abs(min(width, height) - shorter)


def read_info(content: bytes) -> ImageInfo:
    """Read an info.json; ValueError says what is wrong with it."""
    try:
        info = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"info.json is not JSON: {error}") from error
    if not isinstance(info, dict):
        raise ValueError("info.json is not an object")
    width, height = _side(info.get("width")), _side(info.get("height"))
    if width is None or height is None:
        raise ValueError("info.json gives no width and height")
    places = [info, *_objects(info.get("profile"))]
    limits = next((p for p in reversed(places) if {"maxWidth", "maxHeight", "maxArea"} & p.keys()), info)
    return ImageInfo(
        width=width,
        height=height,
        version=_version(info),
        level=_level(info.get("profile")),
        sizes=tuple(_sizes(info.get("sizes"))),
        tiles=tuple(_tiles(info.get("tiles"))),
        formats=tuple(_formats(places)),
        max_width=_side(limits.get("maxWidth")),
        max_height=_side(limits.get("maxHeight")),
        max_area=_side(limits.get("maxArea"), MAX_SIDE**2),
    )


def _version(info: Mapping[str, Any]) -> int:
    context = str(info.get("@context", ""))
    if "image/3" in context or info.get("type") == "ImageService3":
        return 3
    return 1 if "image-api/1" in context else 2


def _level(profile: object) -> int:
    """Compliance level: `level1` in version 3, a URI that ends in it before; 0 when it is not said."""
    first = profile[0] if isinstance(profile, list) and profile else profile
    match = re.search(r"level([012])(?:\.json)?$", first) if isinstance(first, str) else None
    return int(match[1]) if match else 0


def _formats(places: list[Mapping[str, Any]]) -> Iterator[str]:
    for key in ("preferredFormats", "formats", "extraFormats"):
        if key == "extraFormats":
            yield "jpg"
        for place in places:
            yield from (name for name in _list(place.get(key)) if isinstance(name, str))


def _side(value: object, most: int = MAX_SIDE) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= most:
        return None
    return int(value)


def _sizes(value: object) -> Iterator[tuple[int, int]]:
    for size in _objects(value):
        if (width := _side(size.get("width"))) and (height := _side(size.get("height"))):
            yield width, height


def _tiles(value: object) -> Iterator[Tiles]:
    for tiles in _objects(value):
        if width := _side(tiles.get("width")):
            factors = map(_side, _list(tiles.get("scaleFactors")))
            yield Tiles(width, _side(tiles.get("height")) or width, tuple(filter(None, factors)))


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in _list(value) if isinstance(item, dict)]


def _list(value: object) -> list[Any]:
    """The first hundred items, when it is a list."""
    return value[:100] if isinstance(value, list) else []
