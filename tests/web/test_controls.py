"""Controls: answers of which two say the same, given to a third as any other card, which measure that third alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from enrich.learn.review_labels import ReviewLabels
from enrich.runs.review_backup import back_up, restore
from enrich.runs.reviewing import Reviewer
from enrich.runs.reviews import Reviews, controls, read_reviews
from enrich.show.review_table import read_table, write_table
from enrich.web import drawing
from enrich.web.agreement import agreements, conflicts, counts, pairs
from enrich.web.drawing import CONTROLS, Drawing
from enrich.web.index.asked import Filters
from enrich.web.site import Site
from enrich.web.who import User
from tests.web.curating import JSON, WAITING, asking, cards, reviews, sent


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given that every card is for two, and a control where there is one."""
    monkeypatch.setattr("enrich.web.desk.TWICE", 1)
    monkeypatch.setattr(drawing, "A_SECOND_TIME", 1.0)
    monkeypatch.setattr(drawing, "CONTROLS", 1.0)


@pytest.fixture
def people(museum: Site) -> Iterator[dict[str, TestClient]]:
    with ExitStack() as stack:
        named = {"Ana": "curator", "Leo": "curator", "Eva": "curator", "Ida": "lead"}
        yield {name: stack.enter_context(asking(museum, name, role)) for name, role in named.items()}


def drawn(museum: Site, name: str) -> list[str]:
    """The predictions that somebody would be given as controls."""
    given = Drawing(museum.index, museum.desk, User(name, "curator"), Filters(), "en").give(5)
    return [card.prediction for card in given if card.drawn == "Control"]


def same(who: TestClient, prediction: str) -> tuple[dict[str, Any], str]:
    """The card of a prediction that comes to somebody, and its HTML without what is its own."""
    answer = who.post("/queue/cards")
    (card,) = [c for c in cards(answer) if c["prediction"] == prediction]
    (html,) = [c["html"] for c in answer.json()["cards"] if c["token"] == card["token"]]
    return card, html.replace(card["token"], "")


def judged_twice(people: dict[str, TestClient], *decisions: str) -> tuple[str, str]:
    """A prediction that Ana and Leo decided, and the HTML that Leo saw."""
    card, *_ = cards(people["Ana"].post("/queue/cards"))
    assert sent(people["Ana"], card, decisions[0]).status_code == 200
    second, html = same(people["Leo"], card["prediction"])
    assert sent(people["Leo"], second, decisions[1]).status_code == 200
    return card["prediction"], html


def everything(museum: Site, lead: TestClient) -> list[Any]:
    """What follows from the reviews: verdicts, what is accepted, what runs go by and training learns, what is observed of
    promises, how far curators agree, and how current answers stand in a table to judge."""
    museum.index.refresh()
    with museum.workspace() as workspace:
        store, names, many = workspace.store, workspace.names, workspace.profile.many_valued
        graphs = [
            sorted(map(str, store.select(f"SELECT ?s ?p ?o WHERE {{ GRAPH {graph} {{ ?s ?p ?o }} }}")))
            for graph in (names.verdicts, names.accepted)
        ]
        made = read_reviews(store, names)
        table = museum.desk.path.with_name("answers.csv")
        write_table(workspace, table, {})
    going_by = (Reviews.read(store, names, many), ReviewLabels.of(made, many), museum.index.promises())
    agreed = (counts(made), agreements(pairs(made)), conflicts(pairs(made)))
    return [*graphs, *going_by, *agreed, table.read_text(), lead.get("/promise").text]


@pytest.mark.parametrize("truth", ["Accepted", "Rejected"])
def test_a_wrong_answer_to_a_control_is_counted_and_changes_nothing_else(
    museum: Site, people: dict[str, TestClient], truth: str
) -> None:
    prediction, _ = judged_twice(people, truth, truth)
    before = everything(museum, people["Ida"])
    card, _ = same(people["Eva"], prediction)
    assert sent(people["Eva"], card, "Rejected" if truth == "Accepted" else "Accepted").status_code == 200
    assert everything(museum, people["Ida"]) == before
    with museum.workspace() as workspace:
        (made,) = controls(read_reviews(workspace.store, workspace.names))
    assert made.curator.endswith("/eva")
    assert [r.decision for r in reviews(museum)] == [truth, truth]
    row = people["Ida"].get("/curators").text.partition('id="controls"')[2].partition("</table>")[0]
    assert '<th scope="row">Eva</th><td class="number">1</td><td class="number">0</td>' in row


