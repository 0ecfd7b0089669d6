"""One picture through mirror, cache and server; every refusal is a reason on it."""

from __future__ import annotations

import hashlib
import json
import threading
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from classifiers.data import Picture
from classifiers.neural.decoding import decode
from enrich.errors import SettingsError
from enrich.media.pictures import PictureSource
from enrich.settings.models import MediaSettings
from tests.media.servers import Handler, HttpServer, picture


@pytest.fixture
def source(settings: MediaSettings) -> Iterator[PictureSource]:
    with PictureSource(settings) as running:
        yield running


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def png_bomb(side: int) -> bytes:
    """A PNG of side × side grey pixels in a few bytes."""
    header = side.to_bytes(4) * 2 + bytes([8, 0, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(bytes(10_000)))
        + png_chunk(b"IEND", b"")
    )


def test_a_picture_comes_with_file_digest_and_format(web: HttpServer, source: PictureSource) -> None:
    content = picture()
    web.gives("/a.jpg", content, Content_Type="text/plain")
    found = source.get(Picture(web.url("/a.jpg")))
    assert found.failure is None
    assert found.path is not None
    assert found.path.read_bytes() == content
    assert (found.sha256, found.format) == (hashlib.sha256(content).hexdigest(), "JPEG")
    assert found.url == web.url("/a.jpg")
    assert source.counts == {"server": 1}


def test_it_is_fetched_once_and_then_comes_from_the_cache(web: HttpServer, settings: MediaSettings) -> None:
    web.gives("/a.jpg", picture())
    with PictureSource(settings) as source:
        first = source.get(Picture(web.url("/a.jpg")))
        assert source.get(Picture(web.url("/a.jpg"))) == first
    with PictureSource(settings) as source:
        assert source.get(Picture(web.url("/a.jpg"))) == first
        assert source.counts == {"cache": 1}
    assert web.seen == ["/a.jpg"]


def test_threads_asking_for_the_same_picture_fetch_it_once(web: HttpServer, source: PictureSource) -> None:
    web.gives("/a.jpg", picture())
    threads = [threading.Thread(target=source.get, args=(Picture(web.url("/a.jpg")),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert web.seen == ["/a.jpg"]


def test_a_failure_is_remembered_for_the_run_only(web: HttpServer, settings: MediaSettings) -> None:
    with PictureSource(settings) as source:
        for _ in range(3):
            found = source.get(Picture(web.url("/a.jpg")))
            assert (found.path, found.failure) == (None, f"127.0.0.1:{web.port} answers 404")
    assert web.seen == ["/a.jpg"]
    web.gives("/a.jpg", picture())
    with PictureSource(settings) as source:
        assert source.get(Picture(web.url("/a.jpg"))).failure is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<!DOCTYPE html><html>not found</html>", "HTML"),
        (b'\n\n  <html lang="de">', "HTML"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'{"error": 1}', "JSON"),
        (b"%PDF-1.7", "PDF"),
        (b"", "empty"),
        (b"BM" + bytes(100), "begins with 42 4d"),
        (picture()[:-200], "cannot be decoded"),
        (picture(format="PNG")[:-200], "cannot be decoded|broken"),
        (png_bomb(30_000), "more than 80000000 pixels"),
        (png_bomb(2**31 - 1), "pixels|broken header"),
        (b"\xff\xd8\xff\xe0" + bytes(500), "accepted|broken|decoded"),
    ],
    ids=[
        "html",
        "html2",
        "svg",
        "json",
        "pdf",
        "empty",
        "bmp",
        "cut-jpeg",
        "cut-png",
        "bomb",
        "bomb2",
        "noise",
    ],
)
def test_what_is_no_picture_is_a_reason_and_is_not_kept(
    content: bytes, reason: str, web: HttpServer, source: PictureSource, settings: MediaSettings
) -> None:
    web.gives("/a.jpg", content, Content_Type="image/jpeg")
    found = source.get(Picture(web.url("/a.jpg")))
    assert found.path is None
    assert found.failure is not None
    assert any(word in found.failure for word in reason.split("|")), found.failure
    assert [path for path in settings.cache.rglob("*") if path.is_file() and path.name != "lock"] == []


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "relative.jpg", "http://10.0.0.1/a.jpg", "http://127.1/"]
)
def test_urls_that_are_not_fetched_are_a_reason(url: str, source: PictureSource) -> None:
    assert source.get(Picture(url)).failure is not None


def test_a_mirror_is_asked_instead_of_the_network(tmp_path: Path, settings: MediaSettings) -> None:
    (tmp_path / "a.jpg").write_bytes(picture())
    (tmp_path / "bad.jpg").write_bytes(b"<html>")
    mirrored = settings.model_copy(update={"mirrors": {"https://images.example.org/": tmp_path}})
    with PictureSource(mirrored) as source:
        found = source.get(Picture("https://images.example.org/a.jpg"))
        assert (found.path, found.format) == (tmp_path / "a.jpg", "JPEG")
        assert found.sha256 == hashlib.sha256(picture()).hexdigest()
        bad = source.get(Picture("https://images.example.org/bad.jpg")).failure
        assert bad is not None
        assert "HTML" in bad
        missing = source.get(Picture("https://images.example.org/none.jpg")).failure
        assert missing == "the mirror has no file 'none.jpg'"
        assert source.counts == {"mirror": 1, "failed": 2}


def test_a_cache_that_cannot_be_written_is_a_wrong_setting(tmp_path: Path, settings: MediaSettings) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"media.cache"):
        PictureSource(settings.model_copy(update={"cache": tmp_path / "file"}))


