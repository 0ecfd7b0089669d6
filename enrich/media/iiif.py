"""Asking a IIIF image server for a picture of the size needed, instead of the original.

Sources: IIIF Image API 2.1 and 3.0, sections 2 (URL syntax), 4.2 (size) and 5 (image information). Level 0
servers give only the sizes they list, 403 and 501 are common answers to `full`, and `maxWidth`, `maxHeight`
and `maxArea` are limits that a request above is refused for.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_IMAGE = re.compile(
    r"(?P<base>https?://[^?#]+?)/(?P<region>full|square|\d+,\d+,\d+,\d+|pct:[\d.]+,[\d.]+,[\d.]+,[\d.]+)"
    r"/(?P<size>\^?(?:full|max|!?\d*,\d*|pct:[\d.]+))/(?P<rotation>!?\d+(?:\.\d+)?)"
    r"/(?P<quality>default|native|color|colour|gray|grey|bitonal)(?:\.(?P<format>[a-z0-9]{2,4}))?"
)
_INFO = re.compile(r"(?P<base>https?://[^?#]+)/info\.json")
MAX_SIDE = 1_000_000
MAX_TILES = 16


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A IIIF URL taken apart; for the address of an info.json, the whole picture."""

    url: str
    base: str
    region: str = "full"
    rotation: str = "0"
    direct: bool = True
    """Whether `url` itself gives a picture."""

    @property
    def info_url(self) -> str:
        """Where the server says what it can do."""
        return f"{self.base}/info.json"


@dataclass(frozen=True, slots=True)
class Tiles:
    """Tiles of one size that a server gives, for the original scaled down by each of these factors."""

    width: int
    height: int
    factors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Mosaic:
    """A picture to be put together: its size, and each tile's URL and upper left corner, in pixels."""

    width: int
    height: int
    tiles: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What info.json says: pixels of the original, the sizes listed, the limits, version (2 or 3), level."""

    width: int
    height: int
    version: int = 2
    level: int = 0
    sizes: tuple[tuple[int, int], ...] = ()
    tiles: tuple[Tiles, ...] = ()
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


def recognise(url: str) -> ImageRequest | None:
    """The URL as a request to a IIIF image server; None when it is not in that form."""
    if match := _IMAGE.fullmatch(url):
        return ImageRequest(url, match["base"], match["region"], match["rotation"])
    if match := _INFO.fullmatch(url):
        return ImageRequest(url, match["base"], direct=False)
    return None


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
    limits = _profile_limits(info)
    return ImageInfo(
        width=width,
        height=height,
        version=3 if "image/3" in str(info.get("@context", "")) or info.get("type") == "ImageService3" else 2,
        level=_level(info.get("profile")),
        sizes=tuple(sorted(_sizes(info.get("sizes")))),
        tiles=tuple(_tiles(info.get("tiles"))),
        max_width=_side(limits.get("maxWidth")),
        max_height=_side(limits.get("maxHeight")),
        max_area=_side(limits.get("maxArea"), MAX_SIDE**2),
    )


def requests(request: ImageRequest, info: ImageInfo | None, shorter: int) -> Iterator[str | Mosaic]:
    """What to try in turn for a picture whose shorter side is `shorter` pixels, the best first.

    None is asked for enlarged. Tiles come after whole pictures, and before pictures that are too small;
    the last is the URL that the graph gave, if it gives a picture.
    """
    seen: set[str] = set()
    for size in _size_parameters(request, info, shorter):
        url = f"{request.base}/{request.region}/{size}/{request.rotation}/default.jpg"
        if url not in seen:
            seen.add(url)
            yield url
    whole = request.region == "full" and request.rotation == "0" and info is not None
    mosaic = mosaic_of(request.base, info, shorter) if whole and info is not None else None
    if mosaic is not None:
        yield mosaic
    if whole and info is not None and (listed := _best_listed(info, shorter)) is not None:
        for size in _spelled(listed, info.version):
            url = f"{request.base}/full/{size}/0/default.jpg"
            if url not in seen:
                seen.add(url)
                yield url
    if request.direct and request.url not in seen:
        yield request.url


def mosaic_of(base: str, info: ImageInfo, shorter: int) -> Mosaic | None:
    """The smallest mosaic that is large enough and has at most MAX_TILES tiles, else the largest that has."""
    best: Mosaic | None = None
    for tiles in info.tiles:
        for factor in sorted(tiles.factors, reverse=True):
            mosaic = _mosaic(base, info, tiles, factor)
            if mosaic is None:
                break
            best = mosaic
            if min(mosaic.width, mosaic.height) >= shorter:
                return mosaic
    return best


def _mosaic(base: str, info: ImageInfo, tiles: Tiles, factor: int) -> Mosaic | None:
    """The whole picture scaled down by a factor, in tiles; canonical URLs (section 4.7 of both versions)."""
    wide, high = tiles.width * factor, tiles.height * factor
    columns, rows = math.ceil(info.width / wide), math.ceil(info.height / high)
    if columns * rows > MAX_TILES:
        return None
    found = []
    for left in range(0, info.width, wide):
        for top in range(0, info.height, high):
            width, height = min(wide, info.width - left), min(high, info.height - top)
            region = "full" if columns * rows == 1 else f"{left},{top},{width},{height}"
            size = _spelled((math.ceil(width / factor), math.ceil(height / factor)), info.version)[0]
            found.append((f"{base}/{region}/{size}/0/default.jpg", left // factor, top // factor))
    return Mosaic(math.ceil(info.width / factor), math.ceil(info.height / factor), tuple(found))


def _size_parameters(request: ImageRequest, info: ImageInfo | None, shorter: int) -> Iterator[str]:
    if info is None:
        yield f"!{2 * shorter},{2 * shorter}"
        if not request.direct:
            yield from ("max", "full")
        return
    listed = _best_listed(info, shorter) if request.region == "full" else None
    width, height = _region_size(request.region, info)
    scale = min(1.0, shorter / min(width, height))
    wanted = info.limited(math.ceil(width * scale), math.ceil(height * scale))
    if listed is not None and (
        shorter <= min(listed) <= 2 * shorter
        if info.level > 0
        else 2 * min(listed) >= min(shorter, width, height)
    ):
        yield from _spelled(listed, info.version)
    if info.level > 0:
        yield from _spelled(wanted, info.version)
        yield f"!{wanted[0]},{wanted[1]}"
    yield from ("max", "full") if info.version == 3 else ("full", "max")


def _spelled(size: tuple[int, int], version: int) -> tuple[str, str]:
    """Both spellings of a size, the version's canonical one first (2.1 section 4.7, 3.0 section 4.7)."""
    by_width, both = f"{size[0]},", f"{size[0]},{size[1]}"
    return (both, by_width) if version == 3 else (by_width, both)


