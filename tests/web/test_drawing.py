"""Which cards come to whom: by chance, by margin, and a second time; and whose a card is."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest
from pyoxigraph import NamedNode

from enrich.web import drawing
from enrich.web.desk import LEASE
from enrich.web.drawing import Drawing
from enrich.web.index.asked import Filters
from enrich.web.site import Site
from enrich.web.who import User
from tests.web.curating import JSON, WAITING, asking, cards, reviews, sent


def test_a_card_is_its_curators_alone_until_its_lease_ends(
    museum: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with asking(museum, "Ana") as ana, asking(museum, "Leo") as leo:
        first = cards(ana.post("/queue/cards"))
        other = cards(leo.post("/queue/cards"))
        assert not {c["prediction"] for c in first} & {c["prediction"] for c in other}
        assert [c["token"] for c in cards(ana.post("/queue/cards"))] == [c["token"] for c in first], (
            "a reload goes on"
        )
        assert sent(leo, first[0]).status_code == 403
        later = time.time() + LEASE + 1
        monkeypatch.setattr("enrich.web.desk.time.time", lambda: later)
        found = {c["prediction"] for c in cards(leo.post("/queue/cards"))}
        found |= {
            c.prediction
            for c in Drawing(museum.index, museum.desk, User("Ida", "lead"), Filters(), "en").give(500)
        }
        assert found >= {c["prediction"] for c in first}


def test_a_fifth_is_drawn_at_random_with_its_probability_and_the_rest_by_margin(museum: Site) -> None:
    """Given many cards, then one of five is random, each with one in those that waited in its stratum."""
    sizes = {(c.a, c.b): c.count for c in museum.index.cross(WAITING, "property", "band")}
    drawn: Counter[str] = Counter()
    for number in range(60):
        museum.desk.close()
        museum.desk.path.unlink(missing_ok=True)
        user = User(f"c{number}", "curator")
        for card in Drawing(museum.index, museum.desk, user, Filters(), "en").give(1):
            drawn[card.drawn] += 1
            if card.drawn == "Random":
                assert card.probability == pytest.approx(1 / sizes[card.property, card.band])
            else:
                assert card.probability is None
    assert 3 <= drawn["Random"] <= 24, "60 throws with one in five"
    assert drawn["Uncertain"] == 60 - drawn["Random"]


def test_where_more_than_a_stratum_is_chosen_nothing_is_called_random(museum: Site) -> None:
    value = museum.index.facets(WAITING)["value"][0].value
    user = User("Ana", "curator")
    narrowed = Drawing(museum.index, museum.desk, user, Filters({"value": (value,)}), "en").give(30)
    assert narrowed
    assert {card.drawn for card in narrowed} == {"Uncertain"}


def test_of_those_that_are_alike_only_a_few_come_together(
    museum: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "AT_RANDOM", 0.0)
    given = Drawing(museum.index, museum.desk, User("Ana", "curator"), Filters(), "en").give(10)
    kinds = Counter((card.property, card.value_name, card.museum) for card in given)
    assert max(kinds.values()) <= drawing.ALIKE


def test_every_waiting_answer_comes_once(museum: Site) -> None:
    total = museum.index.total(WAITING)
    given = Drawing(museum.index, museum.desk, User("Ana", "curator"), Filters(), "en").give(total + 10)
    assert len({card.prediction for card in given}) == len(given) == total


def test_what_left_the_facts_is_passed_over(museum: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given records that the facts lost since the index was made, then cards of all others come, at the first try, and then
    none."""
    waiting = list(museum.index.rows(WAITING))
    kept = {row.record for row in waiting[:2]}
    with museum.workspace() as workspace:
        for record in {row.record for row in waiting} - kept:
            there = NamedNode(record)
            found = workspace.store.select(f"SELECT ?g WHERE {{ GRAPH ?g {{ {there} ?p ?o }} }}")
            for (graph,) in found:
                workspace.store.update(f"DELETE WHERE {{ GRAPH {graph} {{ {there} ?p ?o }} }}")
    there = {row.prediction for row in waiting if row.record in kept}
    with asking(museum, "Ana") as ana:
        first = re.findall(r'name="prediction" value="([^"]*)"', ana.get("/queue").text)
        assert set(first) <= there
        assert len(set(first)) == 1
        given: list[str] = []
        while some := cards(ana.post("/queue/cards", data={"have": ",".join(given)})):
            given += [card["token"] for card in some]
        assert {museum.desk.card(token).prediction for token in given} == there  # type: ignore[union-attr]
        drawn = len(museum.desk.last("Ana", 10_000))
        assert cards(ana.post("/queue/cards", data={"have": ",".join(given)})) == []
        assert len(museum.desk.last("Ana", 10_000)) == drawn, "what cannot be shown is not drawn at each try"
        later = time.time() + LEASE + 1
        monkeypatch.setattr("enrich.web.desk.time.time", lambda: later)
        again = {card["prediction"] for card in cards(ana.post("/queue/cards"))}
        assert again == there
        assert len(museum.desk.last("Ana", 10_000)) == drawn + len(there)


def test_what_was_browsed_is_reviewed(museum: Site) -> None:
    """Given a list narrowed to one value, when its link to the queue is followed, then cards of that value alone come."""
    value = museum.index.facets(WAITING)["value"][0].value
    with asking(museum, "Ana") as ana, asking(museum, "Eva", "reader") as eva:
        html = ana.get("/browse", params={"value": value}).text
        link = re.search(r'href="(/queue\?[^"]*)"', html)
        assert link is not None
        query = link[1].replace("&amp;", "&").partition("?")[2]
        found = cards(ana.post(f"/queue/cards?{query}"))
        narrower = {r.prediction for r in museum.index.rows(Filters({"value": (value,)}))}
        assert found
        assert {c["prediction"] for c in found} <= narrower
        assert "/queue" not in eva.get("/browse", params={"value": value}).text


def test_a_second_curator_gets_the_same_card_without_the_first_ones_word(
    museum: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("enrich.web.desk.TWICE", 1)
    monkeypatch.setattr(drawing, "A_SECOND_TIME", 1.0)
    with asking(museum, "Ana") as ana, asking(museum, "Leo") as leo, asking(museum, "Ida", "lead") as ida:
        card, *_ = cards(ana.post("/queue/cards"))
        sent(ana, card, "Rejected")
        answer = leo.post("/queue/cards")
        (same,) = [c for c in cards(answer) if c["prediction"] == card["prediction"]]
        html = next(c["html"] for c in answer.json()["cards"] if c["token"] == same["token"])
        assert "ejected" not in html.replace('value="Rejected"', "")
        assert "Ana" not in html
        assert sent(leo, same).status_code == 200
        assert [(r.decision, r.drawn) for r in reviews(museum)][1:] == [("Accepted", "Second")]
        assert leo.get("/curators").status_code == 403
        html = ida.get("/curators").text
        assert card["prediction"] in html
        settled = {
            "token": "s" * 24,
            "prediction": card["prediction"],
            "decision": "Accepted",
            "settles": "yes",
        }
        assert ida.post("/judge", data=settled, headers=JSON).status_code == 200
        assert card["prediction"] not in ida.get("/curators").text
    assert [r.decision for r in reviews(museum)] == ["Rejected", "Accepted", "Accepted"]
