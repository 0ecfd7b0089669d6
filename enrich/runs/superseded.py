"""Finds the answers that no longer count, because a newer active run has answered their gaps too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pyoxigraph import Literal, NamedNode

from enrich.graph.stores.base import PAGE_TOKEN, Store
from enrich.runs.register import timestamp
from ontology.terms import ENR, PROV, Names

_DIGITS = 10
"""Digits of a run's order in the text by which runs sort; the run's IRI follows them."""


@dataclass(frozen=True, slots=True)
class Superseded:
    """An answer of an active run, the shard that holds it, and the newest run with an answer to its gap."""

    prediction: NamedNode
    shard: NamedNode
    run: NamedNode
    by: NamedNode


def superseded(
    store: Store, names: Names, *, run: NamedNode | None = None, before: datetime | None = None
) -> Iterator[Superseded]:
    """The answers of active runs, or of one of them, to whose gaps a newer active run has an answer; with
    `before`, one that became active before that time.
    """
    ended = f"?run {PROV.endedAtTime} ?ended FILTER(?ended < {timestamp(before)})" if before else ""
    only = f"FILTER(?run = {run})" if run else ""
    query = (
        "SELECT ?record ?prediction ?shard ?run ?newest WHERE { "
        "{ SELECT ?record ?name (MAX(?place) AS ?newest) WHERE { "
        f"{_places(names, 'place', ended)} GRAPH ?shard {{ ?any {ENR.about} ?record ; {ENR.propertyName} ?name }} "
        f"{PAGE_TOKEN}\n}} GROUP BY ?record ?name }} "
        f"GRAPH ?shard {{ ?prediction {ENR.about} ?record ; {ENR.propertyName} ?name }} "
        f"{_places(names, 'own', only)} FILTER(?own < ?newest) }}"
    )
    for _, prediction, shard, of, newest in store.select_by_key(query, "record"):
        if (
            isinstance(prediction, NamedNode)
            and isinstance(shard, NamedNode)
            and isinstance(of, NamedNode)
            and isinstance(newest, Literal)
        ):
            yield Superseded(prediction, shard, of, NamedNode(newest.value[_DIGITS:]))


def _places(names: Names, place: str, condition: str) -> str:
    """The shards of active runs, each with a text by which runs sort from the oldest to the newest."""
    return (
        f'{{ SELECT ?run ?shard (CONCAT(SUBSTR("{"0" * _DIGITS}", 1 + STRLEN(STR(?n))), STR(?n), STR(?run)) AS ?{place}) '
        f"WHERE {{ GRAPH {names.runs} {{ ?run {ENR.graph} ?shard ; {ENR.runState} {ENR.Active} . {condition} "
        f"OPTIONAL {{ ?run {ENR.order} ?order }} }} BIND(COALESCE(?order, 0) AS ?n) }} }}"
    )
