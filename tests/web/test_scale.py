"""What is asked for one card, and for one decision, costs the same however many answers there are."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pyoxigraph import NamedNode

from benchmarks._predictions import NAMES, make
from enrich.graph.stores import open_store
from enrich.runs.reviewing import Judgement, Reviewer
from enrich.settings.loading import Settings
from enrich.web.cards import _answers
from enrich.web.index.asked import Filters
from enrich.workspace import Workspace
from tests.web.indexed import index_of

FEW, MANY = 200, 4_000
PREDICTED = Filters({"outcome": ("Predicted",), "property": ("place",), "state": ("Pending",)})


def cost(work: Callable[[str], object], over: list[str]) -> float:
    """Seconds of the processor, the median of several."""
    taken = []
    for prediction in over:
        began = time.process_time()
        work(prediction)
        taken.append(time.process_time() - began)
    return statistics.median(taken)


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    """What a card and a review cost, at few answers and at twenty times as many."""
    found: dict[str, list[float]] = {"card": [], "review": []}
    for size in (FEW, MANY):
        with open_store() as store:
            make(store, size)
            workspace = Workspace(Settings(base=NAMES.base, profile="linked-art"), store)
            index = index_of(workspace, tmp_path_factory.mktemp("index") / "index.sqlite")
            some = [row.prediction for row in index.sample(PREDICTED, 7, seed=1)]
            reviewer = Reviewer(workspace, "Ana")

            def review(prediction: str, reviewer: Reviewer = reviewer) -> None:
                done = reviewer.write([Judgement(NamedNode(prediction), "Rejected")], datetime.now(UTC))
                assert done.written

            found["card"].append(cost(lambda p, w=workspace: _answers(w, [p]), some))  # type: ignore[misc]
            found["review"].append(cost(review, some))
            index.close()
    return found


@pytest.mark.parametrize("what", ["card", "review"])
def test_it_costs_the_same_with_twenty_times_the_answers(costs: dict[str, list[float]], what: str) -> None:
    few, many = costs[what]
    assert many < 4 * few + 0.005, f"{what}: {few * 1000:.1f} ms at {FEW}, {many * 1000:.1f} ms at {MANY}"
