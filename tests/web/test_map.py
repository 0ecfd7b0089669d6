"""The map: suggestions where the graph says their values are."""

from __future__ import annotations

import html
import re

import pytest
from pyoxigraph import Literal, NamedNode, Quad
from starlette.testclient import TestClient

from enrich.web.index.asked import Filters
from enrich.web.places import points
from enrich.web.site import Site
from tests.web.curating import asking, taken_up
from tests.web.serving import VOCABULARY, WGS, counted, placed

GEO = "http://www.opengis.net/ont/geosparql#"


def places(shared: Site) -> dict[str, int]:
    """How many suggestions each place has."""
    values = shared.index.facets(Filters({"property": ("place",)}), 1000)["value"]
    return {value.value: value.count for value in values if value.value}


def say(shared: Site, subject: str, predicate: str, value: NamedNode | Literal) -> None:
    with shared.workspace() as workspace:
        workspace.store.insert([Quad(NamedNode(subject), NamedNode(predicate), value, VOCABULARY)])


def test_a_graph_without_coordinates_has_no_map_and_says_so(web: TestClient) -> None:
    page = web.get("/map", params={"property": "time"}).text
    assert "gives no coordinates" in page
    assert "<svg" not in page
    assert "have no coordinates" not in page, "more values than none"
    assert "a circle leads" not in page, "there is none"


def test_a_map_is_offered_where_there_is_one_and_that_is_asked_once(shared: Site, web: TestClient) -> None:
    """Given a graph without coordinates, then the table of two properties offers no map, and the store is asked once
    whether there is one; when a place has coordinates, then it offers the map, but not for facets."""
    with counted(shared) as counting:
        web.get("/map", params={"property": "time"})
        asked = []
        for _ in range(2):
            counting.asked = 0
            assert "/map?" not in web.get("/cross").text
            asked.append(counting.asked)
        assert asked[0] - asked[1] == 1
    (value, *_) = places(shared)
    placed(shared, value)
    assert 'href="/map?property=place"' in web.get("/cross").text
    assert "/map?" not in web.get("/cross?facets=museum&facets=state").text
    assert "/map?" not in web.get("/cross?properties=time&properties=place").text


def test_coordinates_are_read_in_every_spelling_and_what_is_none_is_left_out(shared: Site) -> None:
    """Given places with latitude and longitude, with a point as text, of their own and of their geometry, and some with
    what is nowhere on the earth, then those are found that are somewhere."""
    own, geometry, wrong, words, bare = (f"https://places.example/{n}" for n in range(5))
    say(shared, own, "https://schema.org/latitude", Literal("45.44"))
    say(shared, own, "https://schema.org/longitude", Literal("12.33"))
    say(shared, geometry, f"{GEO}hasGeometry", NamedNode(f"{geometry}/at"))
    say(shared, f"{geometry}/at", f"{GEO}asWKT", Literal("<http://crs> POINT(4.83 45.76)"))
    say(shared, wrong, f"{GEO}asWKT", Literal("POINT(400 95)"))
    say(shared, words, f"{WGS}lat", Literal("north"))
    say(shared, words, f"{WGS}long", Literal("1e999"))
    shared.forget()
    with shared.workspace() as workspace:
        found = points(workspace, [own, geometry, wrong, words, bare])
    assert found == {own: (12.33, 45.44), geometry: (4.83, 45.76)}


def test_a_place_stands_where_the_graph_says_with_its_count_and_leads_to_its_list(
    shared: Site, web: TestClient
) -> None:
    (value, count), *others = places(shared).items()
    placed(shared, value)

    page = web.get("/map").text

    assert page.count("<circle") == 1
    (row,) = [part for part in page.split("<tr>") if "/browse?" in part and "45.44" in part]
    assert re.findall(r'class="number">([^<]*)<', row)[0] == str(count)
    link = html.unescape(re.findall(r'href="(/browse[^"]*)"', row)[0])
    assert f"{count} of" in web.get(link).text
    assert ("have no coordinates" in page) == bool(others)


def stands(web: TestClient, address: str, value: str) -> int:
    """How many suggestions a map says a place has, which are as many as the list that its circle leads to."""
    page = web.get(address).text
    for row in page.split("<tr>"):
        link = re.search(r'href="(/browse[^"]*)"', row)
        if link is not None and value in web.get(html.unescape(link[1])).url.params.get_list("value"):
            (count, *_) = re.findall(r'class="number">([^<]*)<', row)
            assert f"<strong>{count} of " in web.get(html.unescape(link[1])).text
            return int(count)
    return 0


@pytest.mark.parametrize("decision", ["Rejected", "Corrected", "Accepted", "Undecided"])
def test_a_map_has_what_is_suggested_yet_and_says_as_many_as_its_lists(museum: Site, decision: str) -> None:
    """Given a place on the map; when a curator turns a suggestion of it down, then there is one less, and where its state
    is chosen that one; other decisions leave it there."""
    value = next(iter(places(museum)))
    placed(museum, value)
    with asking(museum, "Bo", "lead") as bo:
        before = stands(bo, "/map?property=place", value)
        row = taken_up(bo, museum, decision, property=("place",), value=(value,))
        less = decision in ("Rejected", "Corrected")
        assert stands(bo, "/map?property=place", value) == before - less
        assert stands(bo, f"/map?property=place&state={decision}", value) == 1
        where = f"/map?property=place&state={decision}&state=Pending&run={row.run}"
        assert stands(bo, where, value) == before


def test_a_place_that_has_nothing_under_some_filters_has_no_circle(museum: Site) -> None:
    """Given a value that is chosen with others that leave nothing of it, then the map says so."""
    value = next(iter(places(museum)))
    placed(museum, value)
    with asking(museum, "Bo") as bo:
        found = bo.get("/map", params={"property": "place", "value": value, "state": "Rejected"})
    assert found.status_code == 200
    assert "<circle" not in found.text


def test_a_property_that_there_is_none_is_a_wrong_address(web: TestClient) -> None:
    assert web.get("/map", params={"property": "colour"}).status_code == 400
