"""Finds the answers that no longer count, because a newer active run has answered their gaps too."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pyoxigraph import Literal, NamedNode

from enrich.graph.stores.base import JOINED_AS_WRITTEN, PAGE_TOKEN, Store
from enrich.ontology.terms import ENR, PROV, Names
from enrich.runs.register import timestamp

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
    query = (
        f"{JOINED_AS_WRITTEN}SELECT ?record ?prediction ?shard ?newest WHERE {{ "
        "{ SELECT ?record ?name (MAX(?place) AS ?newest) WHERE { "
        f"{_places(names, ended)} GRAPH ?shard {{ ?any {ENR.about} ?record ; {ENR.propertyName} ?name }} "
        f"{PAGE_TOKEN}\n}} GROUP BY ?record ?name HAVING(COUNT(DISTINCT ?shard) > 1) }} "
        f"GRAPH ?shard {{ ?prediction {ENR.about} ?record ; {ENR.propertyName} ?name }} }}"
    )
    # Which of the answers to one gap are older is told here: Virtuoso left rows out when it compared what it computes.
    own = dict(_own_places(store, names))
    for _, prediction, shard, newest in store.select_by_key(query, "record"):
        if (
            isinstance(prediction, NamedNode)
            and isinstance(shard, NamedNode)
            and isinstance(newest, Literal)
            and (place := own.get(shard)) is not None
            and place < newest.value
            and run in (None, (of := NamedNode(place[_DIGITS:])))
        ):
            yield Superseded(prediction, shard, of, NamedNode(newest.value[_DIGITS:]))


def _own_places(store: Store, names: Names) -> Iterator[tuple[NamedNode, str]]:
    """Each shard of an active run, and its place."""
    page = f"{PAGE_TOKEN}\n"
    query = f"SELECT ?shard ?place WHERE {{ {_places(names, page)} }}"
    for shard, place in store.select_by_key(query, "shard"):
        if isinstance(shard, NamedNode) and isinstance(place, Literal):
            yield shard, place.value


def _places(names: Names, condition: str) -> str:
    """The shards of active runs, each with a text by which runs sort from the oldest to the newest.

    Runs of the first versions have no order. UNION, for Virtuoso expects OPTIONAL to take for ever, and refuses.
    """
    active = f"GRAPH {names.runs} {{ ?run {ENR.graph} ?shard ; {ENR.runState} {ENR.Active} . {condition} "
    return (
        f'{{ SELECT ?shard (CONCAT(SUBSTR("{"0" * _DIGITS}", 1 + STRLEN(STR(?n))), STR(?n), STR(?run)) AS ?place) '
        f"WHERE {{ {{ {active} ?run {ENR.order} ?n }} }} UNION "
        f"{{ {active} FILTER NOT EXISTS {{ ?run {ENR.order} ?none }} }} BIND(0 AS ?n) }} }} }}"
    )
