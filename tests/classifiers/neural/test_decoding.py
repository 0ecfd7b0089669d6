"""Decoding of untrusted pictures: every format, mode and orientation, and every way to be broken."""

from __future__ import annotations

import os
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.neural.decoding import FORMATS, MAX_ASPECT, DecodedPictures, decode, inspect

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 30), (30, 30, 220), (255, 255, 255)


def corners(width: int = 120, height: int = 80) -> Image.Image:
    """Red, green over blue, white: which way is up can be seen."""
    image = Image.new("RGB", (2, 2))
    image.putdata([RED, GREEN, BLUE, WHITE])
    return image.resize((width, height), Image.Resampling.NEAREST)


def as_file(image: Image.Image, format: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def assert_corners(array: NDArray[np.uint8], tolerance: int = 30) -> None:
    height, width, _ = array.shape
    for row, column, colour in [(0, 0, RED), (0, 1, GREEN), (1, 0, BLUE), (1, 1, WHITE)]:
        found = array[height // 4 + row * height // 2, width // 4 + column * width // 2]
        assert np.abs(found.astype(int) - colour).max() <= tolerance, (row, column, found)


@pytest.mark.parametrize("format", FORMATS)
def test_accepted_formats_are_decoded(format: str) -> None:
    data = as_file(corners(), format)
    assert inspect(data) == format
    array = decode(data, 40)
    assert array.shape == (40, 60, 3)
    assert array.dtype == np.uint8
    assert array.flags.writeable
    assert_corners(array)


@pytest.mark.parametrize("format", ["BMP", "ICO", "PPM", "TGA", "PCX", "PDF"])
def test_other_formats_are_refused(format: str) -> None:
    data = as_file(corners(), format)
    for refused in (inspect, lambda content: decode(content, 10)):
        with pytest.raises(ClassifierError, match=r"not a picture that is accepted"):
            refused(data)


@pytest.mark.parametrize(
    ("format", "options"), [("JPEG", {"quality": 95}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})]
)
def test_cmyk_becomes_rgb(format: str, options: dict[str, Any]) -> None:
    data = as_file(corners().convert("CMYK"), format, **options)
    with Image.open(BytesIO(data)) as written:
        assert written.mode == "CMYK"
    assert_corners(decode(data, 40))


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_by_its_full_range(format: str) -> None:
    grey = np.repeat(np.array([[0, 20_000, 65_535]], dtype=np.uint16), 30, axis=1).repeat(30, axis=0)
    array = decode(as_file(Image.fromarray(grey), format), 30)
    assert [int(array[15, column, 1]) for column in (15, 45, 75)] == [0, 78, 255]


def test_16_bit_colour_keeps_its_high_bytes() -> None:
    row = b"\0" + struct.pack(">3H", 65_535, 32_768, 0) * 8
    png = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", struct.pack(">2I5B", 8, 8, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(row * 8)),
        (b"IEND", b""),
    ):
        png += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    assert decode(png, 8)[4, 4].tolist() == [255, 128, 0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0.0, 0.5, 1.0]], [0, 128, 255]),
        ([[0.0, 100.0, 255.0]], [0, 100, 255]),
        ([[-1.0, 0.0, 1.0]], [0, 128, 255]),
        ([[np.nan, 0.5, np.inf]], [0, 128, 0]),
    ],
)
def test_float_values_are_scaled(values: list[list[float]], expected: list[int]) -> None:
    data = as_file(Image.fromarray(np.array(values, dtype=np.float32)), "TIFF")
    assert decode(data, 1)[0, :, 0].tolist() == expected


def test_32_bit_values_are_scaled_by_their_range() -> None:
    data = as_file(Image.fromarray(np.array([[0, 600_000, 1_000_000]], dtype=np.int32)), "TIFF")
    assert decode(data, 1)[0, :, 0].tolist() == [0, 153, 255]


def test_a_large_16_bit_picture_keeps_its_values() -> None:
    grey = np.repeat(np.repeat(np.array([[0, 65_535]], dtype=np.uint16), 600, axis=1), 900, axis=0)
    array = decode(as_file(Image.fromarray(grey), "PNG"), 32)
    assert array.shape[:2] == (32, 43)
    assert (int(array[16, 5, 0]), int(array[16, 38, 0])) == (0, 255)


def test_palette_black_and_white_and_grey_are_decoded() -> None:
    assert_corners(decode(as_file(corners().convert("P"), "PNG"), 40), tolerance=60)
    assert decode(as_file(corners().convert("1"), "TIFF"), 40).shape == (40, 60, 3)
    grey = decode(as_file(Image.new("L", (50, 50), 77), "JPEG"), 40)
    assert (np.abs(grey.astype(int) - 77) < 3).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_transparent_parts_are_white(mode: str, format: str) -> None:
    clear = Image.new("RGBA", (40, 40), (0, 0, 0, 0)).convert(mode)
    array = decode(as_file(clear, format, **({"lossless": True} if format == "WEBP" else {})), 20)
    assert (array == 255).all()


