"""Two things against each other: the counts are those of the records and the answers, and lead to them."""

from __future__ import annotations

import re
import secrets
from html import unescape

import pytest
from starlette.testclient import TestClient

from enrich.web.cross import _first, _natural, _table
from enrich.web.index.asked import Filters
from enrich.web.site import Site
from tests.web.curating import WAITING, asking, sent, taken_up
from tests.web.serving import PAGE


def test_places_and_centuries_are_counted_where_one_is_a_suggestion(shared: Site, web: TestClient) -> None:
    """Given a museum; then the first table counts the records by place and century, of which one is a suggestion."""
    suggested = {
        (r.record, r.property): r.value for r in shared.index.rows(Filters({"outcome": ("Predicted",)}))
    }
    total = 0
    with shared.workspace() as workspace:
        for subject in workspace.reader.read_all():
            known, iri = subject.record.known, subject.iri.value
            both = [known.get(name) or (suggested.get((iri, name)),) for name in ("place", "time")]
            guesses = [(iri, name) in suggested for name in ("place", "time")]
            if any(guesses) and None not in (*both[0], *both[1]):
                total += len(both[0]) * len(both[1])
    text = web.get("/cross", headers=PAGE).text
    counts = [int(n) for n in re.findall(r'<td class="shade-[1-5] number">(\d+)</td>', text)]
    assert sum(counts) == total > 0
    assert "place of production and century of production" in text


def test_a_count_of_two_facets_leads_to_its_answers(shared: Site, web: TestClient) -> None:
    text = web.get("/cross?facets=museum&facets=outcome&property=technique", headers=PAGE).text
    cells = re.findall(r'<a href="(/browse\?[^"]*)">(\d+)</a>', text)
    assert sum(int(n) for _, n in cells) == shared.index.total(Filters({"property": ("technique",)}))
    for link, n in cells:
        assert f"<strong>{n} of " in web.get(unescape(link), headers=PAGE).text


@pytest.mark.parametrize("decision", ["Rejected", "Corrected"])
def test_what_was_turned_down_is_no_suggestion_unless_states_are_chosen(museum: Site, decision: str) -> None:
    """Given a suggested material of a record with a place, when a curator turns it down, then the two are counted no more,
    but where its state is chosen."""

    def total(**chosen: tuple[str, ...]) -> int:
        return sum(pair.count for pair in museum.index.together(Filters(chosen), "material", "place"))

    before = total()
    others = {v.value for v in museum.index.facets(Filters({"property": ("material",)}))["value"]}
    with asking(museum, "Ada", "lead") as ada:
        for row in list(museum.index.rows(Filters({**WAITING.chosen, "property": ("material",)}))):
            right = min(others - {row.value, ""}) if decision == "Corrected" else ""
            card = {"token": secrets.token_urlsafe(18), "prediction": row.prediction}
            assert sent(ada, card, decision, value=right).status_code == 200
            if total() < before:
                break
    assert total() == before - total(state=(decision,)) < before


def crossed(who: TestClient, query: str) -> int:
    """How many answers a table of two facets has; each count is that of the list to which it leads."""
    text = who.get(f"/cross?{query}", headers=PAGE).text
    cells = re.findall(r'<a href="(/browse\?[^"]*)">(\d+)</a>', text)
    for link, n in cells:
        assert f"<strong>{n} of " in who.get(unescape(link), headers=PAGE).text
    return sum(int(n) for _, n in cells)


@pytest.mark.parametrize("decision", ["Rejected", "Corrected", "Accepted"])
def test_a_table_of_facets_has_what_was_turned_down_only_where_states_are_asked_for(
    museum: Site, decision: str
) -> None:
    """Given answers about a material; when a curator turns one down, then a table of two facets has one less, but where
    states are chosen, or are one of the two facets."""
    plain, by_state = "facets=value&facets=museum", "facets=value&facets=state"
    with asking(museum, "Cy", "lead") as cy:
        before = crossed(cy, f"{plain}&property=material")
        taken_up(cy, museum, decision, property=("material",))
        assert crossed(cy, f"{plain}&property=material") == before - (decision != "Accepted")
        assert crossed(cy, f"{plain}&property=material&state={decision}") == 1
        assert crossed(cy, f"{by_state}&property=material") == before


@pytest.mark.parametrize(
    "query", ["facets=museum", "facets=x&facets=y", "properties=place", "properties=%3Cb%3E&properties=time"]
)
def test_what_cannot_be_crossed_is_refused(web: TestClient, query: str) -> None:
    found = web.get(f"/cross?{query}", headers=PAGE)
    assert found.status_code == 400
    assert "<b>" not in found.text


def test_a_table_keeps_its_largest_rows_and_says_what_it_leaves_out() -> None:
    names = {str(n): f"{n}th" for n in range(40)}
    table = _table({(str(n), str(n)): n for n in range(1, 40)}, names, names)
    assert len(table.rows) == len(table.columns) == 24
    assert list(table.columns.values()) == sorted(table.columns.values(), key=_natural)
    assert table.left_out == sum(range(1, 16))
    assert (table.shade(39), table.shade(1), table.shade(0)) == (5, 1, 0)


def test_profiles_without_place_and_time_begin_with_what_they_have() -> None:
    assert _first(("technique", "time", "place")) == ("place", "time")
    assert _first(("subject", "type")) == ("subject", "type")
    assert _first(("one",)) == ("one", "one")
