"""What a file's header can ask for: bombs of every format are refused before anything is allocated."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib

import pytest
from PIL import Image

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.neural.decoding import FORMATS, decode, inspect
from enrich.classifiers.neural.formats import MEDIA_TYPES
from tests.classifiers.neural.test_decoding import as_file, assert_corners, corners


def test_every_format_has_a_media_type_and_what_pillow_lacks_is_not_accepted() -> None:
    assert set(FORMATS) <= set(MEDIA_TYPES)
    assert {"JPEG", "PNG", "WEBP", "TIFF", "GIF"} <= set(FORMATS)
    assert all(kind.startswith("image/") for kind in MEDIA_TYPES.values())


def _webp_header(kind: bytes, rest: bytes) -> bytes:
    body = b"WEBP" + kind + struct.pack("<I", len(rest)) + rest
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _tiled_tiff(side: int) -> bytes:
    """A grey TIFF of 16 × 16 in one tile that is far larger."""
    content = zlib.compress(bytes(1_000_000))
    entries = [(256, 16), (257, 16), (258, 8), (259, 8), (262, 1), (277, 1), (322, side), (323, side)]
    entries += [(324, 8 + 2 + 12 * 10 + 4), (325, len(content))]
    directory = b"".join(struct.pack("<2H2I", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + content


BOMBS = {
    "png": as_file(Image.new("1", (10_000, 10_000)), "PNG"),
    "tiff": as_file(Image.new("1", (10_000, 10_000)), "TIFF", compression="group4"),
    "tiff-tile": _tiled_tiff(20_000),
    "gif": b"GIF89a" + struct.pack("<2H", 60_000, 60_000) + as_file(corners(), "GIF")[10:],
    "jpeg": b"\xff\xd8\xff\xc0\0\x11\x08"
    + struct.pack(">2H", 65_000, 65_000)
    + b"\3\1\x11\0\2\x11\0\3\x11\0"
    + bytes(50),
    "webp-x": _webp_header(b"VP8X", b"\x10\0\0\0" + b"\xff\x3f\0" * 2 + bytes(20)),
    "webp-l": _webp_header(b"VP8L", b"\x2f" + struct.pack("<I", 0x0FFFFFFF) + bytes(20)),
    "webp": _webp_header(
        b"VP8 ", bytes(3) + b"\x9d\x01\x2a" + struct.pack("<2H", 16_383, 16_383) + bytes(20)
    ),
}


def _jpeg2000(width: int, height: int, tile: int) -> bytes:
    """A JPEG 2000 file of 120 × 80 whose code stream says another size."""
    data = bytearray(as_file(corners(), "JPEG2000"))
    size = data.index(b"\xff\x4f\xff\x51") + 8
    data[size : size + 24] = struct.pack(">6I", width, height, 0, 0, tile, tile)
    return bytes(data)


def test_a_jpeg_2000_is_judged_by_its_code_stream() -> None:
    with pytest.raises(ClassifierError, match=r"60000 × 60000 has more than 20000000 pixels"):
        decode(_jpeg2000(60_000, 60_000, 60_000), 10)
    with pytest.raises(ClassifierError, match=r"more than 4096 tiles"):
        decode(_jpeg2000(120, 80, 1), 10)
    with pytest.raises(ClassifierError):
        decode(_jpeg2000(4000, 4000, 4000), 10)


def test_formats_whose_decoders_need_more_memory_get_fewer_pixels() -> None:
    for format in ("AVIF", "JPEG2000"):
        data = as_file(Image.new("RGB", (200, 100)), format)
        assert decode(data, 10, max_pixels=80_000).shape == (10, 20, 3)
        with pytest.raises(ClassifierError, match=r"200 × 100 has more than"):
            inspect(data, max_pixels=40_000)


def test_the_parts_of_a_header_are_counted() -> None:
    jpeg = as_file(corners(), "JPEG")
    for part, many in ((b"\xff\xe0\0\2", 20_000), (b"\xff", 20_000), (b"\xff\xd0", 20_000)):
        with pytest.raises(ClassifierError, match=r"more than 10000 segments"):
            decode(jpeg[:2] + part * many + jpeg[2:], 10)
        assert_corners(decode(jpeg[:2] + part * 100 + jpeg[2:], 40))
    png = as_file(corners(), "PNG")
    part = bytes(4) + b"abCd" + struct.pack(">I", zlib.crc32(b"abCd"))
    with pytest.raises(ClassifierError, match=r"more than 100000 chunks"):
        decode(png[:33] + part * 100_000 + png[33:], 10)
    assert_corners(decode(png[:33] + part * 100 + png[33:], 40))


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_by_their_header(name: str) -> None:
    for refused in (inspect, lambda data: decode(data, 10)):
        with pytest.raises(ClassifierError, match=r"more than 80000000 pixels"):
            refused(BOMBS[name])


def test_a_bomb_allocates_nothing() -> None:
    script = (
        "import resource, sys\n"
        "from classifiers.base import ClassifierError\n"
        "from classifiers.neural.decoding import decode\n"
        "data = sys.stdin.buffer.read()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    decode(data, 10)\n"
        "except ClassifierError:\n"
        "    sys.exit(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before > 20_000)\n"
        "sys.exit(2)\n"
    )
    for name in ("png", "webp-x"):
        assert subprocess.run([sys.executable, "-c", script], input=BOMBS[name], check=False).returncode == 0


def test_a_jpeg_of_thousands_of_scans_is_refused() -> None:
    data = as_file(corners(), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(ClassifierError, match=r"scans"):
        decode(data[:-2] + scan * 5000 + data[-2:], 10)
    assert_corners(decode(data, 40))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is SVG"),
        (b"<?xml version='1.0'?><error/>", "it is XML"),
        (b'{"error": 404}', "it is JSON"),
        (b"%PDF-1.4", "it is PDF"),
        (as_file(corners(), "AVIF")[:100], "it is an AVIF file that is damaged or cut short"),
        (b"BM123456789", r"it begins with 42 4d 31 .*, and accepted are JPEG, PNG, WEBP"),
    ],
)
def test_what_is_no_picture_is_named(content: bytes, reason: str) -> None:
    with pytest.raises(ClassifierError, match=f"not a picture that is accepted: {reason}"):
        inspect(content)