def test_a_full_disk_is_a_reason(
    web: HttpServer, source: PictureSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    web.gives("/a.jpg", picture())
    monkeypatch.setattr(source._cache, "keep", full)
    assert "No space left" in (source.get(Picture(web.url("/a.jpg"))).failure or "")


def test_a_picture_evicted_meanwhile_is_fetched_again(web: HttpServer, source: PictureSource) -> None:
    web.gives("/a.jpg", picture())
    found = source.get(Picture(web.url("/a.jpg")))
    assert found.path is not None
    found.path.unlink()
    again = source.get(Picture(web.url("/a.jpg")))
    assert again.path is not None
    assert again.path.is_file()


def image_server(web: HttpServer, about: dict[str, object], gives: Callable[[str], bytes | int]) -> str:
    """A IIIF server of one picture; `gives` answers region/size with bytes or a status. Returns its URL."""

    def answer(handler: Handler) -> None:
        rest = handler.path.removeprefix("/iiif/x/")
        if rest == "info.json":
            handler.reply(200, json.dumps(about).encode())
            return
        given = gives(rest.removesuffix("/0/default.jpg"))
        handler.reply(200, given) if isinstance(given, bytes) else handler.reply(given)

    web.default = answer
    return web.url("/iiif/x/full/full/0/default.jpg")


def size_of(found: Picture) -> tuple[int, int]:
    assert found.path is not None, found.failure
    with Image.open(found.path) as image:
        return image.size


def test_an_image_server_that_answers_403_on_full_is_asked_for_the_size_needed(
    web: HttpServer, source: PictureSource
) -> None:
    def gives(what: str) -> bytes | int:
        return picture(96, 64) if what == "full/96," else 403

    about = {"width": 6000, "height": 4000, "profile": ["http://iiif.io/api/image/2/level1.json"]}
    found = source.get(Picture(image_server(web, about, gives)))
    assert size_of(found) == (96, 64)
    assert web.seen == ["/iiif/x/info.json", "/iiif/x/full/96,/0/default.jpg"]


@pytest.mark.parametrize("status", [400, 403, 404, 500, 501])
def test_an_image_server_that_refuses_sizes_gives_the_original(
    status: int, web: HttpServer, settings: MediaSettings
) -> None:
    about = {"width": 600, "height": 400, "profile": ["http://iiif.io/api/image/2/level2.json"]}
    url = image_server(web, about, lambda what: picture(600, 400) if what == "full/full" else status)
    with PictureSource(settings.model_copy(update={"retries": 0})) as source:
        assert size_of(source.get(Picture(url))) == (600, 400)


def test_a_level_0_server_gives_a_listed_size(web: HttpServer, source: PictureSource) -> None:
    about = {
        "@context": "http://iiif.io/api/image/3/context.json",
        "profile": "level0",
        "width": 6000,
        "height": 4000,
        "sizes": [{"width": w, "height": w * 2 // 3} for w in (30, 120, 1200)],
    }
    url = image_server(web, about, lambda what: picture(120, 80) if what == "full/120,80" else 404)
    assert size_of(source.get(Picture(url))) == (120, 80)


def test_a_level_0_server_of_tiles_is_put_together(web: HttpServer, source: PictureSource) -> None:
    whole = Image.open(BytesIO(picture(200, 150, "PNG")))

    def gives(what: str) -> bytes | int:
        region, size = what.split("/")
        if region == "full" or not size.endswith(","):
            return 404
        left, top, width, height = map(int, region.split(","))
        tile = whole.crop((left, top, left + width, top + height)).resize(
            (int(size[:-1]), -(-height * int(size[:-1]) // width))
        )
        file = BytesIO()
        tile.save(file, "PNG")
        return file.getvalue()

    about = {
        "profile": "http://iiif.io/api/image/2/level0.json",
        "width": 200,
        "height": 150,
        "tiles": [{"width": 64, "scaleFactors": [1, 2]}],
    }
    found = source.get(Picture(image_server(web, about, gives)))
    assert found.format == "PNG"
    assert size_of(found) == (100, 75)
    assert found.path is not None
    small = np.asarray(whole.resize((100, 75)), dtype=float)
    assert np.abs(decode(found.path, 75).astype(float) - small).mean() < 4


def test_a_server_without_info_json_gives_what_the_graph_names(
    web: HttpServer, source: PictureSource
) -> None:
    web.gives("/iiif/x/full/200,/0/native.jpg", picture(200, 100))
    assert size_of(source.get(Picture(web.url("/iiif/x/full/200,/0/native.jpg")))) == (200, 100)
    assert source.counts == {"server": 1, "no info.json": 1}


def test_the_reason_of_an_image_server_is_its_last(web: HttpServer, source: PictureSource) -> None:
    found = source.get(Picture(web.url("/iiif/x/info.json")))
    assert found.failure == f"127.0.0.1:{web.port} answers 404"
    assert len(web.seen) <= 5


def test_an_image_server_is_asked_per_size(web: HttpServer, settings: MediaSettings) -> None:
    about = {"width": 600, "height": 400, "profile": ["http://iiif.io/api/image/2/level2.json"]}
    url = image_server(web, about, lambda what: picture(int(what.split("/")[1].split(",")[0]), 50))
    for size in (32, 64):
        with PictureSource(settings.model_copy(update={"size": size})) as source:
            assert size_of(source.get(Picture(url)))[0] == size * 3 // 2
