"""Judging: a decision becomes a review, once, however often it is sent; and is taken back."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pyoxigraph import NamedNode

from enrich.errors import EnrichError, InputError
from enrich.ontology.terms import CRM, ENR, Term, class_name, class_term, named_node, values_block
from enrich.runs.reviewing import DECISIONS, OBJECTIONS, Judgement, Reviewed, Reviewer
from enrich.runs.reviews import Gap
from enrich.web.desk import AGAIN, Card, Decision
from enrich.web.negotiation import preferred
from enrich.web.site import Site, site_of
from enrich.web.who import Curator, User
from enrich.workspace import Workspace

LONGEST_NOTE = 2_000
LONGEST_LOOK = 3600.0
"""Seconds that a curator is taken to have looked at a card, at most."""
TOKEN = r"^[A-Za-z0-9_-]{16,64}$"

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Submission:
    """A decision as a form sends it. `value` is the right one of a correction; `took` are seconds; it `settles` what two do
    not agree on."""

    prediction: NamedNode
    decision: str
    value: Term | None = None
    objection: str | None = None
    note: str | None = None
    took: float | None = None
    settles: bool = False


@router.post("/judge", include_in_schema=False)
def judge(
    request: Request,
    user: Curator,
    token: Annotated[str, Form(pattern=TOKEN)],
    prediction: Annotated[str, Form(max_length=2_000)],
    decision: Annotated[str, Form(max_length=20)] = "",
    correct: Annotated[str, Form(max_length=2_000)] = "",
    value: Annotated[str, Form(max_length=2_000)] = "",
    objection: Annotated[str, Form(max_length=20)] = "",
    note: Annotated[str, Form(max_length=LONGEST_NOTE)] = "",
    took: Annotated[float | None, Form(ge=0)] = None,
    settles: Annotated[str, Form(max_length=3)] = "",
    next: Annotated[str, Form(max_length=2_000)] = "/queue",
) -> Response:
    """A decision on one prediction: `decision` with `value`, or `correct`, a candidate that is right."""
    if correct:
        decision, value = "Corrected", correct
    if decision not in DECISIONS:
        raise InputError(f"{decision!r} is no decision; there are: {', '.join(DECISIONS)}")
    if objection and objection not in OBJECTIONS:
        raise InputError(f"{objection!r} is no objection; there are: {', '.join(OBJECTIONS)}")
    kept = objection if decision != "Accepted" else ""
    said = Submission(
        named_node(prediction),
        decision,
        class_term(value) if value else None,
        kept or None,
        note.strip() or None,
        took,
        settles == "yes" and user.may("lead"),
    )
    request.state.audit = audit = {"prediction": prediction, "decision": decision}
    outcome = decide(site_of(request), user, token, said)
    audit |= outcome
    if "refused" in outcome:
        raise HTTPException(409, outcome["refused"])
    return answered(request, outcome, next)


@router.post("/undo", include_in_schema=False)
def undo(
    request: Request,
    user: Curator,
    token: Annotated[str, Form(max_length=64)] = "",
    named: Annotated[str, Form(max_length=2_000)] = "",
    next: Annotated[str, Form(max_length=2_000)] = "/queue",
) -> Response:
    """Take back what a token decided, or a review or a batch by its IRI. A card comes back to its curator."""
    site = site_of(request)
    request.state.audit = {"undone": token or named}
    if token:
        return answered(request, take_back(site, user, token), next)
    done = withdraw(site, user, named_node(named))
    outcome = {"batch": done.batch.value, "withdrawn": len(done.written), "unchanged": done.unchanged}
    return answered(request, outcome, next)


def decide(site: Site, user: User, token: str, said: Submission) -> dict[str, Any]:
    """Write the review that a token stands for; sent again, what came of it the first time."""
    card = site.desk.card(token)
    prediction = said.prediction.value
    if card is not None and (card.curator != user.name or card.prediction != prediction):
        raise HTTPException(
            403, f"this card was given to {card.curator}, for another answer or another person"
        )
    value = None if said.value is None else class_name(said.value)
    told = {"decision": said.decision, "value": value, "objection": said.objection, "note": said.note}
    return once(site, user, token, prediction, told, partial(_write, site, user, said, card))


def once(
    site: Site,
    user: User,
    token: str,
    prediction: str,
    told: dict[str, Any],
    write: Callable[[Decision], tuple[dict[str, Any], Collection[Gap]]],
) -> dict[str, Any]:
    """What came of a token with which something is `told`; sent again, what came of it the first time. `write` makes it,
    and says which gaps lists are to follow in. Nothing is made of a token twice: told otherwise, or once it was taken back,
    it is refused."""
    desk = site.desk
    with desk.deciding(token):
        begun = desk.begin(token, user.name, prediction, told)
        if begun.curator != user.name or begun.prediction != prediction:
            raise HTTPException(403, "this token was used by somebody else, or for something else")
        if begun.undone:
            raise HTTPException(409, "this was taken back: load the page again")
        if begun.outcome is not None:
            if begun.said != told:
                raise HTTPException(409, "this was judged before, otherwise: undo that first")
            return begun.outcome
        outcome, gaps = write(begun)
        if "refused" in outcome:
            desk.put_back(token)
            return outcome
        desk.end(token, outcome)
    tell_index(site, gaps)
    return outcome


def _write(
    site: Site, user: User, said: Submission, card: Card | None, begun: Decision
) -> tuple[dict[str, Any], Collection[Gap]]:
    """Write the review of one prediction."""
    drawn = "Chosen" if card is None else card.drawn
    others = (who for who, _ in site.desk.decided(begun.prediction) if who != user.name)
    if drawn not in ("Chosen", *AGAIN) and any(others):
        drawn = "Second"
    with site.workspace() as workspace:
        reviewer = Reviewer(workspace, user.name)
        judgement = _judgement(reviewer, said, card, begun.at, drawn)
        done = reviewer.write([judgement], begun.at)
    return {"decision": judgement.decision, **_outcome(done)}, done.gaps


def _judgement(
    reviewer: Reviewer, said: Submission, card: Card | None, at: datetime, drawn: str
) -> Judgement:
    """For the Reviewer. A correction with what was predicted accepts it."""
    about, decision, value, objection = said.prediction, said.decision, said.value, said.objection
    if decision == "Corrected" and value is not None:
        made = reviewer.predicted([about]).get(about)
        if made is not None and class_name(value) == made.value:
            decision, objection = "Accepted", None
    if decision != "Corrected":
        value = None
    took = timedelta(seconds=min(said.took, LONGEST_LOOK)) if said.took is not None else None
    given = datetime.fromtimestamp(card.given, UTC) if card is not None else None
    began = at - took if took is not None else given
    again = drawn in AGAIN
    probability = card.probability if card is not None and not again else None
    return Judgement(
        about, decision, value, objection, said.note, drawn, probability, True, began, again or said.settles
    )


def _outcome(done: Reviewed) -> dict[str, Any]:
    """What is told of one review, or why there is none."""
    if done.refused:
        return {"refused": done.refused[0].why}
    overruled = [f"{o.decision} {o.value}" for o in done.overruled]
    review = done.written[0].value if done.written else None
    return {"batch": done.batch.value, "review": review, "overruled": overruled}


def take_back(site: Site, user: User, token: str) -> dict[str, Any]:
    """Undo what a token decided; its card, if it had one, is given anew, before all others."""
    desk = site.desk
    with desk.deciding(token):
        made = desk.decision(token)
        if made is None or made.outcome is None:
            raise InputError(
                "nothing was decided with this token, or it is not known yet: load the page again"
            )
        if made.curator != user.name and not user.may("lead"):
            raise HTTPException(403, f"{made.curator} decided this: a lead may take it back")
        if made.undone:
            return {"card": None}
        _withdraw_decision(site, user, made)
        desk.undo(token)
    card = desk.card(token)
    again = desk.give(made.curator, card, first=True) if card is not None else None
    return {"card": None if again is None else again.token}


def _withdraw_decision(site: Site, user: User, made: Decision) -> None:
    assert made.outcome is not None
    named = made.outcome.get("review") or (made.outcome["batch"] if made.outcome.get("reviews") else None)
    if named is None:
        return  # the value stood so already
    withdraw(site, user, NamedNode(named))


def withdraw(site: Site, user: User, named: NamedNode) -> Reviewed:
    """Take back a review or a batch. Somebody else's is for a lead."""
    with site.workspace() as workspace:
        reviewer = Reviewer(workspace, user.name)
        if not user.may("lead") and not _is_own(workspace, reviewer, named):
            raise HTTPException(403, "somebody else decided this: a lead may take it back")
        done = reviewer.withdraw(named, datetime.now(UTC))
    site.desk.undo(named.value)
    tell_index(site, done.gaps)
    return done


def _is_own(workspace: Workspace, reviewer: Reviewer, named: NamedNode) -> bool:
    one = values_block(["review"], [[named]])
    which = f"{{ {one} ?review {ENR.decision} ?d }} UNION {{ ?review {ENR.reviewedWith} {named} }}"
    other = f"?review {CRM.P14_carried_out_by} ?who FILTER(?who != {reviewer.curator})"
    return not workspace.store.ask(f"ASK {{ GRAPH {workspace.names.reviews} {{ {which} {other} }} }}")


def tell_index(site: Site, gaps: Collection[Gap]) -> None:
    """Let lists and counts follow at once. They follow within seconds by themselves, so that a fault is none of the
    curator's."""
    with suppress(EnrichError):
        site.index.judged(gaps)


def answered(request: Request, outcome: dict[str, Any], then: str) -> Response:
    """What came of it for a script; for a form the page to go on with, which is one of ours."""
    if preferred(request.headers.get("accept"), ("text/html", "application/json")) == "application/json":
        return JSONResponse(outcome)
    local = then.startswith("/") and not then.startswith(("//", "/\\")) and then.isprintable()
    return RedirectResponse(then if local else "/queue", 303)
