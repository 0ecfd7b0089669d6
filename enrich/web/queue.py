"""The queue: one card after another, by keyboard or as plain forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from enrich.runs.reviewing import OBJECTIONS
from enrich.web.cards import Shown, shown
from enrich.web.desk import Card
from enrich.web.drawing import Drawing
from enrich.web.index.asked import Filters
from enrich.web.negotiation import preferred
from enrich.web.rendering import address, language_of, page, rendered
from enrich.web.site import Site, site_of
from enrich.web.who import Curator, User

AHEAD = 12
"""Cards that a page fetches at once."""
HELD = 40
"""Cards that one page can have before it."""
QUESTION = 200
"""Characters that are searched for at most."""
UNASKED = ("state", "outcome", "reason")
"""Facets that do not narrow the queue: it has what was answered and waits."""

router = APIRouter(include_in_schema=False)


@router.get("/queue")
def queue(request: Request, user: Curator) -> HTMLResponse:
    """The page: the card that is next, and the last decisions."""
    site = site_of(request)
    filters = asked(request)
    cards = _next(request, user, filters, 1, set())
    return page(
        request,
        "queue.html",
        cards=cards,
        called=site.called,
        recent=_recent(site, user, language_of(request)),
        filters=filters,
        here=here(filters),
        objections=OBJECTIONS,
    )


@router.post("/queue/cards")
def more(
    request: Request,
    user: Curator,
    have: Annotated[str, Form(max_length=4_000)] = "",
    want: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """More cards, beside those that a page has; these stay its own meanwhile. Or just the one that it wants."""
    site = site_of(request)
    filters = asked(request)
    tokens = {token for token in have.split(",") if token}
    site.desk.keep(user.name, sorted(tokens))
    if want:
        cards = _shown(request, [c for c in [site.desk.card(want)] if c and c.curator == user.name])
    else:
        cards = [] if len(tokens) >= HELD else _next(request, user, filters, AHEAD, tokens)
    said = {"called": site.called, "here": here(filters), "objections": OBJECTIONS}
    found = [
        {"token": one.card.token, "html": rendered(request, "card.html", one=one, **said)} for one in cards
    ]
    request.state.audit = {"cards": len(found)}
    return JSONResponse({"cards": found})


@router.get("/queue/values")
def values(request: Request, user: Curator, token: str = "", q: str = "") -> Response:
    """The values that a card could be corrected with, by some words of their names."""
    site = site_of(request)
    card = site.desk.card(token)
    if card is None or card.curator != user.name:
        raise HTTPException(404, "this card is not on your desk any more")
    with site.workspace() as workspace:
        found = site.values.find(workspace, card.property, q[:QUESTION], language_of(request))
    if preferred(request.headers.get("accept"), ("text/html", "application/json")) == "application/json":
        return JSONResponse({"values": [{"value": value, "name": name} for value, name in found]})
    return page(request, "values.html", card=card, found=found, q=q, called=site.called)


def asked(request: Request) -> Filters:
    """The filters of /browse in an address, without what the queue decides itself."""
    given = request.query_params.multi_items()
    return Filters.of((name, value) for name, value in given if name not in UNASKED)


def here(filters: Filters, path: str = "/queue") -> str:
    """The address of the queue under some filters."""
    return address(path, {name: list(values) for name, values in filters.chosen.items()}, q=filters.text)


def _next(request: Request, user: User, filters: Filters, count: int, have: set[str]) -> list[Shown]:
    """Cards that the curator was given and the page has not, then new ones; of which something is to be shown."""
    site = site_of(request)
    drawing = Drawing(site.index, site.desk, user, filters, language_of(request))
    waiting = [card for card in site.desk.held(user.name, drawing.asked) if card.token not in have]
    found: list[Shown] = []
    dropped = 0
    while len(found) < count:
        wanted, waiting = waiting[:count], []
        more = max(count - len(found) - len(wanted), min(dropped, HELD))  # where many are gone, many at once
        wanted += drawing.give(more)
        if not wanted:
            break
        ready = _shown(request, wanted)
        dropped += len(wanted) - len(ready)
        found += ready
    return found[:count]  # the curator has the others as well, for the next page


def _shown(request: Request, cards: Sequence[Card]) -> list[Shown]:
    """What cards show; one that cannot be judged any more is nobody's."""
    site = site_of(request)
    with site.workspace() as workspace:
        ready = shown(workspace, cards, language_of(request))
    for token in {card.token for card in cards} - {one.card.token for one in ready}:
        site.desk.drop(token)
    return ready


def _recent(site: Site, user: User, language: str) -> list[dict[str, Any]]:
    """The last decisions, as a list shows them."""
    found = []
    for made in site.desk.recent(user.name):
        card = site.desk.card(made.token)
        found.append(
            {"token": made.token, "about": made.prediction, "card": card, "group": False, **made.said}
        )
    wanted = {each["value"] for each in found if each["value"]}
    names = site.index.names(wanted, language) if wanted else {}
    return [{**each, "name": names.get(each["value"], each["value"])} for each in found]
