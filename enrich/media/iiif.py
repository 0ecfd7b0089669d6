"""Asking a IIIF image server for a picture of the size needed, instead of the original.

Sources: IIIF Image API 2.1 and 3.0, sections 2 (URL syntax), 4.2 (size) and 4.7 (canonical URLs). Level 0
servers give only the sizes they list, and 403 and 501 are common answers to `full`.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from enrich.media.iiif_info import ImageInfo, Tiles, distance

_IMAGE = re.compile(
    r"(?P<base>https?://[^?#]+?)/(?P<region>full|square|\d+,\d+,\d+,\d+|pct:[\d.]+,[\d.]+,[\d.]+,[\d.]+)"
    r"/(?P<size>\^?(?:full|max|!?\d*,\d*|pct:[\d.]+))/(?P<rotation>!?\d+(?:\.\d+)?)"
    r"/(?P<quality>default|native|color|colour|gray|grey|bitonal)(?:\.(?P<format>[a-z0-9]{2,4}))?"
)
_INFO = re.compile(r"(?P<base>https?://[^?#]+)/info\.json")
_FORMATS = ("jpg", "png", "webp", "tif", "gif", "jp2")
MAX_TILES = 16


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A IIIF URL taken apart; for the address of an info.json or of a service, the whole picture."""

    url: str
    base: str
    region: str = "full"
    rotation: str = "0"
    format: str | None = None
    direct: bool = True
    """Whether `url` itself gives a picture."""

    @property
    def info_url(self) -> str:
        """Where the server says what it can do."""
        return f"{self.base}/info.json"

    @property
    def whole(self) -> bool:
        """Whether it is the whole picture, as it stands."""
        return self.region == "full" and self.rotation == "0"


@dataclass(frozen=True, slots=True)
class Mosaic:
    """A picture to be put together: its size, and each tile's URL and upper left corner, in pixels."""

    width: int
    height: int
    tiles: tuple[tuple[str, int, int], ...]


def recognise(url: str) -> ImageRequest | None:
    """The URL as a request to a IIIF image server; None when it is not in that form."""
    if match := _IMAGE.fullmatch(url):
        return ImageRequest(url, match["base"], match["region"], match["rotation"], match["format"])
    if match := _INFO.fullmatch(url):
        return ImageRequest(url, match["base"], direct=False)
    return None


def service(url: str) -> ImageRequest | None:
    """The whole picture of the service whose base address the URL may be; None when it can be none.

    It may be one when it names IIIF, or when its last part has no file name ending.
    """
    base = url.rstrip("/")
    if "?" in url or "#" in url or ("iiif" not in url.lower() and "." in base.rpartition("/")[2]):
        return None
    return ImageRequest(url, base, direct=False)


def requests(request: ImageRequest, info: ImageInfo | None, shorter: int) -> list[str | Mosaic]:
    """What to try in turn for a picture whose shorter side is `shorter` pixels, the best first.

    None is asked for enlarged. Tiles come after whole pictures, and before pictures that are too small;
    the last is the URL that the graph gave, if it gives a picture.
    """
    found = list(_blind(request, shorter) if info is None else _informed(request, info, shorter))
    return list(dict.fromkeys([*found, request.url] if request.direct else found))


def _blind(request: ImageRequest, shorter: int) -> Iterator[str]:
    for size in (f"!{2 * shorter},{2 * shorter}", *(() if request.direct else ("max", "full"))):
        yield f"{request.base}/{request.region}/{size}/{request.rotation}/default.jpg"


def _informed(request: ImageRequest, info: ImageInfo, shorter: int) -> Iterator[str | Mosaic]:
    quality = "native" if info.version == 1 else "default"
    names = [f"{quality}.{ending}" for ending in _endings(request, info)]
    sizes = list(_sizes(request, info, shorter))
    for name in names:
        yield from (f"{request.base}/{request.region}/{size}/{request.rotation}/{name}" for size in sizes)
    if not request.whole:
        return
    for name in names:
        if (mosaic := mosaic_of(request.base, info, shorter, name)) is not None:
            yield mosaic
    if (listed := info.best_listed(shorter)) is not None:
        for name in names:
            yield from (f"{request.base}/full/{size}/0/{name}" for size in info.spelled(listed))


def _endings(request: ImageRequest, info: ImageInfo) -> list[str]:
    """The formats to ask for: JPEG, and of level 0, which may be files and lack it, others too."""
    asked = [*info.formats, request.format, "png"] if info.level == 0 else ["jpg"]
    return [ending for ending in dict.fromkeys(asked) if ending in _FORMATS]


def _sizes(request: ImageRequest, info: ImageInfo, shorter: int) -> Iterator[str]:
    """The sizes to ask for, as they are written in a URL."""
    listed = info.best_listed(shorter) if request.region == "full" else None
    width, height = info.region(request.region)
    scale = min(1.0, shorter / min(width, height))
    wanted = info.limited(math.ceil(width * scale), math.ceil(height * scale))
    if listed is not None and (
        shorter <= min(listed) <= 2 * shorter
        if info.level > 0
        else 2 * min(listed) >= min(shorter, width, height)
    ):
        yield from info.spelled(listed)
    if info.level > 0:
        yield from info.spelled(wanted)
        yield f"!{wanted[0]},{wanted[1]}"
    yield from ("max", "full") if info.version == 3 else ("full", "max")


def mosaic_of(base: str, info: ImageInfo, shorter: int, name: str = "default.jpg") -> Mosaic | None:
    """The smallest mosaic that is large enough and has at most MAX_TILES tiles, else the largest that has."""
    all_ = (_mosaic(base, info, tiles, factor, name) for tiles in info.tiles for factor in tiles.factors)
    return min(filter(None, all_), key=lambda m: distance(m.width, m.height, shorter), default=None)


def _mosaic(base: str, info: ImageInfo, tiles: Tiles, factor: int, name: str) -> Mosaic | None:
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
            size = info.spelled((math.ceil(width / factor), math.ceil(height / factor)))[0]
            found.append((f"{base}/{region}/{size}/0/{name}", left // factor, top // factor))
    return Mosaic(math.ceil(info.width / factor), math.ceil(info.height / factor), tuple(found))