def test_a_transparent_colour_is_white() -> None:
    palette = Image.new("P", (40, 40), 1)
    palette.putpalette([0, 0, 0, 200, 0, 0])
    assert (decode(as_file(palette, "GIF", transparency=1), 20) == 255).all()
    assert (decode(as_file(palette, "PNG", transparency=1), 20) == 255).all()
    assert (decode(as_file(Image.new("RGB", (40, 40), RED), "PNG", transparency=RED), 20) == 255).all()


def test_half_transparent_is_mixed_with_white() -> None:
    half = Image.new("RGBA", (40, 40), (0, 0, 0, 128))
    assert np.abs(decode(as_file(half, "PNG"), 20).astype(int) - 127).max() <= 1


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_gives_its_first_frame(format: str) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in (RED, GREEN, BLUE)]
    data = as_file(frames[0], format, save_all=True, append_images=frames[1:])
    assert np.abs(decode(data, 20)[10, 10].astype(int) - RED).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied(orientation: int, format: str) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = corners().transpose(undo[orientation]) if orientation > 1 else corners()
    exif = Image.Exif()
    exif[0x0112] = orientation
    array = decode(as_file(stored, format, exif=exif), 40)
    assert array.shape == (40, 60, 3)
    assert_corners(array)


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"])
def test_a_damaged_exif_block_leaves_the_picture_as_it_is(exif: bytes) -> None:
    assert_corners(decode(as_file(corners(), "JPEG", exif=exif), 40))


@pytest.mark.parametrize(
    ("stored", "size", "expected"),
    [
        ((1600, 1200), 224, (224, 299)),
        ((1200, 1600), 224, (299, 224)),
        ((1001, 333), 100, (100, 301)),
        ((100, 80), 224, (80, 100)),
        ((1, 1), 224, (1, 1)),
        ((224, 224), 224, (224, 224)),
        ((8000, 100), 50, (50, 50 * MAX_ASPECT)),
        ((5000, 1), 50, (1, 50 * MAX_ASPECT)),
        ((1, 5000), 50, (50 * MAX_ASPECT, 1)),
    ],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_the_shorter_side_has_the_size_asked_and_nothing_is_enlarged(
    stored: tuple[int, int], size: int, expected: tuple[int, int], format: str
) -> None:
    shape = decode(as_file(Image.new("RGB", stored, RED), format), size).shape
    assert min(shape[:2]) == min(expected)
    assert np.abs(np.subtract(shape[:2], expected)).max() <= 1


@settings(max_examples=40)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 300), st.sampled_from(["JPEG", "PNG", "GIF"]))
def test_any_size_is_bounded(width: int, height: int, size: int, format: str) -> None:
    array = decode(as_file(Image.new("RGB", (width, height), RED), format), size)
    shorter, longer = sorted(array.shape[:2])
    assert shorter == min(size, width, height)
    assert longer <= MAX_ASPECT * max(size, shorter) + 1
    assert np.abs(array.reshape(-1, 3).mean(axis=0) - RED).max() < 10


def test_scaling_jpeg_while_decoding_changes_little() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((1600, 1200), Image.Resampling.BICUBIC)
    drafted = decode(as_file(image, "JPEG", quality=95), 224).astype(float)
    whole = decode(as_file(image, "PNG"), 224).astype(float)
    assert np.abs(drafted - whole).mean() < 2


