"""Judging through the site: decisions that count once, undo, corrections, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pyoxigraph import NamedNode
from starlette.testclient import TestClient

from enrich.errors import StoreUnavailable
from enrich.runs.reviewing import Judgement, Reviewer
from enrich.web import site as site_module
from enrich.web.site import Site
from tests.web.curating import JSON, WAITING, asking, cards, reviews, sent


def test_a_decision_sent_twice_is_one_review(museum: Site) -> None:
    with asking(museum, "Ana") as ana:
        card, *_ = cards(ana.post("/queue/cards"))
        first, again = sent(ana, card), sent(ana, card)
        assert first.status_code == again.status_code == 200
        assert first.json() == again.json()
        assert sent(ana, card, "Rejected").status_code == 409, "what was sent first stands"
    assert [r.decision for r in reviews(museum)] == ["Accepted"]


@contextmanager
def losing(what: Any, name: str) -> Iterator[None]:
    """What is called so does its work, and then the store is away."""
    own = getattr(what, name)

    def lost(*said: Any, **more: Any) -> None:
        own(*said, **more)
        raise StoreUnavailable("the store is away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(what, name, lost)
        yield


def recent(who: TestClient) -> list[str]:
    """The tokens of the last decisions on the page."""
    found = re.search(r'id="recent".*?</ol>', who.get("/queue").text, re.DOTALL)
    assert found is not None
    return re.findall(r'<li data-token="([^"]*)"', found[0])


def test_a_decision_whose_answer_was_lost_is_written_once(museum: Site) -> None:
    """Given a store that takes the review and then fails, when the page sends it again, then there is one review, which
    can be taken back."""
    with asking(museum, "Ana") as ana:
        card, *_ = cards(ana.post("/queue/cards"))
        with losing(Reviewer, "write"):
            assert sent(ana, card).status_code == 502
        again = sent(ana, card)
        (made,) = reviews(museum)
        assert again.json()["review"] == made.iri
        ana.post("/undo", data={"token": card["token"]})
    assert reviews(museum) == []


def test_a_mind_changed_after_a_lost_answer_is_the_last_word(museum: Site) -> None:
    """Given a store that takes the review and then fails, when another decision is sent, then that stands, and is later."""
    with asking(museum, "Ana") as ana:
        card, *_ = cards(ana.post("/queue/cards"))
        with losing(Reviewer, "write"):
            assert sent(ana, card, "Rejected").status_code == 502
        assert sent(ana, card, "Undecided").status_code == 200
        first, last = reviews(museum)
        assert (first.decision, last.decision) == ("Rejected", "Undecided")
        assert first.at < last.at
        (row,) = [r for r in museum.index.about([first.record]) if r.prediction == card["prediction"]]
        assert row.state == "Undecided"
        assert recent(ana) == [card["token"]]


def test_a_decision_whose_answer_was_lost_is_undone_though_another_says_the_same(museum: Site) -> None:
    """Given a review whose answer was lost, and another curator who then said the same, when it is sent again, then it is
    that review, and undoing takes it back."""
    with asking(museum, "Ana") as ana, asking(museum, "Bea") as bea:
        card, *_ = cards(ana.post("/queue/cards"))
        with losing(Reviewer, "write"):
            assert sent(ana, card).status_code == 502
        with museum.workspace() as workspace:
            said = [Judgement(NamedNode(card["prediction"]), "Accepted", again=True)]
            Reviewer(workspace, "Bea").write(said, datetime.now(UTC))
        mine, others = reviews(museum)
        assert sent(ana, card).json()["review"] == mine.iri
        assert bea.post("/undo", data={"token": card["token"]}).status_code == 403
        ana.post("/undo", data={"token": card["token"]})
    assert reviews(museum) == [others]


@pytest.mark.parametrize("by", ["token", "review"])
@pytest.mark.parametrize("decision", ["Accepted", "Undecided"])
def test_a_decision_taken_back_is_not_made_by_its_old_card(museum: Site, by: str, decision: str) -> None:
    """Given a decision that was undone, when its card is sent again, as the page before does, then it is refused."""
    with asking(museum, "Ana") as ana:
        card, *_ = cards(ana.post("/queue/cards"))
        review = sent(ana, card).json()["review"]
        ana.post("/undo", data={"token": card["token"]} if by == "token" else {"named": review})
        again = sent(ana, card, decision)
    assert again.status_code == 409
    assert "load the page again" in again.json()["detail"]
    assert reviews(museum) == []


@pytest.mark.parametrize(
    ("wrong", "status"), [("a word that is no value", 400), ("https://m.example/nowhere", 409)]
)
def test_what_was_refused_is_sent_otherwise_with_the_same_card(museum: Site, wrong: str, status: int) -> None:
    with asking(museum, "Ana") as ana:
        card, *_ = cards(ana.post("/queue/cards"))
        assert sent(ana, card, "", correct=wrong).status_code == status
        assert recent(ana) == []
        assert card["token"] in [c["token"] for c in cards(ana.post("/queue/cards"))]
        made = sent(ana, card, "Undecided")
        assert made.status_code == 200
        assert sent(ana, card, "Undecided").json() == made.json()
        assert sent(ana, card).status_code == 409
        assert recent(ana) == [card["token"]]
        (last,) = museum.desk.recent("Ana")
        assert last.said["decision"] == "Undecided", "the list has what counts"
    assert [r.decision for r in reviews(museum)] == ["Undecided"]


@pytest.mark.parametrize("by", ["review", "batch"])
@pytest.mark.parametrize("path", ["/undo", "/api/v1/reviews/withdrawals"])
def test_what_was_undone_by_its_review_is_no_last_decision(museum: Site, path: str, by: str) -> None:
    with asking(museum, "Ana") as ana:
        first, second, *_ = cards(ana.post("/queue/cards"))
        made = [sent(ana, card).json() for card in (first, second)]
        assert recent(ana) == [second["token"], first["token"]]
        said = {"named": made[1][by]}
        given = ana.post(path, **({"data": said} if path == "/undo" else {"json": said}))
        assert given.status_code < 400
        assert recent(ana) == [first["token"]]
        assert second["prediction"] not in museum.desk.taken()


@pytest.mark.parametrize("by", ["review", "batch"])
@pytest.mark.parametrize("running", [True, False], ids=["running", "started later"])
def test_what_was_undone_at_a_terminal_is_no_decision_of_the_site(
    museum: Site, by: str, running: bool
) -> None:
    """Given two decisions of which one is taken back where no page knows of it, while the site runs or before it is started;
    when lists have followed, then it is no last decision, its answer can be drawn, and its old card makes no other."""
    with asking(museum, "Ana") as ana:
        first, second, *_ = cards(ana.post("/queue/cards"))
        made = [sent(ana, card).json() for card in (first, second)]
        with museum.workspace() as workspace:
            Reviewer(workspace, "Ida").withdraw(NamedNode(made[0][by]), datetime.now(UTC))
        with closing(Site(museum.settings, museum._store)) as later:
            (museum if running else later).index.refresh()
        assert recent(ana) == [second["token"]]
        taken = museum.desk.taken()
        assert [card["prediction"] in taken for card in (first, second)] == [False, True]
        assert sent(ana, first).status_code == 409
    assert [review.iri for review in reviews(museum)] == [made[1]["review"]]


def test_a_store_that_fails_while_the_desk_looks_is_asked_again(museum: Site) -> None:
    """Given a decision taken back at a terminal, when the store is away as the desk asks what stands, then the next look
    finds it."""
    with asking(museum, "Ana") as ana:
        card, *_ = cards(ana.post("/queue/cards"))
        made = sent(ana, card).json()
        with museum.workspace() as workspace:
            Reviewer(workspace, "Ana").withdraw(NamedNode(made["batch"]), datetime.now(UTC))
        with losing(site_module, "batches_taken_back"), pytest.raises(StoreUnavailable):
            museum.index.refresh()
        assert recent(ana) == [card["token"]]
        museum.index.refresh()
        assert recent(ana) == []


def test_undo_takes_the_review_back_and_brings_the_card_again(museum: Site) -> None:
    with asking(museum, "Ana") as ana:
        card, *_ = cards(ana.post("/queue/cards"))
        sent(ana, card, "Rejected", objection="TooBroad", note="only the border")
        (made,) = reviews(museum)
        assert (made.objection, made.note, made.curator.rsplit("/", 1)[-1]) == (
            "TooBroad",
            "only the border",
            "ana",
        )
        token = ana.post("/undo", data={"token": card["token"]}, headers=JSON).json()["card"]
        assert reviews(museum) == []
        (again,) = cards(ana.post("/queue/cards", data={"want": token}))
        assert again["prediction"] == card["prediction"]
        assert ana.post("/undo", data={"token": card["token"]}, headers=JSON).status_code == 200, (
            "twice is once"
        )
        sent(ana, again, "Undecided")
    assert [(r.decision, r.drawn) for r in reviews(museum)] == [("Undecided", made.drawn)]


def test_nobody_takes_back_what_another_said_but_a_lead(museum: Site) -> None:
    with asking(museum, "Ana") as ana, asking(museum, "Leo") as leo, asking(museum, "Ida", "lead") as ida:
        card, *_ = cards(ana.post("/queue/cards"))
        review = sent(ana, card).json()["review"]
        assert leo.post("/undo", data={"token": card["token"]}).status_code == 403
        assert leo.post("/undo", data={"named": review}).status_code == 403
        assert leo.post("/api/v1/reviews/withdrawals", json={"named": review}).status_code == 403
        assert ida.post("/undo", data={"named": review}, headers=JSON).json()["withdrawn"] == 1
    assert reviews(museum) == []


def test_a_correction_with_a_candidate_and_with_what_was_predicted(museum: Site) -> None:
    with asking(museum, "Ana") as ana:
        first, second, *_ = (c for c in cards(ana.post("/queue/cards")) if len(c["candidates"]) > 1)
        assert sent(ana, first, "", correct=first["candidates"][1]).status_code == 200
        assert sent(ana, second, "", correct=second["candidates"][0]).status_code == 200
    made = {r.prediction: r for r in reviews(museum)}
    assert made[first["prediction"]].decision == "Corrected"
    assert made[first["prediction"]].value == first["candidates"][1]
    assert made[second["prediction"]].decision == "Accepted"


@pytest.mark.parametrize(
    "wrong",
    [
        {"decision": "Perhaps"},
        {"decision": "Corrected", "value": "no iri"},
        {"decision": "Rejected", "objection": "Ugly"},
        {"decision": "Accepted", "prediction": "javascript:alert(1)"},
        {"decision": "Accepted", "token": "short"},
        {"decision": "Accepted", "took": "-1"},
    ],
)
def test_what_makes_no_sense_is_refused_and_writes_nothing(museum: Site, wrong: dict[str, str]) -> None:
    with asking(museum, "Ana") as ana:
        said = {"token": "t" * 24, "prediction": "https://m.example/prediction/1", **wrong}
        assert ana.post("/judge", data=said, headers=JSON).status_code in (400, 409)
    assert reviews(museum) == []


def test_a_form_goes_on_to_a_page_of_ours_only(museum: Site) -> None:
    with asking(museum, "Ana") as ana:
        found = cards(ana.post("/queue/cards"))
        for card, then in zip(
            found,
            ("https://evil.example/", "//evil.example", "/\\evil.example", "/queue?property=place"),
            strict=False,
        ):
            said = {
                "token": card["token"],
                "prediction": card["prediction"],
                "decision": "Accepted",
                "next": then,
            }
            answer = ana.post("/judge", data=said, headers={"Accept": "text/html"})
            assert answer.status_code == 303
            assert answer.headers["location"] == (then if then == "/queue?property=place" else "/queue")


def test_the_pages_are_whole_without_a_script(museum: Site) -> None:
    with asking(museum, "Ana", "lead") as ana:
        html = ana.get("/queue").text
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html))
        assert 'name="decision" value="Accepted"' in html
        answer = ana.post("/judge", data={**fields, "decision": "Accepted"}, headers={"Accept": "text/html"})
        assert answer.headers["location"] == "/queue"
        assert 'action="/undo"' in ana.get("/queue").text
        found = ana.get(
            "/queue/values", params={"token": cards(ana.post("/queue/cards"))[0]["token"], "q": "a"}
        )
        assert found.status_code == 200
        for path in ("/groups", "/curators"):
            assert ana.get(path).status_code == 200


def test_values_are_found_by_words_without_accents(museum: Site) -> None:
    with asking(museum, "Ana") as ana:
        card, *_ = cards(ana.post("/queue/cards", params={"property": "place"}))
        label = re.search(r'<span class="guessed">([^<]*)</span>', ana.get("/queue?property=place").text)
        assert label is not None
        word = label[1].split()[0].upper()
        found = ana.get("/queue/values", params={"token": card["token"], "q": word}, headers=JSON).json()[
            "values"
        ]
        assert label[1] in [value["name"] for value in found]


@pytest.mark.parametrize("path", ["/queue", "/groups", "/curators"])
def test_a_reader_has_no_queue(museum: Site, path: str) -> None:
    with asking(museum, "Eva", "reader") as eva:
        assert eva.get(path).status_code == 403


def test_the_audit_has_the_review(museum: Site) -> None:
    with asking(museum, "Ana") as ana:
        card, *_ = cards(ana.post("/queue/cards"))
        review = sent(ana, card).json()["review"]
    lines = museum.index.path.with_name("audit.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["review"] == review


def test_an_answer_is_judged_on_the_page_of_its_record(museum: Site) -> None:
    row = museum.index.page(WAITING).rows[0]
    with asking(museum, "Ida", "lead") as ida, asking(museum, "Eva", "reader") as eva:
        html = ida.get("/record", params={"iri": row.record}).text
        form = next(f for f in html.split("<form")[1:] if row.prediction in f)
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        answer = ida.post("/judge", data={**fields, "decision": "Accepted"}, headers={"Accept": "text/html"})
        assert answer.headers["location"].startswith("/record?iri=")
        (made,) = reviews(museum)
        assert (made.prediction, made.decision, made.drawn) == (row.prediction, "Accepted", "Chosen")
        html = ida.get(answer.headers["location"]).text
        assert f'name="named" value="{made.iri}"' in html
        ida.post("/undo", data={"named": made.iri})
        assert reviews(museum) == []
        assert "/judge" not in eva.get("/record", params={"iri": row.record}).text
