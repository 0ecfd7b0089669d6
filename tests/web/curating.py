"""Curators who judge through the site of a made museum, each by a token of their own."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.testclient import TestClient

from enrich.runs.reviews import Review, in_force, read_reviews
from enrich.web.index.asked import PENDING, Filters, Row
from enrich.web.site import Site
from enrich.web.who import Doors
from tests.web.serving import client

WAITING = Filters({"state": (PENDING,), "outcome": ("Predicted",)})
JSON = {"Accept": "application/json"}


@contextmanager
def asking(where: Site, name: str, role: str = "curator") -> Iterator[TestClient]:
    """A client of a named person, by a token."""
    made = Doors(where.settings).tokens.add(name, role)  # type: ignore[arg-type]
    with client(where) as found:
        found.headers.update({"Authorization": f"Bearer {made}"})
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


def taken_up(who: TestClient, where: Site, decision: str, **chosen: tuple[str, ...]) -> Row:
    """The first answer that waits of those chosen, once it was judged; one corrected has another value of its property."""
    row = where.index.page(Filters({**WAITING.chosen, **chosen})).rows[0]
    with where.workspace() as workspace:
        stated = {v for s in workspace.reader.read_all() for v in s.record.known.get(row.property, ())}
    right = min(stated - {row.value}) if decision == "Corrected" else ""
    card = {"token": secrets.token_urlsafe(18), "prediction": row.prediction}
    assert sent(who, card, decision, value=right).status_code == 200
    return row


def reviews(where: Site) -> list[Review]:
    with where.workspace() as workspace:
        return in_force(read_reviews(workspace.store, workspace.names))
