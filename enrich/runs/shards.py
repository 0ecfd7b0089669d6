"""Shards: the named graphs that hold a run's answers; what each holds, and one made smaller."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyoxigraph import Literal, NamedNode, Quad

from enrich.graph.stores.base import PAGE_TOKEN, Store
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.ontology.terms import ENR, PROV, Names, class_name, values_block
from enrich.runs.register import number

OUTCOMES = ("predicted", "abstained", "failed")
COUNTED = ("records", *OUTCOMES)
"""What is counted of a run."""


@dataclass(frozen=True, slots=True)
class HeldAnswer:
    """A prediction in a shard: about which record and property, on which inputs, with which outcome."""

    prediction: NamedNode
    record: NamedNode
    property: str
    digest: str
    outcome: str
    value: str | None = None
    """The value asserted, as models call it."""


def store_of_answers(store: Store, names: Names) -> Store:
    """Where to ask about answers: the store, or an empty one for as long as no run has any.

    Virtuoso plans by the size that a predicate had when it was first asked for, until it is started anew. Asked for
    before there was an answer, it plans for none: a query over 15,000 answers then ends in a time-out.
    """
    prefix = Literal(f"{names.graph_prefix}run/")
    some = (
        f"GRAPH {names.runs} {{ ?run ?is ?g }} GRAPH ?g {{ ?s ?p ?o }} FILTER(STRSTARTS(STR(?g), {prefix}))"
    )
    return store if store.ask(f"ASK {{ {some} }}") else EmbeddedStore()


def noted_counts(store: Store, names: Names, shards: Sequence[NamedNode]) -> dict[str, Counter[str]]:
    """What shards are said to hold in the register, by shard: records, and answers by outcome."""
    values = values_block(["g"], ([graph] for graph in shards))
    query = f"SELECT ?g ?p ?n WHERE {{ {values} GRAPH {names.runs} {{ ?g ?p ?n }} }}"
    found: dict[str, Counter[str]] = {graph.value: Counter() for graph in shards}
    for graph, name, count in store.select(query):
        if graph is not None and name is not None and number(count):
            found[graph.value][name.value.removeprefix(str(ENR))] = number(count)
    return found


def held_counts(store: Store, shards: Sequence[NamedNode]) -> dict[str, Counter[str]]:
    """What shards hold: their records, and their answers to gaps by outcome; further values of an answer
    with several are not counted again."""
    values = values_block(["g"], ([graph] for graph in shards))
    found: dict[str, Counter[str]] = {graph.value: Counter() for graph in shards}
    records = f"SELECT DISTINCT ?g ?r WHERE {{ {values} GRAPH ?g {{ ?p {ENR.about} ?r }} }}"
    query = f"SELECT ?g (COUNT(?r) AS ?n) WHERE {{ {{ {records} }} }} GROUP BY ?g"
    for graph, count in store.select(query):
        if graph is not None:
            found[graph.value]["records"] = number(count)
    answers = (
        f"SELECT DISTINCT ?g ?r ?name ?outcome WHERE {{ {values} GRAPH ?g {{ "
        f"?p {ENR.about} ?r ; {ENR.propertyName} ?name ; {ENR.outcome} ?outcome }} }}"
    )
    query = f"SELECT ?g ?outcome (COUNT(?r) AS ?n) WHERE {{ {{ {answers} }} }} GROUP BY ?g ?outcome"
    for graph, outcome, count in store.select(query):
        if graph is not None and outcome is not None:
            found[graph.value][outcome.value.removeprefix(str(ENR)).lower()] = number(count)
    return found


def held_answers(store: Store, shard: NamedNode) -> list[HeldAnswer]:
    """Every prediction of a shard."""
    query = (
        f"SELECT ?p ?record ?name ?digest ?outcome ?value WHERE {{ GRAPH {shard} {{ ?p {ENR.about} ?record ; "
        f"{ENR.propertyName} ?name ; {ENR.inputDigest} ?digest ; {ENR.outcome} ?outcome . "
        f"OPTIONAL {{ ?p {ENR.answers} ?value }} }} {PAGE_TOKEN}\n }}"
    )
    return [
        HeldAnswer(
            p,
            record,
            name.value,
            digest.value,
            outcome.value.removeprefix(str(ENR)).lower(),
            class_name(value) if isinstance(value, NamedNode | Literal) else None,
        )
        for p, record, name, digest, outcome, value in store.select_by_key(query, "p")
        if isinstance(p, NamedNode)
        and isinstance(record, NamedNode)
        and isinstance(name, Literal)
        and isinstance(digest, Literal)
        and isinstance(outcome, NamedNode)
    ]


def counts_of(answers: Iterable[HeldAnswer]) -> dict[str, int]:
    """Records, and answers to gaps by outcome, of some predictions of one shard."""
    gaps = {(a.record, a.property): a.outcome for a in answers}
    by_outcome = Counter(gaps.values())
    return {"records": len({record for record, _ in gaps}), **{name: by_outcome[name] for name in OUTCOMES}}


def exchange_shard(
    store: Store,
    names: Names,
    run: NamedNode,
    old: NamedNode,
    new: NamedNode | None,
    counts: Mapping[str, int],
    by: Collection[NamedNode] = (),
    less: Sequence[tuple[NamedNode, NamedNode, int]] = (),
) -> bool:
    """Name a smaller shard in the place of one, or none, in one update of the register, with which numbers that stand
    there (`less` has them by subject and predicate) become smaller; by a negative one, greater.

    False when nothing was exchanged: the run or one of `by` is retracted, or another process was first.
    """
    stands = f"ASK {{ GRAPH {names.runs} {{ {run} {ENR.graph} {new or old} }} }}"
    if new is None and not store.ask(stands):
        return False
    came = "".join(f"{s} {p} ?new{i} . " for i, (s, p, _) in enumerate(less))
    gone = "".join(f"{s} {p} ?old{i} . " for i, (s, p, _) in enumerate(less))
    sums = "".join(f" BIND(?old{i} - ({n}) AS ?new{i})" for i, (_, _, n) in enumerate(less))
    if new is not None:
        said = " ; ".join(f"{ENR[name]} {value}" for name, value in counts.items())
        came += f"{run} {ENR.graph} {new} . {new} {said} . "
    named = f"INSERT {{ GRAPH {names.runs} {{ {came} }} }} " if came else ""
    held = f"GRAPH {names.runs} {{ {run} {ENR.graph} {old} . {gone}}}"
    none_retracted = (
        f"FILTER NOT EXISTS {{ GRAPH {names.runs} {{ ?retracted {ENR.runState} {ENR.Retracted} "
        f"FILTER(?retracted IN ({', '.join(str(each) for each in {run, *by})})) }} }}"
    )
    store.update(f"DELETE {{ {held} }} {named}WHERE {{ {held} {none_retracted}{sums} }}", idempotent=True)
    if store.ask(stands) != (new is not None):
        return False
    store.update(f"DELETE WHERE {{ GRAPH {names.runs} {{ {old} ?name ?count }} }}", idempotent=True)
    return True


def narrowed(quads: Collection[Quad], kept: Collection[NamedNode], names: Names) -> list[Quad]:
    """Of a shard's quads those that describe the predictions kept: they and all nodes of ours that hang on them."""
    described: dict[object, list[Quad]] = defaultdict(list)
    pointing: dict[object, list[Quad]] = defaultdict(list)
    for quad in quads:
        described[quad.subject].append(quad)
        if isinstance(quad.object, NamedNode):
            pointing[quad.object].append(quad)
    dropped = {q.subject for q in quads if q.predicate == ENR.about} - set(kept)
    found: set[Quad] = set()
    seen: set[object] = dropped | set(kept)
    pending: list[object] = list(kept)
    while pending:
        node = pending.pop()
        for quad in described[node]:
            found.add(quad)
            _reach(quad.object, names, seen, pending)
        for quad in pointing[node]:
            if not _ours(quad.subject, names):  # an inverse step from a value to a node of ours
                found.add(quad)
            elif quad.predicate == PROV.wasGeneratedBy or names.stands_in(quad.subject):
                _reach(quad.subject, names, seen, pending)
    return [quad for quad in quads if quad in found]


def _reach(node: object, names: Names, seen: set[object], pending: list[object]) -> None:
    if node not in seen and _ours(node, names):
        seen.add(node)
        pending.append(node)


def _ours(node: object, names: Names) -> bool:
    return isinstance(node, NamedNode) and names.owns(node)