def noisy(width: int = 203, height: int = 151) -> Image.Image:
    """A picture in which every part is different."""
    noise = np.random.default_rng(0).integers(0, 255, (height // 4, width // 4, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


KINDS_OF_JPEG: list[dict[str, Any]] = [{}, {"progressive": True}, {"restart_marker_rows": 1}]


@pytest.mark.parametrize("options", KINDS_OF_JPEG)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("size", [10, 1000])
def test_a_jpeg_without_an_end_marker_is_read(options: dict[str, Any], mode: str, size: int) -> None:
    data = as_file(noisy().convert(mode), "JPEG", **options)
    whole = decode(data, size)
    for broken_off in (data[:-2], data[:-1], data[:-2] + bytes(1000)):
        assert np.array_equal(decode(broken_off, size), whole)


@pytest.mark.parametrize("options", KINDS_OF_JPEG)
@pytest.mark.parametrize("size", [1, 1000])
def test_a_jpeg_that_lacks_pixels_keeps_its_reason(options: dict[str, Any], size: int) -> None:
    data = as_file(noisy(), "JPEG", **options)
    for lost in (10, 100, 1000, len(data) // 2):
        with pytest.raises(ClassifierError, match=r"JPEG picture of .* cannot be decoded: .*truncated"):
            decode(data[:-lost], size)


def test_a_jpeg_with_pictures_behind_it_is_a_jpeg() -> None:
    data = as_file(corners(), "MPO", save_all=True, append_images=[Image.new("RGB", (120, 80), BLUE)])
    assert inspect(data) == "JPEG"
    assert_corners(decode(data, 40))


LONG = "x" * 1_500_000


def texts(**added: Any) -> PngInfo:
    info = PngInfo()
    info.add_text("Comment", LONG, **added)
    info.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta>{' ' * 1_500_000}</x:xmpmeta>", **added)
    return info


@pytest.mark.parametrize(
    "options",
    [
        {"pnginfo": texts()},
        {"pnginfo": texts(zip=True)},
        {"icc_profile": bytes(1_500_000)},
        {"icc_profile": np.random.default_rng(0).bytes(1_500_000)},
        {"exif": b"Exif\0\0" + bytes(1_500_000)},
    ],
    ids=["texts", "compressed texts", "profile", "large profile", "exif"],
)
def test_a_png_with_more_than_a_megabyte_of_metadata_is_read(options: dict[str, Any]) -> None:
    assert_corners(decode(as_file(corners(), "PNG", **options), 40))


def test_the_exif_block_of_a_png_is_read_beside_long_texts() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    stored = corners().transpose(Image.Transpose.ROTATE_180)
    assert_corners(decode(as_file(stored, "PNG", exif=exif, pnginfo=texts(zip=True)), 40))
    raw = exif.tobytes()
    info = PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(raw):8}\n{raw.hex()}\n", zip=True)
    assert_corners(decode(as_file(stored, "PNG", pnginfo=info), 40))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(format: str, part: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8))
    data = as_file(noise, format)
    with pytest.raises(ClassifierError):
        decode(data[: int(len(data) * part)], 1)


def test_html_called_jpeg_says_so(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"\xef\xbb\xbf\n<!DOCTYPE HTML><title>404</title>")
    with pytest.raises(ClassifierError, match=r"not a picture that is accepted: it is an HTML page"):
        decode(file, 10)


def test_a_missing_file_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match=r"cannot be read"):
        decode(tmp_path / "none.jpg", 10)
    with pytest.raises(ClassifierError, match=r"cannot be read"):
        inspect(tmp_path)


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(ClassifierError, match=r"larger than 100 bytes"):
        decode(as_file(corners(), "PNG"), 10, max_bytes=100)


def test_a_size_below_one_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match=r"at least 1"):
        decode(as_file(corners(), "PNG"), 0)


@settings(max_examples=300)
@given(
    st.sampled_from([as_file(corners(), format) for format in FORMATS]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_any_damage_gives_a_picture_or_a_reason(data: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for position, value in changes:
        damaged[position % len(damaged)] = value
    try:
        array = decode(bytes(damaged), 16, max_pixels=1_000_000)
    except ClassifierError as error:
        reason = str(error)
    else:
        reason = ""
        assert array.ndim == 3
    assert "\n" not in reason


@given(st.binary(max_size=200))
def test_any_bytes_give_a_reason(data: bytes) -> None:
    with pytest.raises(ClassifierError):
        decode(data, 16)


def test_one_decode_serves_all_models_that_share_a_size(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(as_file(corners(), "PNG"))
    pictures = DecodedPictures()
    first = pictures.decode(file, 40)
    assert pictures.decode(file, 40) is first
    assert pictures.decode(file, 20).shape == (20, 30, 3)
    assert len(pictures) == 2
    with pytest.raises(ValueError, match=r"read-only"):
        first[0, 0] = 0


def test_a_file_that_changed_is_decoded_again(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(as_file(corners(), "PNG"))
    pictures = DecodedPictures()
    first = pictures.decode(file, 40)
    file.write_bytes(as_file(Image.new("RGB", (120, 80), BLUE), "PNG"))
    os.utime(file, (1, 1))
    assert pictures.decode(file, 40) is not first
    file.unlink()
    with pytest.raises(ClassifierError, match=r"cannot be read"):
        pictures.decode(file, 40)


def test_decoded_pictures_are_bounded(tmp_path: Path) -> None:
    pictures = DecodedPictures(max_bytes=3 * 30 * 30 * 3)
    for n in range(10):
        file = tmp_path / f"{n}.png"
        file.write_bytes(as_file(Image.new("RGB", (30, 30), (n, n, n)), "PNG"))
        assert pictures.decode(file, 30)[0, 0, 0] == n
        assert pictures.used <= pictures.max_bytes
    assert len(pictures) == 3
