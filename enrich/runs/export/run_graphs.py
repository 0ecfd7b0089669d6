"""What an export reads: the graphs of a run, its entries in the register, and the account of what was written."""

import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, parse

from enrich.errors import RunError
from enrich.graph.stores.base import Store, Term
from enrich.ontology.terms import ENR, Names, values_block

Described = dict[NamedNode, dict[NamedNode, list[Term]]]
"""What is said: by subject, then by predicate."""
KEPT_HERE = (ENR.request,)
"""What the register says for the service alone: a request names folders of this machine."""


@dataclass
class ExportReport:
    """What an export wrote: `written` counts quads (statements in the form silknow), `left_out` counts
    answers by why they are not in the file (only the form silknow leaves any out)."""

    run: NamedNode
    form: str
    target: Path
    graphs: int = 0
    predictions: int = 0
    written: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "run": self.run.value,
            "form": self.form,
            "target": str(self.target),
            "graphs": self.graphs,
            "predictions": self.predictions,
            "written": self.written,
            "left_out": dict(self.left_out),
        }


def register(store: Store, names: Names, run: NamedNode) -> list[Quad]:
    """What the register says of a run, its software, its models and what those were made of, sorted; without what is
    KEPT_HERE."""
    found: dict[NamedNode, list[Quad]] = {}
    frontier = {run}
    while frontier:
        rows = values_block(["s"], [[term] for term in sorted(frontier, key=str)])
        query = f"SELECT ?s ?p ?o WHERE {{ {rows} GRAPH {names.runs} {{ ?s ?p ?o }} }}"
        found |= {term: [] for term in frontier}
        for subject, predicate, obj in store.select(query):
            if (
                isinstance(subject, NamedNode)
                and isinstance(predicate, NamedNode)
                and obj is not None
                and predicate not in KEPT_HERE
            ):
                found[subject].append(Quad(subject, predicate, obj, names.runs))
        reached = {q.object for term in frontier for q in found[term] if isinstance(q.object, NamedNode)}
        frontier = {term for term in reached if term not in found and _described(names, term)}
    first = sorted(found.pop(run), key=str)
    return first + sorted((quad for quads in found.values() for quad in quads), key=str)


def _described(names: Names, term: NamedNode) -> bool:
    """Whether a term may be described in the register for a run's sake: ours, neither a graph nor a run."""
    ours = names.owns(term) and not term.value.startswith(names.graph_prefix)
    return ours and not term.value.startswith(names.base + "run/")


def check_state(
    store: Store, names: Names, run: NamedNode, wanted: Iterable[NamedNode] | None, why: str
) -> None:
    """Raises RunError where there is no such run, or it is in none of the states that are `wanted`."""
    rows = store.select(f"SELECT ?state WHERE {{ GRAPH {names.runs} {{ {run} {ENR.runState} ?state }} }}")
    states = [state for (state,) in rows if isinstance(state, NamedNode)]
    if not states:
        raise RunError(f"no run {run.value}; `enrich runs` lists them")
    if wanted is not None and states[0] not in wanted:
        state = states[0].value.removeprefix(str(ENR))
        raise RunError(f"the run {run.value} is {state}, and {why}; export it as trig")


def shards(store: Store, names: Names, run: NamedNode) -> list[NamedNode]:
    """The graphs of a run, in the order of their numbers."""
    rows = store.select(f"SELECT ?g WHERE {{ GRAPH {names.runs} {{ {run} {ENR.graph} ?g }} }}")
    graphs = {graph for (graph,) in rows if isinstance(graph, NamedNode)}
    return sorted(graphs, key=lambda graph: [(len(n), n) for n in re.split(r"(\d+)", graph.value)])


def shard(store: Store, graph: NamedNode) -> list[Quad]:
    """The quads of one graph, sorted."""
    buffer = io.BytesIO()
    store.dump(buffer, graph)
    triples = parse(buffer.getvalue(), format=RdfFormat.N_TRIPLES)
    return sorted((Quad(t.subject, t.predicate, t.object, graph) for t in triples), key=str)


def by_subject(quads: Iterable[Quad]) -> Described:
    """What some quads say of IRIs."""
    described: Described = defaultdict(lambda: defaultdict(list))
    for quad in quads:
        if isinstance(quad.subject, NamedNode) and isinstance(quad.object, (NamedNode, Literal)):
            described[quad.subject][quad.predicate].append(quad.object)
    return described
