"""Records that kill the process that looks at them: found, named, quarantined; everything else is answered."""

from __future__ import annotations

import json

import pytest

from enrich.ontology.terms import ENR
from tests.workers import museum as m
from tests.workers.museum import Museum

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_poison_is_isolated(museum: Museum) -> None:
    """Given two records that segfault the process, when a job meets them, then they alone fail, by name."""
    gaps = sorted(m.open_gaps(museum.folder, museum.store()))
    poison = {gaps[len(gaps) // 3][0], gaps[2 * len(gaps) // 3][0]}
    museum.worker(2, POISON=f"segfault={' '.join(poison)}")
    job = museum.json("queue", "--model", "model")["job"]
    done = museum.wait_for_job(job, 150)
    lost = {gap for gap in gaps if gap[0] in poison}
    assert done["failed"] == len(lost)
    museum.check(failed=len(lost))
    failed = {(r, n) for _, r, n, outcome in m.answers_of(museum.store()) if outcome == "Failed"}
    assert failed == lost
    said = reasons(museum)
    assert set(said) == poison
    assert all("killed its worker process 3 times" in why for why in said.values())
    named = {json.loads(line)["record"] for line in museum.logs("record quarantined")}
    assert named == poison


def test_a_record_that_takes_for_ever_is_isolated_by_celerys_soft_time_limit(little: Museum) -> None:
    """Given a record on which the model hangs, then its worker is not killed for it, and it alone fails, by name."""
    gaps = sorted(m.open_gaps(little.folder, little.store()))
    poison = gaps[len(gaps) // 2][0]
    little.worker(1, POISON=f"hang={poison}")
    job = little.json("queue", "--model", "model")["job"]
    lost = {gap for gap in gaps if gap[0] == poison}
    assert little.wait_for_job(job, 60)["failed"] == len(lost)
    little.check(failed=len(lost))
    said = reasons(little)
    assert set(said) == {poison}
    assert "takes longer than the 3.6 seconds" in said[poison]


def reasons(museum: Museum) -> dict[str, str]:
    """Why records failed."""
    rows = museum.store().select(
        f"SELECT DISTINCT ?record ?why WHERE {{ GRAPH ?g {{ ?p {ENR.about} ?record ; {ENR.detail} ?why ; "
        f"{ENR.outcome} {ENR.Failed} }} }}"
    )
    return {record.value: why.value for record, why in rows if record is not None and why is not None}
