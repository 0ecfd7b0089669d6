"""Pictures of IIIF image servers: of every level, at every kind of address, and with what some lack."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from enrich.classifiers.data import Picture
from enrich.classifiers.neural.decoding import decode
from enrich.media.fetch import Fetcher
from enrich.media.pictures import PictureSource
from enrich.settings.models import MediaSettings
from tests.media.servers import Handler, HttpServer, picture


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


def static_service(web: HttpServer, ending: str) -> str:
    """A level 0 service of files with one ending, at a base address that gives no picture. Returns it."""
    about = {"profile": "http://iiif.io/api/image/2/level0.json", "width": 120, "height": 80}
    web.gives("/iiif/vase/info.json", json.dumps(about).encode())
    web.gives(f"/iiif/vase/full/full/0/default.{ending}", picture(120, 80, "PNG"))
    return web.url("/iiif/vase")


def test_a_level_0_server_that_has_png_only_gives_png(web: HttpServer, source: PictureSource) -> None:
    base = static_service(web, "png")
    assert source.get(Picture(f"{base}/info.json")).format == "PNG"


@pytest.mark.parametrize("at_base", [303, 404, 403, 200])
def test_the_base_address_of_a_service_gives_its_picture(
    at_base: int, web: HttpServer, source: PictureSource
) -> None:
    base = static_service(web, "jpg")
    web.gives("/iiif/vase", b"<html>", at_base, Location="/iiif/vase/info.json")
    assert size_of(source.get(Picture(base))) == (120, 80)
    before = len(web.seen)
    with PictureSource(source.settings) as later:
        assert size_of(later.get(Picture(base))) == (120, 80)
    assert len(web.seen) == before, "it is in the cache"


def test_an_address_that_is_no_service_keeps_its_own_reason(web: HttpServer, source: PictureSource) -> None:
    web.gives("/iiif/none", b"<html>")
    found = source.get(Picture(web.url("/iiif/none")))
    assert "HTML" in (found.failure or "")
    assert web.seen == ["/iiif/none", "/iiif/none/info.json"]


def test_a_service_that_is_down_in_part_may_come(web: HttpServer, settings: MediaSettings) -> None:
    about = {"width": 600, "height": 400, "profile": ["http://iiif.io/api/image/2/level2.json"]}
    url = image_server(web, about, lambda what: 404 if what == "full/full" else 503)
    with PictureSource(settings, fetcher=Fetcher(settings, sleep=lambda _: None)) as source:
        assert source.get(Picture(url)).may_come


def test_a_server_without_info_json_gives_what_the_graph_names(
    web: HttpServer, source: PictureSource
) -> None:
    web.gives("/iiif/x/full/200,/0/native.jpg", picture(200, 100))
    assert size_of(source.get(Picture(web.url("/iiif/x/full/200,/0/native.jpg")))) == (200, 100)
    assert source.counts == {"server": 1}


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


@pytest.mark.parametrize("tiles", [{}, {"tiles": [{"width": 100, "scaleFactors": [1]}]}])
def test_the_seconds_of_a_picture_are_those_of_all_its_requests(
    web: HttpServer, settings: MediaSettings, tiles: dict[str, object]
) -> None:
    """Given a server that is slow for each size and each tile, and a picture that is never had, then the time of one
    picture ends it."""

    def gives(what: str) -> bytes | int:
        time.sleep(0.3)
        return picture(100, 100) if not what.startswith("full") else b"no picture"

    about = {"width": 400, "height": 400, "profile": ["http://iiif.io/api/image/2/level0.json"]}
    url = image_server(
        web, {**about, "sizes": [{"width": 100 + n, "height": 100 + n} for n in range(9)], **tiles}, gives
    )
    with PictureSource(settings.model_copy(update={"timeout": 1.0, "retries": 0})) as source:
        began = time.monotonic()
        found = source.get(Picture(url))
        took = time.monotonic() - began

    assert found.path is None
    assert found.may_come
    assert took < 2.5
    assert len(web.seen) <= 6