def _best_listed(info: ImageInfo, shorter: int) -> tuple[int, int] | None:
    """The smallest listed size that is large enough, else the largest."""
    if not info.sizes:
        return None
    enough = [size for size in info.sizes if min(size) >= min(shorter, info.width, info.height)]
    return min(enough, key=min) if enough else max(info.sizes, key=min)


def _region_size(region: str, info: ImageInfo) -> tuple[int, int]:
    if region == "square":
        side = min(info.width, info.height)
        return side, side
    if region == "full":
        return info.width, info.height
    numbers = [float(number) for number in region.removeprefix("pct:").split(",")]
    if region.startswith("pct:"):
        width, height = info.width * numbers[2] / 100, info.height * numbers[3] / 100
    else:
        width, height = min(numbers[2], info.width - numbers[0]), min(numbers[3], info.height - numbers[1])
    return max(1, int(width)), max(1, int(height))


def _side(value: object, most: int = MAX_SIDE) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= most:
        return None
    return int(value)


def _sizes(value: object) -> Iterator[tuple[int, int]]:
    for size in value[:100] if isinstance(value, list) else ():
        if isinstance(size, dict):
            width, height = _side(size.get("width")), _side(size.get("height"))
            if width is not None and height is not None:
                yield width, height


def _tiles(value: object) -> Iterator[Tiles]:
    for tiles in value[:10] if isinstance(value, list) else ():
        if not isinstance(tiles, dict) or (width := _side(tiles.get("width"))) is None:
            continue
        given = tiles.get("scaleFactors")
        factors = [_side(factor) for factor in given[:40]] if isinstance(given, list) else []
        yield Tiles(width, _side(tiles.get("height")) or width, tuple(f for f in factors if f is not None))


def _profile_limits(info: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where the limits stand: beside width and height in version 3, inside the profile in version 2."""
    profile = info.get("profile")
    if isinstance(profile, list):
        for part in profile:
            if isinstance(part, dict) and {"maxWidth", "maxHeight", "maxArea"} & part.keys():
                return part
    return info


def _level(profile: object) -> int:
    """Compliance level: `level1` in version 3, a URI that ends in it in version 2; 0 when it is not said."""
    first = profile[0] if isinstance(profile, list) and profile else profile
    match = re.search(r"level([012])(?:\.json)?$", first) if isinstance(first, str) else None
    return int(match[1]) if match else 0