@pytest.mark.parametrize("decision", ["Accepted", "Rejected", "Corrected", "Undecided"])
def test_what_only_a_control_says_nobody_said(
    museum: Site, people: dict[str, TestClient], decision: str
) -> None:
    """Given a control that was judged, when the two who made it one take their reviews back, then it is as if nobody had
    judged it: also once what follows is made anew, and after the reviews went into a file and came back."""
    before = everything(museum, people["Ida"])
    prediction, _ = judged_twice(people, "Accepted", "Accepted")
    card, _ = same(people["Eva"], prediction)
    right = {"value": card["candidates"][1]} if decision == "Corrected" else {}
    assert sent(people["Eva"], card, decision, **right).json()["overruled"] == []
    for name in ("Ana", "Leo"):
        (line,) = museum.desk.recent(name)
        assert people[name].post("/undo", data={"token": line.token}).status_code == 303
    judged = museum.index.page(WAITING).rows
    assert prediction in {row.prediction for row in judged}
    assert followed(everything(museum, people["Ida"])) == followed(before)
    with museum.workspace() as workspace:
        names, store = workspace.names, workspace.store
        made = sorted(read_reviews(store, names), key=lambda review: review.iri)
        assert [(r.decision, r.prediction) for r in controls(made)] == [(decision, prediction)]
        file = museum.desk.path.with_name("reviews.nt")
        back_up(workspace, file)
        store.drop(names.reviews)
        restore(workspace, file)
        again = sorted(read_reviews(store, names), key=lambda review: review.iri)
        assert [replace(review, restored=made[0].restored) for review in again] == made
    assert followed(everything(museum, people["Ida"])) == followed(before)


def followed(all_of_it: list[Any]) -> list[Any]:
    """But when records were reviewed last, which those who take a review back change."""
    return [replace(each, changed={}) if isinstance(each, Reviews) else each for each in all_of_it]


def test_a_table_of_decisions_leaves_controls_as_they_are_and_makes_none(
    museum: Site, people: dict[str, TestClient]
) -> None:
    """Given a control, when its curator judges the same answer in a table, then that is a decision, and the control stays
    one; and the list of reviews tells them apart."""
    prediction, _ = judged_twice(people, "Accepted", "Accepted")
    card, _ = same(people["Eva"], prediction)
    sent(people["Eva"], card, "Rejected")
    table = museum.desk.path.with_name("judged.csv")
    table.write_text(f"prediction,decision\n{prediction},reject\n")
    with museum.workspace() as workspace:
        judgements, unread = read_table(workspace, table)
        done = Reviewer(workspace, "Eva").write(judgements, datetime.now(UTC))
        assert (unread, len(done.written)) == ([], 1)
        ((verdict,),) = (of.values() for of in Reviews.read(workspace.store, workspace.names, ()).of.values())
    assert (verdict.decision, verdict.review) == ("Rejected", done.written[0].value)
    listed = {each["review"]: each for each in people["Ida"].get("/api/v1/reviews").json()}
    drawn = [each["drawn"].rpartition("#")[2] for each in listed.values() if each["actor"].endswith("/eva")]
    assert sorted(drawn) == ["Chosen", "Control"]


