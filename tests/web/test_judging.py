"""Judging through the site: cards, decisions that count once, undo, groups, a second curator, and what curators agree on."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi.routing import APIRoute
from pyoxigraph import RdfFormat, parse
from starlette.testclient import TestClient

from enrich.errors import StoreUnavailable
from enrich.ontology.terms import ENR
from enrich.runs.reviews import Review, in_force, read_reviews
from enrich.web import drawing
from enrich.web.api import annotations, answers, reconciliation
from enrich.web.api import reviews as api_reviews
from enrich.web.app import AREAS, make_app
from enrich.web.desk import LEASE
from enrich.web.drawing import Drawing
from enrich.web.guards import UVICORN
from enrich.web.index.asked import PENDING, Filters, Group
from enrich.web.site import Site
from enrich.web.tokens import Tokens
from enrich.web.who import SAFE, Doors, User, curator, lead, reader
from tests.servers import free_port
from tests.web.serving import client, site

WAITING = Filters({"state": (PENDING,), "outcome": ("Predicted",)})
JSON = {"Accept": "application/json"}


@contextmanager
def asking(where: Site, name: str, role: str = "curator") -> Iterator[TestClient]:
    """A client of a named person, by a token."""
    tokens = Tokens(where.settings.locate(where.settings.web.tokens))
    made = tokens.add(name, role)  # type: ignore[arg-type]
    with client(where) as found:
        found.headers.update({"Authorization": f"Bearer {made}"})
        yield found


@pytest.fixture
def museum(tmp_path: Path) -> Iterator[Site]:
    with site(
        tmp_path, web={"index": str(tmp_path / "index.sqlite"), "tokens": str(tmp_path / "t.json")}
    ) as found:
        found.index.refresh()
        yield found


def cards(answer: Any) -> list[dict[str, str]]:
    """The cards of an answer, each with the fields of its form and its candidates."""
    found = []
    for one in answer.json()["cards"]:
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', one["html"]))
        fields["candidates"] = re.findall(r'name="correct" value="([^"]*)"', one["html"])
        found.append(fields)
    return found


def sent(who: TestClient, card: dict[str, Any], decision: str = "Accepted", **more: str) -> Any:
    said = {"token": card["token"], "prediction": card["prediction"], "decision": decision, **more}
    return who.post("/judge", data=said, headers=JSON)


def reviews(where: Site) -> list[Review]:
    with where.workspace() as workspace:
        return in_force(read_reviews(workspace.store, workspace.names))


def test_a_decision_sent_twice_is_one_review(museum: Site) -> None:
    with asking(museum, "Ana") as ana:
        card, *_ = cards(ana.post("/queue/cards"))
        first, again = sent(ana, card), sent(ana, card)
        assert first.status_code == again.status_code == 200
        assert first.json() == again.json()
        assert sent(ana, card, "Rejected").status_code == 409, "what was sent first stands"
    assert [r.decision for r in reviews(museum)] == ["Accepted"]


def test_a_decision_whose_answer_was_lost_is_written_once(
    museum: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a store that takes the review and then fails, when the page sends it again, then there is one review."""
    with asking(museum, "Ana") as ana:
        card, *_ = cards(ana.post("/queue/cards"))
        end = museum.desk.end

        def lost(*_: object) -> None:
            raise StoreUnavailable("the store is away")

        monkeypatch.setattr(museum.desk, "end", lost)
        assert sent(ana, card).status_code == 502
        monkeypatch.setattr(museum.desk, "end", end)
        assert sent(ana, card).status_code == 200
    assert len(reviews(museum)) == 1


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
        first, second, *_ = cards(ana.post("/queue/cards"))
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


def test_a_group_is_judged_as_one_batch_and_undone_as_one(museum: Site) -> None:
    with asking(museum, "Ana") as ana:
        group = museum.index.grouped(Filters())[0]
        where = {"property": group.property, "value": group.value, "band": group.band, "museum": group.museum}
        members = [row.prediction for row in museum.index.rows(group.members())]
        assert group.count == len(members) >= 3
        judged = {"token": "k" * 24, "prediction": members[0], "decision": "Rejected"}
        assert ana.post("/judge", data=judged, headers=JSON).status_code == 200
        html = ana.get("/group", params=where).text
        seen = re.findall(r'name="seen" value="([^"]*)"', html)
        assert members[0] not in seen
        said = {**where, "token": "g" * 24, "seen": seen, "wrong": seen[:1], "which": "all"}
        outcome = ana.post("/groups", data=said, headers=JSON).json()
        assert (outcome["accepted"], outcome["rejected"]) == (len(members) - 2, 1)
        assert ana.post("/groups", data=said, headers=JSON).json() == outcome, "twice is once"
        made = {r.prediction: r for r in reviews(museum)}
        assert set(made) == set(members)
        assert {r.drawn for p, r in made.items() if p != members[0]} == {"Group"}
        assert made[members[0]].drawn == "Chosen", "it was judged before, and is left as it was"
        assert museum.index.total(group.members()) == 0
        assert "/undo" in ana.get("/group/done", params={"token": "g" * 24}).text
        assert ana.post("/undo", data={"token": "g" * 24}, headers=JSON).status_code == 200
    assert [r.prediction for r in reviews(museum)] == [members[0]]


