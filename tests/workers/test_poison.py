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
    rows = museum.store().select(
        f"SELECT DISTINCT ?record ?why WHERE {{ GRAPH ?g {{ ?p {ENR.about} ?record ; {ENR.detail} ?why ; "
        f"{ENR.outcome} {ENR.Failed} }} }}"
    )
    said = {record.value: why.value for record, why in rows if record is not None and why is not None}
    assert set(said) == poison
    assert all("killed its worker process 3 times" in why for why in said.values())
    named = {json.loads(line)["record"] for line in museum.logs("record quarantined")}
    assert named == poison