def test_a_control_looks_like_any_other_card(museum: Site, people: dict[str, TestClient]) -> None:
    """Given what Ana saw first; then Leo and Eva see the same, are answered with the same, and read the same line of it."""
    (first,) = people["Ana"].post("/queue/cards").json()["cards"][:1]
    card, *_ = cards(people["Ana"].post("/queue/cards"))
    told = [(first["html"].replace(first["token"], ""), set(first), *after(people["Ana"], card))]
    for name in ("Leo", "Eva"):
        card, html = same(people[name], card["prediction"])
        told.append((html, set(first), *after(people[name], card)))
    assert museum.desk.card(card["token"]).drawn == "Control"  # type: ignore[union-attr]
    assert told[0] == told[1] == told[2]


def after(who: TestClient, card: dict[str, Any]) -> tuple[set[str], str]:
    """What somebody is told once they accepted a card: the fields of the answer, and the page's line."""
    said = sent(who, card).json()
    assert said["overruled"] == []
    lines = who.get("/queue").text.partition('id="recent"')[2].partition("</ol>")[0]
    return set(said), lines.replace(card["token"], "")


def test_where_a_property_was_chosen_seconds_and_controls_are_of_it(
    museum: Site, people: dict[str, TestClient]
) -> None:
    prediction, _ = judged_twice(people, "Accepted", "Accepted")
    (of,) = {row.property for row in museum.index.page(Filters()).rows if row.prediction == prediction}
    others = {each.value for each in museum.index.facets(WAITING)["property"]} - {of}
    assert others
    for chosen in (*sorted(others), of):
        narrowed = Filters({"property": (chosen,)})
        given = Drawing(museum.index, museum.desk, User("Eva", "curator"), narrowed, "en").give(2)
        assert {card.property for card in given} <= {chosen}
    assert [card.drawn for card in given if card.prediction == prediction] == ["Control"]


def test_of_two_curators_neither_gets_a_control(museum: Site, people: dict[str, TestClient]) -> None:
    prediction, _ = judged_twice(people, "Accepted", "Accepted")
    assert drawn(museum, "Ana") == drawn(museum, "Leo") == []
    assert drawn(museum, "Eva") == [prediction]
    assert drawn(museum, "Eva") == [], "it comes to her once"


def test_where_two_differ_there_is_a_control_once_a_lead_agrees_with_one(
    museum: Site, people: dict[str, TestClient]
) -> None:
    prediction, _ = judged_twice(people, "Accepted", "Rejected")
    assert drawn(museum, "Eva") == []
    settled = {"token": "s" * 24, "prediction": prediction, "decision": "Rejected", "settles": "yes"}
    assert people["Ida"].post("/judge", data=settled, headers=JSON).status_code == 200
    assert drawn(museum, "Eva") == [prediction]


def test_what_two_cannot_tell_and_what_one_took_back_is_no_control(
    museum: Site, people: dict[str, TestClient]
) -> None:
    judged_twice(people, "Undecided", "Undecided")
    assert drawn(museum, "Eva") == []
    judged_twice(people, "Rejected", "Rejected")
    line = museum.desk.recent("Leo")[0]
    assert people["Leo"].post("/undo", data={"token": line.token}).status_code == 303
    assert drawn(museum, "Eva") == []


def test_a_control_that_is_taken_back_comes_again_as_one(museum: Site, people: dict[str, TestClient]) -> None:
    prediction, _ = judged_twice(people, "Accepted", "Accepted")
    before = everything(museum, people["Ida"])
    card, _ = same(people["Eva"], prediction)
    sent(people["Eva"], card, "Rejected")
    token = people["Eva"].post("/undo", data={"token": card["token"]}, headers=JSON).json()["card"]
    assert everything(museum, people["Ida"]) == before
    assert museum.desk.card(token).drawn == "Control"  # type: ignore[union-attr]


def test_one_card_in_forty_is_a_control(
    museum: Site, people: dict[str, TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_twice(people, "Accepted", "Accepted")
    monkeypatch.setattr(drawing, "CONTROLS", CONTROLS)
    one = Drawing(museum.index, museum.desk, User("Eva", "curator"), Filters(), "en")
    for thrown, given in ((0.026, False), (0.024, True)):
        one.chance = SimpleNamespace(random=lambda thrown=thrown: thrown)  # type: ignore[assignment]
        assert (one._control() is not None) == given
