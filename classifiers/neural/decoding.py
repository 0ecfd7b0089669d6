"""Decoding of untrusted pictures: from a file to an upright RGB array, or a reason why not.

The one decoder: training, soups, prediction, explanation and the check of what was fetched all see these
pixels. A picture comes from a museum's server and is not trusted: only the formats of `formats` are opened,
the size is read from the header and checked before any pixel is allocated, and a file that is cut short is
refused whole rather than filled up with grey.
"""

import hashlib
import os
import struct
import warnings
import zlib
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError, features

from enrich.classifiers.errors import ClassifierError, one_line
from enrich.classifiers.neural.cache import ArrayCache
from enrich.classifiers.neural.formats import (
    DECODER_BYTES,
    JPEG_END,
    MEDIA_TYPES,
    checked,
    looks_like,
    refuse_large,
)

_ABSENT = {"AVIF": not features.check("avif"), "JPEG2000": not features.check("jpg_2000")}
FORMATS = tuple(name for name in MEDIA_TYPES if not _ABSENT.get(name))
"""The formats that are opened here, by Pillow's names."""
MAX_PIXELS = 80_000_000
MAX_BYTES = 256 * 1024 * 1024
MAX_ASPECT = 8
"""The longer side is cut around its middle to at most this many times the shorter one, or `size`."""

warnings.filterwarnings("ignore", module=r"PIL\..*")
"""Pillow warns of tags that it skips and of sizes that are refused here: no news for a museum's log."""

UInt8Array = NDArray[np.uint8]
_Image = Image.Image
_BROKEN: tuple[type[Exception], ...] = (
    *(OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError),
    *(MemoryError, RuntimeError, struct.error, zlib.error, Image.DecompressionBombError),
)
"""What Pillow's decoders raise on a damaged file."""


def inspect(data: bytes | Path, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> str:
    """Pillow's name of a picture's format, by its header alone; ClassifierError says why it is refused."""
    with _open(_content(data, max_bytes), max_pixels) as image:
        return _format(image)


def decode(
    path: Path | bytes, size: int, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
) -> UInt8Array:
    """Decode a picture into an RGB array (height, width, 3) of 0 to 255 whose shorter side is `size` pixels.

    A picture that is smaller stays as it is: it is never enlarged, so the shorter side can be below
    `size`. The picture is upright (EXIF orientation applied), transparent parts are white, an animation
    gives its first frame, 16-bit and float values are scaled to 8 bits, CMYK is converted without its
    colour profile. The longer side is at most MAX_ASPECT times the larger of `size` and the shorter side.
    JPEG is decoded at the smallest of 1/1, 1/2, 1/4, 1/8 that is at least as large as asked. The whole
    file is read in any case, so that a truncated one is refused; a JPEG that lacks nothing but its end
    marker is not. Raises ClassifierError with the reason.
    """
    if size < 1:
        raise ValueError(f"size is {size}, expected at least 1 pixel")
    data = _content(path, max_bytes)
    with _open(data, max_pixels) as image:
        try:
            return _pixels(image, size)
        except _BROKEN as error:
            if not (_format(image) == "JPEG" and _lacks_only_its_end(data, max_pixels)):
                name = f"{_format(image)} picture of {image.width} × {image.height}"
                raise ClassifierError(f"{name} cannot be decoded: {one_line(error)}") from error
    with _open(_ended(data), max_pixels) as image:
        return _pixels(image, size)


class DecodedPictures(ArrayCache):
    """Decoded pictures, kept for as long as they fit: one decode for all models that share a size.

    A file that changed is decoded again.
    """

    def decode(self, path: Path, size: int, *, max_pixels: int = MAX_PIXELS) -> UInt8Array:
        """As `decode`, from memory when this file was decoded at this size lately."""
        try:
            state = path.stat()
        except OSError as error:
            raise ClassifierError(f"picture cannot be read: {one_line(error)}") from error
        key = (str(path), state.st_mtime_ns, state.st_size, size)
        known = self.get(key)
        return known if known is not None else self.put(key, decode(path, size, max_pixels=max_pixels))


@cache
def shared_pictures() -> DecodedPictures:
    """The decoded pictures that all image classifiers of this process share, 128 MiB of them."""
    return DecodedPictures(128 * 1024 * 1024)


def _content(data: Path | bytes, max_bytes: int) -> bytes:
    if isinstance(data, Path):
        try:
            with data.open("rb") as file:
                # read() reserves as much memory as it is told to read
                data = file.read(min(os.fstat(file.fileno()).st_size, max_bytes) + 1)
        except OSError as error:
            raise ClassifierError(f"picture cannot be read: {one_line(error)}") from error
    if len(data) > max_bytes:
        raise ClassifierError(f"picture is larger than {max_bytes} bytes")
    return data


def _open(data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """Open lazily, with the format and the size checked; no pixel is decoded yet."""
    data = checked(data, max_pixels)
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ClassifierError(f"not a picture that is accepted: {looks_like(data, FORMATS)}") from error
    except Image.DecompressionBombError as error:
        raise ClassifierError(f"picture has more than {max_pixels} pixels") from error
    except _BROKEN as error:
        raise ClassifierError(f"picture has a broken header: {one_line(error)}") from error
    refuse_large(image.size, max_pixels // DECODER_BYTES.get(_format(image), 1))
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # its tiles can be far larger than the picture
        tile = [image.tag_v2.get(tag, 0) for tag in (322, 323)]
        refuse_large((tile[0], tile[1]) if all(isinstance(s, int) for s in tile) else (0, 0), max_pixels)
    return image


def _format(image: ImageFile.ImageFile) -> str:
    """Pillow's name of the format; a JPEG with further pictures behind it (MPO) is a JPEG."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def _lacks_only_its_end(data: bytes, max_pixels: int) -> bool:
    """Whether a JPEG that breaks off holds all of its pixels, as a browser would find.

    Where pixels are missing, the decoder takes what follows for them: then two endings give two pictures.
    """
    try:
        return _digest(_ended(data), max_pixels) == _digest(_ended(data, b"\x5a\x3c\xa5" * 1000), max_pixels)
    except _BROKEN:
        return False


def _ended(data: bytes, filling: bytes = b"") -> bytes:
    """A JPEG with an end marker, in place of half a one."""
    return data.rstrip(JPEG_END[:1]) + filling + JPEG_END


def _digest(data: bytes, max_pixels: int) -> bytes:
    digest = hashlib.sha256()
    with _open(data, max_pixels) as image:
        image.load()
        for top in range(0, image.height, 256):
            digest.update(image.crop((0, top, image.width, min(top + 256, image.height))).tobytes())
    return digest.digest()


def _pixels(image: ImageFile.ImageFile, size: int) -> UInt8Array:
    if _format(image) == "JPEG":
        image.draft(None, _target(image.size, size))
    image.load()
    orientation = _orientation(image)
    picture = _scaled_down(_to_colour(image, size), size).convert("RGB")
    if orientation is not None:
        # an EXIF block with nothing else in it: Pillow writes the block anew, and fails on damaged tags
        picture.info = {"exif": orientation.tobytes()}
        ImageOps.exif_transpose(picture, in_place=True)
    return np.array(picture, dtype=np.uint8)


def _orientation(image: _Image) -> Image.Exif | None:
    """The EXIF orientation alone; None where the picture is upright, or the EXIF block is damaged.

    TIFF is turned by Pillow itself on loading, which takes the tag away.
    """
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except _BROKEN:
        return None
    if not (isinstance(value, int) and 2 <= value <= 8):
        return None
    found = Image.Exif()
    found[ExifTags.Base.Orientation] = value
    return found


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
