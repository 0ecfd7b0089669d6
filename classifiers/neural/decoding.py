"""Decoding of untrusted pictures: from a file to an upright RGB array, or a reason why not.

A picture comes from a museum's server and is not trusted: only five formats are opened, the size is read
from the header and checked before any pixel is allocated, and a file that is cut short is refused whole
rather than filled up with grey.
"""

from __future__ import annotations

import os
import struct
import threading
import warnings
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from classifiers.base import ClassifierError

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF")
"""The formats that are opened, by Pillow's names."""
MAX_PIXELS = 80_000_000
MAX_BYTES = 256 * 1024 * 1024
MAX_SCANS = 200
"""A progressive JPEG has about ten scans; one of thousands costs minutes for a few megabytes."""
MAX_ASPECT = 8
"""The longer side is cut around its middle to at most this many times the shorter one, or `size`."""

warnings.filterwarnings("ignore", module=r"PIL\..*")
"""Pillow warns of tags that it skips and of sizes that are refused here: no news for a museum's log."""

UInt8Array = NDArray[np.uint8]
_Image = Image.Image
_BROKEN: tuple[type[Exception], ...] = (
    *(OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError),
    *(MemoryError, struct.error, zlib.error, Image.DecompressionBombError),
)
"""What Pillow's decoders raise on a damaged file."""


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """What the header says. Width and height are in pixels as stored, before any EXIF rotation."""

    format: str
    width: int
    height: int
    mode: str


def inspect(data: bytes | Path, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> PictureInfo:
    """Read the header of a picture, allocating no pixels; ClassifierError says why it is refused."""
    with _open(_content(data, max_bytes), max_pixels) as image:
        return PictureInfo(str(image.format), image.width, image.height, image.mode)


def decode(
    path: Path | bytes, size: int, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
) -> UInt8Array:
    """Decode a picture into an RGB array (height, width, 3) of 0 to 255 whose shorter side is `size` pixels.

    A picture that is smaller stays as it is: it is never enlarged, so the shorter side can be below
    `size`. The picture is upright (EXIF orientation applied), transparent parts are white, an animation
    gives its first frame, 16-bit and float values are scaled to 8 bits, CMYK is converted without its
    colour profile. The longer side is at most MAX_ASPECT times the larger of `size` and the shorter side.
    JPEG is decoded at the smallest of 1/1, 1/2, 1/4, 1/8 that is at least as large as asked. The whole
    file is read in any case, so that a truncated one is refused. Raises ClassifierError with the reason.
    """
    if size < 1:
        raise ValueError(f"size is {size}, expected at least 1 pixel")
    with _open(_content(path, max_bytes), max_pixels) as image:
        name = f"{image.format} picture of {image.width} × {image.height}"
        try:
            return _pixels(image, size)
        except _BROKEN as error:
            raise ClassifierError(f"{name} cannot be decoded: {_one_line(error)}") from error


class DecodedPictures:
    """Decoded pictures, kept for as long as they fit: one decode for all models that share a size.

    Bounded to `max_bytes` of pixels, least recently used first out; safe between threads. The arrays it
    gives are shared and cannot be written to. A file that changed is decoded again.
    """

    def __init__(self, max_bytes: int = 64 * 1024 * 1024) -> None:
        self.max_bytes = max_bytes
        self.used = 0
        self._arrays: OrderedDict[tuple[str, int, int, int], UInt8Array] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._arrays)

    def decode(self, path: Path, size: int, *, max_pixels: int = MAX_PIXELS) -> UInt8Array:
        """As `decode`, from memory when this file was decoded at this size lately."""
        try:
            state = path.stat()
        except OSError as error:
            raise ClassifierError(f"picture cannot be read: {_one_line(error)}") from error
        key = (str(path), state.st_mtime_ns, state.st_size, size)
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
                return self._arrays[key]
        array = decode(path, size, max_pixels=max_pixels)
        array.flags.writeable = False
        with self._lock:
            if key not in self._arrays and array.nbytes <= self.max_bytes:
                self._arrays[key] = array
                self.used += array.nbytes
            while self.used > self.max_bytes:
                self.used -= self._arrays.popitem(last=False)[1].nbytes
        return array


def _content(data: Path | bytes, max_bytes: int) -> bytes:
    if isinstance(data, Path):
        try:
            with data.open("rb") as file:
                # read() reserves as much memory as it is told to read
                data = file.read(min(os.fstat(file.fileno()).st_size, max_bytes) + 1)
        except OSError as error:
            raise ClassifierError(f"picture cannot be read: {_one_line(error)}") from error
    if len(data) > max_bytes:
        raise ClassifierError(f"picture is larger than {max_bytes} bytes")
    return data