def test_only_what_was_shown_says_so(museum: Site) -> None:
    group = museum.index.grouped(Filters())[0]
    where = {"property": group.property, "value": group.value, "band": group.band, "museum": group.museum}
    members = [row.prediction for row in museum.index.rows(group.members())]
    with asking(museum, "Ana") as ana:
        said = {**where, "token": "g" * 24, "seen": members[:2], "which": "all"}
        assert ana.post("/groups", data=said, headers=JSON).status_code == 200
    with museum.workspace() as workspace:
        query = f"SELECT ?p WHERE {{ GRAPH {workspace.names.reviews} {{ ?r {ENR.reviews} ?p ; {ENR.shown} true }} }}"
        assert {p.value for (p,) in workspace.store.select(query) if p is not None} == set(members[:2])


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


class Counted:
    """A store whose updates are counted."""

    def __init__(self, store: Any) -> None:
        self.store, self.updates = store, 0

    def __getattr__(self, name: str) -> Any:
        self.updates += name == "update"
        return getattr(self.store, name)


def multiplied(where: Site, group: Group, count: int) -> None:
    """So many more records and answers like one of a group."""
    row = next(iter(where.index.rows(group.members())))
    store = where._store
    assert store is not None
    said = f"FILTER(STRSTARTS(STR(?s), '{row.record}') || ?s = <{row.prediction}>)"
    quads = list(store.select(f"SELECT ?g ?s ?p ?o WHERE {{ GRAPH ?g {{ ?s ?p ?o {said} }} }}"))
    text = "".join(f"{s} {p} {o} {g} .\n" for g, s, p, o in quads)
    with where.workspace() as workspace:
        prefix = f"{workspace.names.base}prediction/"
    copies = "".join(
        text.replace(row.record, f"{row.record}-{n}").replace(row.prediction, f"{prefix}{n:020d}")
        for n in range(count)
    )
    store.insert(parse(copies, RdfFormat.N_QUADS))


@pytest.mark.slow
def test_five_thousand_members_are_judged_in_ten_updates_and_undone_in_ten(museum: Site) -> None:
    group = museum.index.grouped(Filters())[0]
    multiplied(museum, group, 5_000 - group.count)
    store = Counted(museum._store)
    many = Site(museum.settings, store)  # type: ignore[arg-type]
    many.index.path.unlink()
    many.index.refresh()
    where = {"property": group.property, "value": group.value, "band": group.band, "museum": group.museum}
    members = [row.prediction for row in many.index.rows(group.members())]
    assert len(members) == 5_000
    with asking(many, "Ana") as ana:
        judged = [members[7], members[4_000]]
        for number, prediction in enumerate(judged):
            said = {"token": f"{number}" * 24, "prediction": prediction, "decision": "Undecided"}
            assert ana.post("/judge", data=said, headers=JSON).status_code == 200
        store.updates = 0
        outcome = ana.post("/groups", data={**where, "token": "g" * 24, "which": "all"}, headers=JSON).json()
        assert (outcome["accepted"], outcome["not_written"]) == (4_998, 0), outcome
        assert store.updates <= 10
        assert many.index.total(group.members()) == 0
        store.updates = 0
        assert ana.post("/undo", data={"token": "g" * 24}, headers=JSON).status_code == 200
        assert store.updates <= 10
        assert many.index.total(group.members()) == 4_998
    assert {r.prediction: r.decision for r in reviews(many)} == dict.fromkeys(judged, "Undecided")
    many.close()


def test_every_address_that_changes_something_asks_who_it_is() -> None:
    """Given all routes that take a POST, then each asks for a curator or a lead, but for those that only read."""
    wanted = {
        route.path: {dependency.call for dependency in _all(route.dependant)}
        for area in (*AREAS, answers, api_reviews, reconciliation, annotations)
        for route in area.router.routes
        if isinstance(route, APIRoute) and route.methods - SAFE
    }
    assert wanted
    open_to_readers = {path for path, asked in wanted.items() if not asked & {curator, lead}}
    assert open_to_readers <= {"/sparql", "/reconcile"}, "these ask"
    assert all(asked & {reader, curator, lead} for asked in wanted.values())


def _all(dependant: Any) -> Iterator[Any]:
    for inner in dependant.dependencies:
        yield inner
        yield from _all(inner)


def test_no_token_is_in_any_log(museum: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Given a server that logs all it can, when somebody comes in by a token, or bears one, then no line has it."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("uvicorn.access").propagate = True
    doors = Doors(museum.settings, "Ana")
    made = doors.tokens.add("script", "curator")
    config = uvicorn.Config(
        make_app(museum, doors), port=free_port(), log_config=None, log_level="trace", **UVICORN
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    invitation = doors.invitation()
    with httpx2.Client(base_url=f"http://127.0.0.1:{config.port}") as asking:
        session = asking.get(invitation).cookies[doors.cookie]
        assert asking.get("/queue", headers={"Authorization": f"Bearer {made}"}).status_code == 200
    server.should_exit = True
    thread.join(20)
    lines = [r for r in caplog.records if r.name.startswith("uvicorn")]
    text = "\n".join(r.getMessage() for r in lines)
    assert "/enter" in text
    for secret in (invitation.partition("=")[2], made, session):
        assert secret not in text
