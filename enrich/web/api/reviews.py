"""Judging as JSON, for scripts and other programs: who they judge for is said by their token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from pyoxigraph import NamedNode

from enrich.ontology.terms import class_term, named_node
from enrich.runs.reviewing import Judgement, Reviewed, Reviewer
from enrich.show.named import run_named
from enrich.web import judging
from enrich.web.site import site_of
from enrich.web.who import Curator, Reader

MOST = 1_000
"""Judgements in one request."""

router = APIRouter(tags=["judging"])


class JudgementRequest(BaseModel):
    """What is said of one prediction."""

    model_config = ConfigDict(extra="forbid")

    prediction: str = Field(description="IRI of the prediction.", max_length=2_000)
    decision: Literal["Accepted", "Rejected", "Corrected", "Undecided"]
    value: str | None = Field(
        None,
        description="The right value of a correction: an IRI, or a literal as N-Triples.",
        max_length=10_000,
    )
    objection: Literal["Wrong", "TooBroad", "TooNarrow", "NotOnThisObject", "CannotBeKnown"] | None = None
    note: str | None = Field(None, max_length=10_000)

    def judgement(self) -> Judgement:
        """For the Reviewer. Raises InputError for what is no IRI and no literal."""
        value = None if self.value is None else class_term(self.value)
        return Judgement(named_node(self.prediction), self.decision, value, self.objection, self.note)


class Judgements(BaseModel):
    """Judgements that are written as one batch, which can be taken back as one."""

    model_config = ConfigDict(extra="forbid")

    judgements: list[JudgementRequest] = Field(min_length=1, max_length=MOST)
    dry_run: bool = False


class Withdrawal(BaseModel):
    """A review, or a batch of reviews, to be taken back."""

    model_config = ConfigDict(extra="forbid")

    named: str = Field(description="IRI of a review or of a batch.", max_length=2_000)


@dataclass(frozen=True)
class JudgementRefusal:
    """What was not written, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Outcome:
    """What was written under which batch; what stood so already; what was refused."""

    batch: str
    reviews: list[str]
    unchanged: int
    refused: list[JudgementRefusal]
    overruled: list[dict[str, str]]


@router.get("/reviews")
def reviews(request: Request, _: Reader) -> list[dict[str, Any]]:
    """All reviews, those taken back among them, as the query `reviews` has them."""
    with site_of(request).workspace() as workspace:
        answer = run_named(workspace, "reviews")
        return [
            {
                name: None if term is None else term.value
                for name, term in zip(answer.variables, row, strict=True)
            }
            for row in answer.rows
        ]


@router.post("/reviews", status_code=201)
def judge(request: Request, said: Judgements, user: Curator) -> Outcome:
    """Judge predictions. One that cannot be judged is refused with its reason, and costs no other; what stands so
    already is left as it is, so that sending twice is sending once."""
    site = site_of(request)
    with site.workspace() as workspace:
        done = Reviewer(workspace, user.name).write(
            [one.judgement() for one in said.judgements], datetime.now(UTC), dry_run=said.dry_run
        )
    request.state.audit = {"batch": done.batch.value, "reviews": len(done.written), "dry_run": said.dry_run}
    if done.written and not said.dry_run:
        judging.tell_index(site, done.gaps)
    return _outcome(done)


@router.post("/reviews/withdrawals", status_code=201)
def withdraw(request: Request, said: Withdrawal, user: Curator) -> Outcome:
    """Take back a review or a batch: as if it had not been made. What somebody else decided is for a lead."""
    request.state.audit = audit = {"undone": said.named, "reviews": 0}
    done = judging.withdraw(site_of(request), user, named_node(said.named))
    audit["reviews"] = len(done.written)
    return _outcome(done)


def _outcome(done: Reviewed) -> Outcome:
    return Outcome(
        done.batch.value,
        _values(done.written),
        done.unchanged,
        [JudgementRefusal(r.what.value, r.why) for r in done.refused],
        [asdict(o) for o in done.overruled],
    )


def _values(nodes: Sequence[NamedNode]) -> list[str]:
    return [node.value for node in nodes]
