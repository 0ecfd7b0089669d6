"""Groups: answers that are alike, judged together after a look at a few drawn at random. One batch, undone as one."""

from __future__ import annotations

import random
from collections.abc import Collection
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, Response
from pyoxigraph import NamedNode

from enrich.errors import InputError
from enrich.graph.stores.base import PAGE_TOKEN
from enrich.ontology.terms import ENR, PROV, named_node
from enrich.runs.reviewing import Judgement, Reviewed, Reviewer
from enrich.runs.reviews import Gap, Review, Reviews, moment
from enrich.web.cards import shown
from enrich.web.desk import Card, Decision
from enrich.web.index.asked import Group, Row
from enrich.web.judging import TOKEN, answered, once, tell_index
from enrich.web.queue import asked
from enrich.web.rendering import address, language_of, page
from enrich.web.site import Site, site_of
from enrich.web.who import Curator, User
from enrich.workspace import Workspace

DOZEN = 12
"""Members that are looked at first."""
LISTED = 100
SMALLEST = 2
_PER_QUERY = 500

router = APIRouter(include_in_schema=False)


@router.get("/groups")
def groups(request: Request, user: Curator) -> HTMLResponse:  # noqa: ARG001
    """The groups that wait, the largest first."""
    site = site_of(request)
    filters = asked(request)
    found = [g for g in site.index.grouped(filters, LISTED, language_of(request)) if g.count >= SMALLEST]
    return page(request, "groups.html", groups=found, filters=filters, called=site.called)


@router.get("/group")
def group(
    request: Request,
    user: Curator,
    property: str,
    value: str,
    band: str,
    museum: str = "",
) -> HTMLResponse:
    """A few members of a group, drawn at random; then what is to be done with all."""
    site = site_of(request)
    one = Group(property, value, value, band, museum, museum, 0)
    language = language_of(request)
    rows = site.index.sample(one.members(), DOZEN, random.SystemRandom().getrandbits(31), language)
    count = site.index.total(one.members())
    with site.workspace() as workspace:
        few = shown(workspace, [_as_card(row, user) for row in rows], language)
    return page(request, "group.html", group=one, rows=rows, few=few, count=count, called=site.called)


@router.post("/groups")
def judge(
    request: Request,
    user: Curator,
    token: Annotated[str, Form(pattern=TOKEN)],
    property: Annotated[str, Form(max_length=200)],
    value: Annotated[str, Form(max_length=2_000)],
    band: Annotated[str, Form(max_length=10)],
    museum: Annotated[str, Form(max_length=2_000)] = "",
    seen: Annotated[list[str] | None, Form(max_length=DOZEN)] = None,
    wrong: Annotated[list[str] | None, Form(max_length=DOZEN)] = None,
    which: Annotated[str, Form(pattern="^(all|seen)$")] = "seen",
) -> Response:
    """Reject the members that were marked, accept the others: all of the group, or those that were seen."""
    site = site_of(request)
    one = Group(property, value, value, band, museum, museum, 0)
    looked, marked = set(seen or ()), set(wrong or ())
    if not marked <= looked:
        raise InputError("only members that were shown can be marked")
    where = {"property": property, "value": value, "band": band, "museum": museum}
    request.state.audit = audit = {"group": address("/group", where)}
    said = {"decision": "Accepted", **where, "group": True, "which": which}
    said |= {"seen": sorted(looked), "wrong": sorted(marked)}
    write = partial(_write, site, user, one, looked, marked, which == "all")
    outcome = once(site, user, token, "", said, write)
    audit |= outcome
    return answered(request, outcome, address("/group/done", token=token))


@router.get("/group/done")
def done(request: Request, user: Curator, token: str) -> HTMLResponse:
    """What came of a group."""
    made = site_of(request).desk.decision(token)
    if made is None or made.curator != user.name or not made.said.get("group") or made.outcome is None:
        raise HTTPException(404, "no group was judged with this token")
    return page(request, "group_done.html", made=made, outcome=made.outcome)


