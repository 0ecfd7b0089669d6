"""One picture through mirror, cache and server; every refusal is a reason on it."""

from __future__ import annotations

import hashlib
import os
import threading
import zlib
from pathlib import Path

import pytest

from enrich.classifiers.data import Picture
from enrich.classifiers.neural import decoding
from enrich.errors import SettingsError
from enrich.media.cache import Cache
from enrich.media.circuits import HALF_OPEN_AFTER
from enrich.media.fetch import Fetcher
from enrich.media.pictures import PictureSource
from enrich.settings.models import MediaSettings
from tests.media.servers import Clock, HttpServer, picture


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


def answers(web: HttpServer, status: int) -> str:
    web.gives(f"/{status}.jpg", b"", status)
    return web.url(f"/{status}.jpg")


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_picture_of_a_server_that_is_down_or_wants_a_login_may_come(
    status: int, web: HttpServer, settings: MediaSettings
) -> None:
    with PictureSource(settings, fetcher=Fetcher(settings, sleep=lambda _: None)) as source:
        assert source.get(Picture(answers(web, status))).may_come


@pytest.mark.parametrize("status", [404, 410])
def test_a_picture_that_is_gone_is_refused_for_good(
    status: int, web: HttpServer, source: PictureSource
) -> None:
    assert not source.get(Picture(answers(web, status))).may_come


def test_what_became_of_the_pictures_is_counted_and_told(web: HttpServer, settings: MediaSettings) -> None:
    web.gives("/a.jpg", picture())
    web.gives("/b.jpg", b"<html>")
    told: list[tuple[str, str]] = []
    with PictureSource(settings, observe=lambda *result: told.append(result)) as source:
        for url in (
            web.url("/a.jpg"),
            web.url("/a.jpg"),
            web.url("/b.jpg"),
            answers(web, 404),
            answers(web, 403),
        ):
            source.get(Picture(url))
    tally = source.tally()
    assert (tally.had, tally.may_come, tally.open_circuits) == (1, {"login": 1}, {})
    assert tally.refused == {"missing": 1, "not accepted": 1}
    assert tally.text == "1 had; 1 may come later (login 1); 2 refused (missing 1, not accepted 1)"
    assert told == [
        ("had", "server"),
        ("refused", "not accepted"),
        ("refused", "missing"),
        ("may come", "login"),
    ]


def test_what_opens_a_circuit_is_told(web: HttpServer, settings: MediaSettings) -> None:
    few = settings.model_copy(update={"host_failures": 2, "header_timeout": 0.05, "parallel": 1})
    web.default = lambda handler: handler.server.stopping.wait(10) and None
    told: list[tuple[str, str]] = []
    with PictureSource(few, opened=lambda *circuit: told.append(circuit)) as source:
        for n in range(4):
            source.get(Picture(web.url(f"/{n}.jpg")))
    host = f"127.0.0.1:{web.port}"
    assert told == [(host, f"2 failures in a row, the last: {host} does not answer in time")]
    assert f"circuit of {host} open (2 failures" in source.tally().text


def test_a_long_run_asks_again_for_what_may_come(web: HttpServer, settings: MediaSettings) -> None:
    clock = Clock()
    web.gives("/a.jpg", b"", 403)
    with PictureSource(settings, fetcher=Fetcher(settings, clock=clock, sleep=clock.sleep)) as source:
        for _ in range(3):
            assert source.get(Picture(web.url("/a.jpg"))).may_come
        assert web.seen == ["/a.jpg"]
        web.gives("/a.jpg", picture())
        clock.now += HALF_OPEN_AFTER
        assert source.get(Picture(web.url("/a.jpg"))).path is not None
        assert (source.tally().had, source.tally().may_come) == (1, {})