def _open(data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """Open lazily, with the format and the size checked; no pixel is decoded yet."""
    _refuse_large(_webp_size(data), max_pixels)
    if data[:2] == b"\xff\xd8" and data.count(b"\xff\xda") > MAX_SCANS:
        raise ClassifierError(f"JPEG picture has more than {MAX_SCANS} scans")
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ClassifierError(f"not a picture that is accepted: {_looks_like(data)}") from error
    except Image.DecompressionBombError as error:
        raise ClassifierError(f"picture has more than {max_pixels} pixels") from error
    except _BROKEN as error:
        raise ClassifierError(f"picture has a broken header: {_one_line(error)}") from error
    _refuse_large(image.size, max_pixels)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        _refuse_large(_tile_size(image), max_pixels)
    return image


def _refuse_large(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise ClassifierError(f"picture of {size[0]} × {size[1]} has more than {max_pixels} pixels")


def _tile_size(image: TiffImagePlugin.TiffImageFile) -> tuple[int, int]:
    """Size of a TIFF's tiles, which can be far above that of the picture; (0, 0) where it has none."""
    width, height = image.tag_v2.get(322, 0), image.tag_v2.get(323, 0)
    return (width, height) if isinstance(width, int) and isinstance(height, int) else (0, 0)


def _webp_size(data: bytes) -> tuple[int, int]:
    """Canvas of a WebP file, (0, 0) for anything else: its decoder allocates the canvas on opening.

    Source: RFC 9649, sections 2.5 to 2.7.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return 0, 0
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _looks_like(data: bytes) -> str:
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not data:
        return "the file is empty"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "it is an HTML page"
    if b"<svg" in start:
        return "it is SVG"
    if start.startswith((b"<?xml", b"<")):
        return "it is XML"
    if start.startswith((b"{", b"[")):
        return "it is JSON"
    if start.startswith(b"%pdf"):
        return "it is PDF"
    return f"it begins with {data[:8].hex(' ')}, and accepted are {', '.join(FORMATS)}"


def _pixels(image: ImageFile.ImageFile, size: int) -> UInt8Array:
    if image.format == "JPEG":
        image.draft(None, _target(image.size, size))
    image.load()
    orientation = _orientation(image)
    picture = _scaled_down(_to_colour(image, size), size)
    if orientation in _TURNS:
        picture = picture.transpose(_TURNS[orientation])
    return np.array(picture.convert("RGB"), dtype=np.uint8)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.32, table 6: what brings each orientation upright."""


def _orientation(image: _Image) -> int:
    """EXIF orientation, 1 (upright) where the tag is missing or the EXIF block is damaged.

    TIFF is turned by Pillow itself on loading, which takes the tag away.
    """
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _BROKEN:
        return 1
    return value if isinstance(value, int) else 1


def _target(size: tuple[int, int], shorter: int) -> tuple[int, int]:
    """Size with the given shorter side and the same proportions; never above the picture's own."""
    scale = min(1.0, shorter / max(1, min(size)))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _scaled_down(picture: _Image, size: int) -> _Image:
    limit = MAX_ASPECT * max(min(picture.size), size)
    if max(picture.size) > limit:
        width, height = (min(side, limit) for side in picture.size)
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        picture = picture.crop((left, top, left + width, top + height))
    target = _target(picture.size, size)
    if target != picture.size:
        picture = picture.resize(target, Image.Resampling.BICUBIC, reducing_gap=2.0)
    return _on_white(picture)


def _on_white(picture: _Image) -> _Image:
    if picture.mode != "RGBA":
        return picture
    ground = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    ground.alpha_composite(picture)
    return ground


def _to_colour(image: _Image, size: int) -> _Image:
    """The picture as RGB, RGBA or L in 8 bits; 16 and 32 bits thinned out where far larger than asked."""
    if image.mode in ("RGB", "RGBA", "L"):
        return image.convert("RGBA") if "transparency" in image.info else image
    if image.mode.startswith(("I", "F")):
        step = max(1, min(image.size) // (4 * size))
        return Image.fromarray(_to_bytes(np.asarray(image)[::step, ::step]))
    if image.mode in ("P", "PA", "LA", "La", "RGBa") and (image.mode != "P" or "transparency" in image.info):
        return image.convert("RGBA")
    return image.convert("RGB")


def _to_bytes(values: NDArray[np.generic]) -> UInt8Array:
    """Grey values of 16 or 32 bits as 8 bits: 16-bit by its full range, others by theirs when wider."""
    grey = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(grey.min()), float(grey.max())
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif values.dtype.kind == "f" and low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    elif low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    grey -= low
    grey *= 255.0 / max(high - low, 1e-12)
    scaled: UInt8Array = np.rint(grey).astype(np.uint8)
    return scaled


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
