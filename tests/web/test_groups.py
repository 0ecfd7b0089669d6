"""Groups of answers that are alike: one batch, undone as one, whatever their number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pyoxigraph import NamedNode, RdfFormat, parse
from starlette.testclient import TestClient

from enrich.errors import StoreTimeout
from enrich.ontology.terms import ENR
from enrich.runs.reviewing import Reviewer
from enrich.web.index.asked import Filters, Group
from enrich.web.site import Site
from tests.web.curating import JSON, asking, reviews


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


@contextmanager
def late(where: Site) -> Iterator[None]:
    """A store that writes, and answers too late."""
    own = where._store

    class Late:
        def __getattr__(self, name: str) -> Any:
            return getattr(own, name)

        def update(self, *said: Any, **more: Any) -> None:
            assert own is not None
            own.update(*said, **more)
            raise StoreTimeout("no answer within 20 s")

    where._store = Late()  # type: ignore[assignment]
    where.forget()
    yield
    where._store = own
    where.forget()


@contextmanager
def sending(where: Site) -> Iterator[tuple[TestClient, dict[str, Any], list[str]]]:
    """A curator, what they send of the largest group, of which two members were seen, and all its members."""
    group = where.index.grouped(Filters())[0]
    members = sorted(row.prediction for row in where.index.rows(group.members()))
    assert len(members) >= 3
    about = {"property": group.property, "value": group.value, "band": group.band, "museum": group.museum}
    with asking(where, "Ada") as ada:
        yield (
            ada,
            {**about, "token": "w" * 24, "seen": members[:2], "wrong": members[:1], "which": "all"},
            members,
        )


@pytest.mark.parametrize("followed", [False, True])
def test_a_group_whose_answer_was_lost_counts_its_reviews_and_is_undone(museum: Site, followed: bool) -> None:
    """Given a store that wrote a group and answered too late, when the group is sent again, whether lists have followed
    meanwhile or not, then what was written counts, once, and can be undone."""
    with sending(museum) as (ada, said, members):
        with late(museum):
            assert ada.post("/groups", data=said, headers=JSON).status_code >= 500
        first = {r.iri for r in reviews(museum)}
        assert len(first) == len(members)
        if followed:
            museum.index.refresh()
        outcome = ada.post("/groups", data=said, headers=JSON).json()
        counts = [outcome[key] for key in ("reviews", "accepted", "rejected", "left")]
        assert counts == [len(members), len(members) - 1, 1, 0]
        assert {r.iri for r in reviews(museum)} == first
        assert "/undo" in ada.get("/group/done", params={"token": said["token"]}).text
        ada.post("/undo", data={"token": said["token"]}, headers=JSON)
    assert reviews(museum) == []


def test_other_marks_after_a_lost_answer_are_the_last_word(museum: Site) -> None:
    """Given a group whose answer was lost, when it is sent with other marks, or only of what was seen, then that stands; and
    nothing of the first is left when it is undone."""
    with sending(museum) as (ada, said, members):
        with late(museum):
            assert ada.post("/groups", data=said, headers=JSON).status_code >= 500
        museum.index.refresh()
        said |= {"wrong": members[1:2], "which": "seen"}
        outcome = ada.post("/groups", data=said, headers=JSON).json()
        assert (outcome["accepted"], outcome["rejected"], outcome["left"]) == (1, 1, 0)
        assert {r.prediction: r.decision for r in reviews(museum)} == {
            members[0]: "Accepted",
            members[1]: "Rejected",
        }
        ada.post("/undo", data={"token": said["token"]}, headers=JSON)
    assert reviews(museum) == []


@pytest.mark.parametrize("otherwise", [{"wrong": []}, {"which": "seen"}, {"band": "0.1"}])
def test_a_group_judged_is_not_judged_otherwise(museum: Site, otherwise: dict[str, Any]) -> None:
    with sending(museum) as (ada, said, _):
        assert ada.post("/groups", data=said, headers=JSON).status_code == 200
        before = reviews(museum)
        assert ada.post("/groups", data=said | otherwise, headers=JSON).status_code == 409
    assert reviews(museum) == before


@pytest.mark.parametrize("whole", [True, False])
def test_a_group_taken_back_at_a_terminal_is_taken_back_when_all_of_it_is(museum: Site, whole: bool) -> None:
    """Given a group whose first try was lost and marked otherwise then; when all that stands of it, or all but one, is taken
    back where no page knows of it, then it is undone, or stays among the last decisions."""
    with sending(museum) as (ada, said, _):
        with late(museum):
            assert ada.post("/groups", data=said, headers=JSON).status_code >= 500
        ada.post("/groups", data=said | {"wrong": []}, headers=JSON)
        museum.index.refresh()
        assert [made.token for made in museum.desk.recent("Ada")] == [said["token"]], "some were taken back"
        with museum.workspace() as workspace:
            for review in reviews(museum)[: None if whole else -1]:
                Reviewer(workspace, "Bo").withdraw(NamedNode(review.iri), datetime.now(UTC))
        museum.index.refresh()
        assert [made.token for made in museum.desk.recent("Ada")] == ([] if whole else [said["token"]])
        assert ada.post("/groups", data=said | {"wrong": []}).status_code == (409 if whole else 303)


@pytest.mark.parametrize("otherwise", [{}, {"wrong": []}])
def test_a_group_taken_back_is_not_judged_by_its_old_page(museum: Site, otherwise: dict[str, Any]) -> None:
    with sending(museum) as (ada, said, _):
        ada.post("/groups", data=said, headers=JSON)
        ada.post("/undo", data={"token": said["token"]}, headers=JSON)
        again = ada.post("/groups", data=said | otherwise, headers=JSON)
    assert again.status_code == 409
    assert "load the page again" in again.json()["detail"]
    assert reviews(museum) == []


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
