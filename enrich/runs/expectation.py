"""How many answers of a run are expected to be right, by regime: what held-out records say of its model."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

from pyoxigraph import NamedNode

from enrich.classifiers.model.regimes import REGIMES, Regime
from enrich.classifiers.model.thresholds import Promise
from enrich.graph.stores.base import Store
from enrich.ontology.terms import ENR, values_block
from enrich.runs.register import number

TERMS = (ENR.Seen, ENR.UnseenBlock, ENR.UnseenGroup)
"""The term of each regime, in the order of REGIMES."""
_AT_ONCE = 20

Promises = Mapping[Regime, Mapping[str, Promise]]
"""By regime and property."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """Of one regime the values asserted, how many of them are expected to be right, and 80 % bounds on that.

    `abstained` counts the gaps that were left open; `unpromised` the values asserted with no promise, for which
    nothing is expected.
    """

    answered: int
    abstained: int
    expected: float
    low: float
    high: float
    unpromised: int = 0


def expectations(store: Store, shards: Sequence[NamedNode], promises: Promises) -> dict[str, Expectation]:
    """By regime what a run's shards hold; regimes without an answer or abstention are left out."""
    counts: Counter[tuple[NamedNode, str, NamedNode]] = Counter()
    left = iter(shards)
    while some := list(islice(left, _AT_ONCE)):
        values = values_block(["g"], ([graph] for graph in some))
        query = (
            f"SELECT ?regime ?name ?outcome (COUNT(?p) AS ?n) WHERE {{ {values} GRAPH ?g {{ ?p {ENR.regime} ?regime ; "
            f"{ENR.propertyName} ?name ; {ENR.outcome} ?outcome }} }} GROUP BY ?regime ?name ?outcome"
        )
        for regime, name, outcome, n in store.select(query):
            if isinstance(regime, NamedNode) and name is not None and isinstance(outcome, NamedNode):
                counts[regime, name.value, outcome] += number(n)
    found: dict[str, Expectation] = {}
    for term, kind in zip(TERMS, REGIMES, strict=True):
        own = {(name, outcome): n for (r, name, outcome), n in counts.items() if r == term}
        if own:
            found[kind] = _expected(own, promises.get(kind, {}))
    return found


def _expected(counts: Mapping[tuple[str, NamedNode], int], promises: Mapping[str, Promise]) -> Expectation:
    answered = {name: n for (name, outcome), n in counts.items() if outcome == ENR.Predicted}
    sums = {"precision": 0.0, "low": 0.0, "high": 0.0}
    unpromised = 0
    for name, n in answered.items():
        promise = promises.get(name)
        if promise is None or not promise.kept:
            unpromised += n
            continue
        for key in sums:
            sums[key] += n * float(getattr(promise, key) or 0.0)
    return Expectation(
        answered=sum(answered.values()),
        abstained=sum(n for (_, outcome), n in counts.items() if outcome == ENR.Abstained),
        expected=round(sums["precision"], 1),
        low=round(sums["low"], 1),
        high=round(sums["high"], 1),
        unpromised=unpromised,
    )


def to_text(found: Mapping[str, Expectation]) -> str:
    """As the register keeps it: JSON."""
    return json.dumps({regime: asdict(e) for regime, e in found.items()}, sort_keys=True)


def from_text(text: str | None) -> dict[str, Expectation]:
    """From the register; empty for a run of an earlier version."""
    try:
        said = json.loads(text or "{}")
        return {regime: Expectation(**values) for regime, values in said.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
