"""The picture formats that are accepted, and what is read of their files before a decoder sees them.

Decoders allocate by what a header says, some of them on opening. So sizes, scans, chunks and tiles are
bounded here, on the bytes alone.
"""

import struct

from enrich.classifiers.base import ClassifierError

MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "GIF": "image/gif",
    "AVIF": "image/avif",
    "JPEG2000": "image/jp2",
}
"""Pillow's name of every accepted format, and its IANA media type; a Pillow without a codec takes fewer."""
MAX_SCANS = 200
"""A progressive JPEG has about ten scans; one of thousands costs minutes for a few megabytes."""
MAX_SEGMENTS = 10_000
"""Segments of a JPEG's header, which Pillow reads one by one: enough for half a gigabyte of metadata."""
MAX_CHUNKS = 100_000
"""Chunks of a PNG: at 4 KiB each more than the largest file that is read."""
MAX_TILES = 4096
"""Tiles of a JPEG 2000: its decoder keeps 9 KB for each."""
DECODER_BYTES = {"JPEG2000": 4, "AVIF": 3}
"""How much more memory per pixel than the others' a format's decoder takes: it gets so many pixels fewer."""
JPEG_END = b"\xff\xd9"
_JPEG, _SCAN = b"\xff\xd8", b"\xff\xda"
_PNG = b"\x89PNG\r\n\x1a\n"
_UNUSED = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_EXIF_TEXT = b"Raw profile type exif"


def checked(data: bytes, max_pixels: int) -> bytes:
    """The file as its decoder may open it. Raises ClassifierError for one that its header makes too large."""
    if data.startswith(_JPEG):
        _refuse_many_segments(data)
    refuse_large(_webp_size(data), max_pixels)
    refuse_large(_jpeg2000_size(data), max_pixels // DECODER_BYTES["JPEG2000"])
    return _without_texts(data) if data.startswith(_PNG) else data


def refuse_large(size: tuple[int, int], max_pixels: int) -> None:
    """ClassifierError when a picture of this width and height has too many pixels."""
    if size[0] * size[1] > max_pixels:
        raise ClassifierError(f"picture of {size[0]} × {size[1]} has more than {max_pixels} pixels")


def _refuse_many_segments(data: bytes) -> None:
    """Bound the scans of a JPEG and the segments before the first. Source: ITU-T T.81, B.1.1.3 (markers)."""
    if data.count(_SCAN) > MAX_SCANS:
        raise ClassifierError(f"JPEG picture has more than {MAX_SCANS} scans")
    at = len(_JPEG)
    for _ in range(MAX_SEGMENTS):
        first, kind = data[at : at + 1], data[at + 1 : at + 2]
        if first != b"\xff" or kind == _SCAN[1:]:
            return
        if kind in b"\x00\xff":  # filling
            at += 1
        else:
            at += 2 if b"\xd0" <= kind <= b"\xd9" else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise ClassifierError(f"JPEG picture has more than {MAX_SEGMENTS} segments in its header")


def _without_texts(data: bytes) -> bytes:
    """A PNG without texts and colour profile: they are not used, and Pillow refuses some that are long.

    The EXIF block that ImageMagick writes as a text stays, for the orientation. Source: PNG (third edition),
    section 5.3 (chunk layout).
    """
    kept, start, at = [], 0, len(_PNG)
    for _ in range(MAX_CHUNKS):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if kind in _UNUSED and not data.startswith(_EXIF_TEXT, at + 8):
            kept.append(data[start:at])
            start = end
        at = end
        if kind == b"IEND" or at >= len(data):
            return b"".join([*kept, data[start:]]) if kept else data
    raise ClassifierError(f"PNG picture has more than {MAX_CHUNKS} chunks")


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


def _jpeg2000_size(data: bytes) -> tuple[int, int]:
    """Size in the code stream of a JPEG 2000 file, which can differ from that of the file around it.

    (0, 0) for anything else. Source: ISO/IEC 15444-1, A.5.1 (SIZ).
    """
    if not (data.startswith(b"\xff\x4f\xff\x51") or data[4:8] == b"jP  "):
        return 0, 0
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0 or len(data) < at + 40:
        return 0, 0
    right, bottom, left, top, tile_width, tile_height = struct.unpack(">6I", data[at + 8 : at + 32])
    width, height = max(0, right - left), max(0, bottom - top)
    if -(-width // max(1, tile_width)) * -(-height // max(1, tile_height)) > MAX_TILES:
        raise ClassifierError(f"JPEG 2000 picture has more than {MAX_TILES} tiles")
    return width, height


def looks_like(data: bytes, accepted: tuple[str, ...]) -> str:
    """What a file that is no picture seems to be, as the end of a sentence."""
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not data:
        return "the file is empty"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "it is an HTML page"
    if b"<svg" in start:
        return "it is SVG"
    for name, marks in (("XML", (b"<?xml", b"<")), ("JSON", (b"{", b"[")), ("PDF", (b"%pdf",))):
        if start.startswith(marks):
            return f"it is {name}"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return "it is an AVIF file that is damaged or cut short"
    return f"it begins with {data[:8].hex(' ')}, and accepted are {', '.join(accepted)}"