def _write(
    site: Site, user: User, one: Group, looked: set[str], marked: set[str], whole: bool, begun: Decision
) -> tuple[dict[str, Any], Collection[Gap]]:
    """Write the reviews, of one batch, beside those that an earlier try has written whose answer was lost."""
    with site.workspace() as workspace:
        reviewer = Reviewer(workspace, user.name)
        batch = workspace.names.mint("review-batch", begun.token)
        own = _earlier(site, reviewer, batch, begun)
        rows = [row for row in site.index.rows(one.members()) if whole or row.prediction in looked]
        done = {review.prediction for review in own}
        waiting = _unjudged(workspace, [row for row in rows if row.prediction not in done], one)
        judgements = [
            Judgement(
                named_node(row.prediction),
                "Rejected" if row.prediction in marked else "Accepted",
                drawn="Group",
                shown=row.prediction in looked,
            )
            for row in sorted(waiting, key=lambda row: (row.prediction not in looked, row.prediction))
        ]
        made = reviewer.write(judgements, begun.at, batch=batch)
    left = sum(row.prediction not in done for row in rows) - len(waiting)
    return _outcome(made, own, judgements, left), made.gaps.union(review.gap for review in own)


def _earlier(site: Site, reviewer: Reviewer, batch: NamedNode, begun: Decision) -> list[Review]:
    """The reviews of earlier tries that say the same. Where the members were marked otherwise, all are taken back."""
    found = _in_force(reviewer.workspace, batch)
    if all(review.at >= begun.at for review in found):
        return found
    tell_index(site, reviewer.withdraw(batch, begun.at).gaps)
    return []


def _in_force(workspace: Workspace, batch: NamedNode) -> list[Review]:
    """The reviews of a batch that were not taken back."""
    query = (
        f"SELECT ?review ?prediction ?record ?name ?decision ?at WHERE {{ GRAPH {workspace.names.reviews} {{ "
        f"?review {ENR.reviewedWith} {batch} ; {ENR.reviews} ?prediction ; {ENR.about} ?record ; "
        f"{ENR.propertyName} ?name ; {ENR.decision} ?decision ; {PROV.endedAtTime} ?at . "
        f"FILTER NOT EXISTS {{ ?gone {ENR.withdraws} ?review }} {PAGE_TOKEN}\n }} }}"
    )
    found = []
    for row in workspace.store.select_by_key(query, "review"):
        iri, prediction, record, name, decision, at = (term.value for term in row if term is not None)
        decided = decision.removeprefix(str(ENR))
        found.append(Review(iri, record, name, decided, moment(at), prediction=prediction))
    return found


def _unjudged(workspace: Workspace, rows: list[Row], one: Group) -> list[Row]:
    """The members whose value nobody has judged, by the reviews themselves: the index may be a moment behind."""
    found: list[Row] = []
    for start in range(0, len(rows), _PER_QUERY):
        some = rows[start : start + _PER_QUERY]
        records = [NamedNode(iri) for iri in dict.fromkeys(row.record for row in some)]
        many = workspace.profile.many_valued
        standing = Reviews.read(workspace.store, workspace.names, many, records).of
        found += [row for row in some if one.value not in standing.get((row.record, row.property), {})]
    return found


def _outcome(made: Reviewed, own: list[Review], judgements: list[Judgement], left: int) -> dict[str, Any]:
    refused = {each.what for each in made.refused}
    counted = [r.decision for r in own] + [j.decision for j in judgements if j.prediction not in refused]
    return {
        "batch": made.batch.value,
        "reviews": len(own) + len(made.written),
        "accepted": counted.count("Accepted"),
        "rejected": counted.count("Rejected"),
        "left": left + made.unchanged,
        "not_written": len(refused),
        "why": made.refused[0].why if made.refused else None,
    }


def _as_card(row: Row, user: User) -> Card:
    names = (row.record_name, row.value_name or "", "", row.museum)
    return Card("", user.name, row.prediction, row.record, row.property, row.band, *names, "Group", None, 0.0)
