"""Groups of answers that are alike: one batch, undone as one, whatever their number."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pyoxigraph import RdfFormat, parse

from enrich.ontology.terms import ENR
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
