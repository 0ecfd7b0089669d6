"""The map: suggestions where the graph says their values are."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from pyoxigraph import Literal, NamedNode, Quad
from starlette.testclient import TestClient

from enrich.web.index.asked import Filters
from enrich.web.places import points
from enrich.web.site import Site
from tests.web.serving import client, site

WGS = "http://www.w3.org/2003/01/geo/wgs84_pos#"
GEO = "http://www.opengis.net/ont/geosparql#"
GRAPH = NamedNode("https://museum.example.org/graph/vocabulary")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("map")) as found:
        yield found


@pytest.fixture(scope="module")
def asking(here: Site) -> Iterator[TestClient]:
    with client(here) as found:
        yield found


def places(here: Site) -> dict[str, int]:
    """How many suggestions each place has."""
    values = here.index.facets(Filters({"property": ("place",)}), 1000)["value"]
    return {value.value: value.count for value in values if value.value}


def say(here: Site, subject: str, predicate: str, value: NamedNode | Literal) -> None:
    with here.workspace() as workspace:
        workspace.store.insert([Quad(NamedNode(subject), NamedNode(predicate), value, GRAPH)])


def test_a_graph_without_coordinates_has_no_map_and_says_so(asking: TestClient) -> None:
    page = asking.get("/map", params={"property": "time"}).text
    assert "gives no coordinates" in page
    assert "<svg" not in page


def test_coordinates_are_read_in_every_spelling_and_what_is_none_is_left_out(here: Site) -> None:
    """Given places with latitude and longitude, with a point as text, of their own and of their geometry, and some with
    what is nowhere on the earth, then those are found that are somewhere."""
    own, geometry, wrong, words, bare = (f"https://places.example/{n}" for n in range(5))
    say(here, own, "https://schema.org/latitude", Literal("45.44"))
    say(here, own, "https://schema.org/longitude", Literal("12.33"))
    say(here, geometry, f"{GEO}hasGeometry", NamedNode(f"{geometry}/at"))
    say(here, f"{geometry}/at", f"{GEO}asWKT", Literal("<http://crs> POINT(4.83 45.76)"))
    say(here, wrong, f"{GEO}asWKT", Literal("POINT(400 95)"))
    say(here, words, f"{WGS}lat", Literal("north"))
    say(here, words, f"{WGS}long", Literal("1e999"))
    here.forget()
    with here.workspace() as workspace:
        found = points(workspace, [own, geometry, wrong, words, bare])
    assert found == {own: (12.33, 45.44), geometry: (4.83, 45.76)}


def test_a_place_stands_where_the_graph_says_with_its_count_and_leads_to_its_list(
    here: Site, asking: TestClient
) -> None:
    (value, count), *others = places(here).items()
    say(here, value, f"{WGS}lat", Literal("45.44"))
    say(here, value, f"{WGS}long", Literal("12.33"))
    here.forget()

    page = asking.get("/map").text

    assert page.count("<circle") == 1
    (row,) = [part for part in page.split("<tr>") if "/browse?" in part and "45.44" in part]
    assert re.findall(r'class="number">([^<]*)<', row)[0] == str(count)
    link = html.unescape(re.findall(r'href="(/browse[^"]*)"', row)[0])
    assert f"{count} of" in asking.get(link).text
    assert ("have no coordinates" in page) == bool(others)


def test_a_property_that_there_is_none_is_a_wrong_address(asking: TestClient) -> None:
    assert asking.get("/map", params={"property": "colour"}).status_code == 400
