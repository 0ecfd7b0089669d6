"""What is asked of a IIIF image server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.media.iiif import ImageRequest, Mosaic, mosaic_of, recognise, requests, service
from enrich.media.iiif_info import ImageInfo, read_info

BASE = "https://iiif.museum.org/image/v2/ark:%2F12%2Fx"
V2 = "http://iiif.io/api/image/2/context.json"
V3 = "http://iiif.io/api/image/3/context.json"


def info(**keys: Any) -> ImageInfo:
    return read_info(json.dumps({"width": 6000, "height": 4000, **keys}).encode())


def asked(
    about: ImageInfo | None, url: str = f"{BASE}/full/full/0/default.jpg", shorter: int = 500
) -> list[str]:
    request = recognise(url)
    assert request is not None
    return [
        what.removeprefix(f"{BASE}/") if isinstance(what, str) else f"{len(what.tiles)} tiles"
        for what in requests(request, about, shorter)
    ]


@pytest.mark.parametrize(
    "url",
    [
        f"{BASE}/full/full/0/default.jpg",
        f"{BASE}/full/max/0/default.png",
        f"{BASE}/full/^max/0/default.jpg",
        f"{BASE}/full/800,/0/native.jpg",
        f"{BASE}/full/!400,400/90/color.webp",
        f"{BASE}/full/pct:12.5/0/gray.tif",
        f"{BASE}/pct:10,10,80.5,80/,200/!180/default.jpg",
        f"{BASE}/10,20,300,400/300,400/22.5/default",
    ],
)
def test_image_requests_are_recognised(url: str) -> None:
    request = recognise(url)
    assert request is not None
    assert (request.base, request.direct, request.url) == (BASE, True, url)


@pytest.mark.parametrize(
    "url",
    [
        "https://museum.org/full/picture.jpg",
        "https://museum.org/media/full/full/0/default.jpg/x",
        f"{BASE}/full/full/0/default.jpg?token=1",
        "https://museum.org/a.jpg",
        "ftp://museum.org/x/full/full/0/default.jpg",
    ],
)
def test_other_urls_are_not_taken_for_image_requests(url: str) -> None:
    assert recognise(url) is None


def test_the_address_of_an_info_json_is_the_whole_picture() -> None:
    request = recognise(f"{BASE}/info.json")
    assert request == ImageRequest(f"{BASE}/info.json", BASE, direct=False)
    assert request is not None
    assert request.info_url == f"{BASE}/info.json"


@given(st.text(max_size=80))
def test_any_text_may_be_asked_about(text: str) -> None:
    recognise(text)
    recognise(f"{BASE}/{text}/full/0/default.jpg")


def test_version_2_is_asked_by_width() -> None:
    level2 = info(**{"@context": V2, "profile": ["http://iiif.io/api/image/2/level2.json"]})
    assert asked(level2)[0] == "full/750,/0/default.jpg"
    assert asked(level2)[-1] == "full/max/0/default.jpg"


def test_version_3_is_asked_by_both_sides() -> None:
    level2 = info(**{"@context": V3, "type": "ImageService3", "profile": "level2"})
    assert asked(level2)[:3] == [
        "full/750,500/0/default.jpg",
        "full/750,/0/default.jpg",
        "full/!750,500/0/default.jpg",
    ]


def test_a_picture_is_never_asked_for_enlarged() -> None:
    small = info(width=300, height=200, **{"@context": V3, "profile": "level2"})
    assert asked(small)[0] == "full/300,200/0/default.jpg"


def test_a_listed_size_that_fits_is_preferred() -> None:
    sizes = [{"width": 150, "height": 100}, {"width": 900, "height": 600}, {"width": 6000, "height": 4000}]
    level1 = info(sizes=sizes, **{"@context": V2, "profile": ["http://iiif.io/api/image/2/level1.json"]})
    assert asked(level1)[0] == "full/900,/0/default.jpg"
    assert asked(level1, shorter=250)[0] == "full/375,/0/default.jpg"


def test_limits_of_the_server_are_kept() -> None:
    v3 = {"@context": V3, "profile": "level2"}
    assert asked(info(maxWidth=600, **v3))[0] == "full/600,400/0/default.jpg"
    assert asked(info(maxWidth=3000, maxHeight=300, **v3))[0] == "full/450,300/0/default.jpg"
    assert asked(info(maxArea=60_000, **v3))[0] == "full/300,200/0/default.jpg"
    in_profile = ["http://iiif.io/api/image/2/level2.json", {"maxWidth": 90, "supports": ["x"]}]
    assert asked(info(**{"@context": V2, "profile": in_profile}))[0] == "full/90,/0/default.jpg"


@given(st.integers(1, 10**5), st.integers(1, 10**5), st.integers(1, 2000), st.integers(1, 10**8))
def test_limited_sizes_are_under_the_limits(width: int, height: int, most: int, area: int) -> None:
    limited = ImageInfo(width, height, max_width=most, max_area=area).limited(width, height)
    assert 1 <= limited[0] <= most
    assert 1 <= limited[1] <= most
    assert limited[0] * limited[1] <= area or 1 in limited


def jpegs(urls: list[str]) -> list[str]:
    return [url for url in urls if not url.endswith(".png")]


def test_level_0_is_asked_for_what_it_lists() -> None:
    sizes = [{"width": 150, "height": 100}, {"width": 1500, "height": 1000}, {"width": 3000, "height": 2000}]
    level0 = info(sizes=sizes, **{"@context": V2, "profile": "http://iiif.io/api/image/2/level0.json"})
    assert jpegs(asked(level0)) == [
        "full/1500,/0/default.jpg",
        "full/1500,1000/0/default.jpg",
        "full/full/0/default.jpg",
        "full/max/0/default.jpg",
    ]


def test_level_0_with_sizes_far_too_small_is_asked_for_tiles_first() -> None:
    level0 = info(
        sizes=[{"width": 150, "height": 100}],
        tiles=[{"width": 512, "scaleFactors": [1, 2, 4, 8, 16]}],
        **{"@context": V3, "profile": "level0"},
    )
    assert jpegs(asked(level0)) == [
        "full/max/0/default.jpg",
        "full/full/0/default.jpg",
        "2 tiles",
        "2 tiles",
        "full/150,100/0/default.jpg",
        "full/150,/0/default.jpg",
    ]


@pytest.mark.parametrize(
    ("keys", "url", "first", "last"),
    [
        ({"@context": V2, "profile": ["level0.json", {"formats": ["png"]}]}, "info.json", "png", "jpg"),
        ({"@context": V3, "profile": "level0", "preferredFormats": ["png"]}, "info.json", "png", "jpg"),
        ({"@context": V3, "profile": "level0", "extraFormats": ["jp2", 7]}, "info.json", "jpg", "png"),
        ({"@context": V3, "profile": "level0"}, "full/full/0/default.webp", "jpg", "png"),
        ({"@context": V3, "profile": "level2", "preferredFormats": ["png"]}, "info.json", "jpg", "jpg"),
    ],
)
def test_level_0_is_asked_for_the_formats_that_it_may_have(
    keys: dict[str, Any], url: str, first: str, last: str
) -> None:
    urls = asked(info(**keys), f"{BASE}/{url}")
    assert (urls[0].rpartition(".")[2], urls[-1].rpartition(".")[2]) == (first, last)


def test_version_1_calls_its_quality_native() -> None:
    keys = {
        "@context": "http://library.stanford.edu/iiif/image-api/1.1/context.json",
        "profile": "http://library.stanford.edu/iiif/image-api/1.1/compliance.html#level1",
    }
    assert asked(info(**keys))[0] == "full/750,/0/native.jpg"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://museum.org/iiif/2/vase.jpg", "https://museum.org/iiif/2/vase.jpg"),
        ("https://museum.org/IIIF/vase/", "https://museum.org/IIIF/vase"),
        ("https://museum.org/collections/2006AM3529", "https://museum.org/collections/2006AM3529"),
        ("https://museum.org/media/vase.jpg", None),
        ("https://museum.org/", None),
        ("https://museum.org/iiif?id=3", None),
        ("https://museum.org/vase#iiif", None),
    ],
)
def test_a_url_may_be_the_base_address_of_a_service(url: str, base: str | None) -> None:
    found = service(url)
    assert (found and found.base) == base
    assert found is None or not found.direct


def test_a_mosaic_covers_the_picture_and_no_more() -> None:
    about = info(width=1000, height=700, tiles=[{"width": 256, "height": 256, "scaleFactors": [1, 2, 4]}])
    mosaic = mosaic_of(BASE, about, 300)
    assert mosaic == Mosaic(
        500,
        350,
        (
            (f"{BASE}/0,0,512,512/256,/0/default.jpg", 0, 0),
            (f"{BASE}/0,512,512,188/256,/0/default.jpg", 0, 256),
            (f"{BASE}/512,0,488,512/244,/0/default.jpg", 256, 0),
            (f"{BASE}/512,512,488,188/244,/0/default.jpg", 256, 256),
        ),
    )
    single = mosaic_of(BASE, about, 100)
    assert single is not None
    assert single.tiles == ((f"{BASE}/full/250,/0/default.jpg", 0, 0),)
    assert (
        mosaic_of(BASE, info(width=10**6, height=10**6, tiles=[{"width": 8, "scaleFactors": [1]}]), 300)
        is None
    )


def test_a_region_is_kept_and_sized_by_itself() -> None:
    level2 = info(**{"@context": V2, "profile": ["http://iiif.io/api/image/2/level2.json"]})
    assert asked(level2, f"{BASE}/0,0,1000,2000/full/0/default.jpg")[0] == "0,0,1000,2000/500,/0/default.jpg"
    assert (
        asked(level2, f"{BASE}/pct:0,0,50,50/full/90/default.jpg")[0] == "pct:0,0,50,50/750,/90/default.jpg"
    )
    assert asked(level2, f"{BASE}/square/full/0/default.jpg")[0] == "square/500,/0/default.jpg"
    assert (
        asked(level2, f"{BASE}/5999,3999,900,900/full/0/default.jpg")[0]
        == "5999,3999,900,900/1,/0/default.jpg"
    )


def test_without_info_json_a_box_is_asked_for_then_the_url_given() -> None:
    url = f"{BASE}/full/800,/0/native.jpg"
    assert asked(None, url) == ["full/!1000,1000/0/default.jpg", "full/800,/0/native.jpg"]


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        b"[]",
        b"{}",
        b'{"width": "6000", "height": 4000}',
        b'{"width": -1, "height": 4000}',
        b'{"width": NaN, "height": 4000}',
        b'{"width": Infinity, "height": 1}',
        b'{"width": true, "height": true}',
        b"[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_an_info_json_that_says_nothing_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"info.json"):
        read_info(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 10**7) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["width", "height", "maxArea"]), inner)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["@context", "profile", "sizes", "tiles", "maxWidth", "maxHeight", "maxArea", "type"]
        ),
        json_values,
    ),
    st.integers(1, 20_000),
    st.integers(1, 20_000),
)
def test_any_other_key_may_hold_anything(keys: dict[str, Any], width: int, height: int) -> None:
    about = read_info(json.dumps({**keys, "width": width, "height": height}).encode())
    assert asked(about, shorter=100)