def test_a_host_that_comes_back_is_asked_again_within_the_run(
    web: HttpServer, settings: MediaSettings
) -> None:
    clock = Clock()
    few = settings.model_copy(update={"host_failures": 2, "retries": 0})
    web.default = lambda handler: handler.reply(500)
    with PictureSource(few, fetcher=Fetcher(few, clock=clock, sleep=clock.sleep)) as source:
        for n in range(30):
            source.get(Picture(web.url(f"/{n}.jpg")))
        assert len(web.seen) == 20
        assert list(source.tally().open_circuits) == [f"127.0.0.1:{web.port}"]
        assert source.tally().may_come == {"server error": 20, "circuit open": 10}

        web.default = lambda handler: handler.reply(200, picture())
        clock.now += HALF_OPEN_AFTER
        assert all(source.get(Picture(web.url(f"/{n}.jpg"))).path for n in range(30))
        assert source.tally().open_circuits == {}
    with PictureSource(few) as another_run:
        assert another_run.tally().open_circuits == {}


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
        assert source.counts == {"mirror": 1, "missing": 1, "not accepted": 1}


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes that pictures are decoded to, one after the other; none was decoded before."""
    decode, sizes = decoding.decode, []

    def counted(path: Path, size: int, **limits: int) -> decoding.UInt8Array:
        sizes.append(size)
        return decode(path, size, **limits)

    monkeypatch.setattr(decoding, "decode", counted)
    decoding.shared_pictures.cache_clear()
    return sizes


def test_a_mirrored_picture_is_decoded_once_for_the_check_and_for_who_looks_at_it(
    tmp_path: Path, settings: MediaSettings, decoded: list[int]
) -> None:
    (tmp_path / "a.jpg").write_bytes(picture())
    (tmp_path / "cut.jpg").write_bytes(picture()[:-200])
    mirrored = settings.model_copy(update={"mirrors": {"https://images.example.org/": tmp_path}})
    with PictureSource(mirrored, decode_size=24) as source:
        found = source.get(Picture("https://images.example.org/a.jpg"))
        cut = source.get(Picture("https://images.example.org/cut.jpg"))

    assert found.path is not None
    assert decoding.shared_pictures().decode(found.path, 24).shape == (24, 36, 3)
    assert decoded == [24, 24]
    assert cut.path is None
    assert "cannot be decoded" in (cut.failure or "")


@pytest.mark.parametrize("again", [False, True])
def test_a_fetched_picture_is_decoded_before_it_is_looked_at(
    again: bool, web: HttpServer, settings: MediaSettings, decoded: list[int]
) -> None:
    web.gives("/a.jpg", picture())
    if again:
        with PictureSource(settings) as source:
            source.get(Picture(web.url("/a.jpg")))
    with PictureSource(settings, decode_size=24) as source:
        found = source.get(Picture(web.url("/a.jpg")))
        assert source.counts == {"cache" if again else "server": 1}

    assert found.path is not None
    assert decoded == [24]
    decoding.shared_pictures().decode(found.path, 24)
    assert decoded == [24], "it was in memory"


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
    monkeypatch.setattr(Cache, "keep", full)
    found = source.get(Picture(web.url("/a.jpg")))
    assert "No space left" in (found.failure or "")
    assert found.may_come


def test_a_picture_given_again_is_kept_by_the_cache_for_as_long_again(
    web: HttpServer, source: PictureSource
) -> None:
    web.gives("/a.jpg", picture())
    path = source.get(Picture(web.url("/a.jpg"))).path
    assert path is not None
    os.utime(path, (1.0, 1.0))
    source.get(Picture(web.url("/a.jpg")))
    assert path.stat().st_mtime > 1.0


def test_a_picture_evicted_meanwhile_is_fetched_again(web: HttpServer, source: PictureSource) -> None:
    web.gives("/a.jpg", picture())
    found = source.get(Picture(web.url("/a.jpg")))
    assert found.path is not None
    found.path.unlink()
    again = source.get(Picture(web.url("/a.jpg")))
    assert again.path is not None
    assert again.path.is_file()
