"""Lists with facets: what is chosen is shown and can be taken away, every answer comes once, nothing is asked of the store."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyoxigraph as ox
import pytest
from starlette.testclient import TestClient

from enrich.web.browse import MOST_ROWS, ROWS, _nested, band_name
from enrich.web.index.asked import FACETS, UNKNOWN, FacetValue, Filters
from enrich.web.rendering import Words
from enrich.web.site import Site
from tests.web.serving import PAGE, client, counted, site


def links(text: str, pattern: str) -> list[str]:
    """The addresses on a page that match."""
    return [
        unescape(link) for link in re.findall(r'href="([^"]*)"', text) if re.search(pattern, unescape(link))
    ]


def predictions(text: str) -> list[str]:
    """The answers of a list."""
    return re.findall(r'class="plainlink" href="([^"]*)"', text)


def test_each_value_of_a_facet_leads_to_as_many_answers_as_it_says(shared: Site, web: TestClient) -> None:
    """Given the list of all answers; when any value of any facet is followed; then the list says its count of all, its
    chip takes the choice away again, and the link to it does as well."""
    values = shared.index.facets(Filters())
    assert set(values) == set(FACETS)
    for facet, found in values.items():
        for value in found:
            text = web.get("/browse", params={facet: value.value}, headers=PAGE).text
            assert f"<strong>{value.count} of {shared.index.held().answers} answers</strong>" in text, (
                facet,
                value,
            )
            (chip,) = re.findall(r'class="chip" href="([^"]*)"', text)
            assert unescape(chip) == "/browse"
            assert text.count('aria-current="true">') >= 1


def test_every_answer_comes_once_page_by_page(web: TestClient, shared: Site) -> None:
    for order in ("-confidence", "confidence", "record", "-time", "margin"):
        seen: list[str] = []
        place: str | None = f"/browse?order={order}&limit=7"
        while place:
            text = web.get(place, headers=PAGE).text
            seen += predictions(text)
            place = next(iter(links(text, "after=") and re.findall(r'rel="next" href="([^"]*)"', text)), None)
            place = place and unescape(place)
        assert len(seen) == len(set(seen)) == shared.index.held().answers


def test_choices_add_up_and_can_be_taken_away_one_by_one(web: TestClient) -> None:
    """Given two choices, a search and an order; then each chip leads to the same without it."""
    asked = {"property": "technique", "state": "Pending", "q": "a", "order": "record"}
    text = web.get("/browse", params=asked, headers=PAGE).text
    chips = [
        parse_qs(urlsplit(unescape(link)).query) for link in re.findall(r'class="chip" href="([^"]*)"', text)
    ]
    wanted = [{k: [v] for k, v in asked.items() if k != gone} for gone in ("property", "state", "q")]
    assert sorted(chips, key=str) == sorted(wanted, key=str)


def test_what_is_unknown_can_be_chosen(shared: Site, web: TestClient) -> None:
    text = web.get("/browse", params={"value": UNKNOWN}, headers=PAGE).text
    assert f"<strong>{shared.index.total(Filters({'value': (UNKNOWN,)}))} of" in text
    assert "no answer" in text
    assert ">suggestion<" not in text


def test_a_list_asks_nothing_of_the_store(shared: Site, web: TestClient) -> None:
    with counted(shared) as counting:
        assert web.get("/browse", params={"property": "technique"}).status_code == 200
        assert counting.asked == 0


@pytest.mark.parametrize(
    "query",
    [
        "property=%3Cscript%3E",
        "value=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
        "q=%22'%3C%3E*%00",
        "run=javascript:alert(1)",
        "museum=&museum=x&band=never",
        "limit=0&limit=99999999999999999999999",
        "limit=-1",
    ],
)
def test_nonsense_is_an_answer_and_no_markup(web: TestClient, query: str) -> None:
    found = web.get(f"/browse?{query}", headers=PAGE)
    assert found.status_code == 200
    assert "<script>" not in found.text
    assert "<img src=x" not in found.text
    assert 'href="javascript' not in found.text


@pytest.mark.parametrize(
    ("limit", "rows"), [("3", 3), ("0", 1), ("8" * 5000, MOST_ROWS), ("-1", ROWS), ("²", ROWS), ("", ROWS)]
)
def test_however_long_a_list_is_asked_for_it_has_its_bounds(
    shared: Site, web: TestClient, limit: str, rows: int
) -> None:
    found = web.get("/browse", params={"limit": limit}, headers=PAGE)
    assert found.status_code == 200
    total = shared.index.total(Filters())
    assert found.text.count('<li class="item">') == min(rows, total)


@pytest.mark.parametrize("query", ["order=none", "after=none", "after=%F0"])
def test_an_order_or_a_place_that_there_is_none_is_refused(web: TestClient, query: str) -> None:
    assert web.get(f"/browse?{query}", headers=PAGE).status_code == 400


def test_until_there_is_an_index_the_page_says_so(tmp_path: Path) -> None:
    """Given a site whose index is not built; then its list is no empty one but 503, and asks again."""
    with site(tmp_path, 12) as museum:
        fresh = Site(
            museum.settings.model_copy(
                update={"web": museum.settings.web.model_copy(update={"index": tmp_path / "new"})}
            ),
            museum._store,
        )
        with client(fresh) as web:
            found = web.get("/browse", headers=PAGE)
            assert (found.status_code, found.headers["refresh"]) == (503, "3")
            fresh.index.refresh()
            assert web.get("/browse", headers=PAGE).status_code == 200
        fresh.close()


def test_bands_are_named_by_both_ends() -> None:
    assert [band_name(band, Words("en")) for band in ("1.0", "0.95", "0.0")] == [
        "1.00",
        "0.95 to 1.00",
        "0.00 to 0.50",
    ]


def test_a_circle_in_a_vocabulary_loses_nothing() -> None:
    circle = [FacetValue("a", "a", 2, "b"), FacetValue("b", "b", 2, "a"), FacetValue("c", "c", 1, "a")]
    assert {found.value for _, found in _nested(circle)} == {"a", "b", "c"}


def test_a_list_is_to_be_had_as_a_file(shared: Site, web: TestClient) -> None:
    """Given a list; when its files are taken by its own links; then each has the answers that the list counts."""
    text = web.get("/browse", params={"property": "material", "order": "record"}, headers=PAGE).text
    files = {
        end: web.get(place) for end in ("csv", "json", "ttl") for place in links(text, rf"^/browse\.{end}")
    }
    total = shared.index.total(Filters({"property": ("material",)}))
    assert len(files["csv"].text.splitlines()) == total + 1
    assert {row["property"] for row in files["json"].json()} == {"material"}
    assert len(files["json"].json()) == total
    assert sum(1 for _ in ox.parse(files["ttl"].content, ox.RdfFormat.TURTLE)) >= total
    assert all("attachment" in found.headers["content-disposition"] for found in files.values())
    assert web.get("/browse.exe").status_code == 404
    assert web.get("/browse.csv?order=none").status_code == 400
