"""Writes a run to a file: whole in our own pattern, or as the statements that SILKNOW's explorer reads.

The register comes first, then the shards in order; within each, quads are sorted, so the same run gives
the same bytes from any store. One shard is in memory at a time. The file appears only when it is whole.
"""

from __future__ import annotations

import gzip
import io
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from pyoxigraph import DefaultGraph, NamedNode, Quad, RdfFormat, parse, serialize

from enrich.errors import InputError, RunError
from enrich.graph.stores.base import Store
from ontology.terms import ENR, PREFIXES, RDF, Names, values_block

Form = Literal["trig", "nq", "silknow"]
FORMS: tuple[Form, ...] = ("trig", "nq", "silknow")

_SUFFIXES = {
    ".trig": RdfFormat.TRIG,
    ".nq": RdfFormat.N_QUADS,
    ".ttl": RdfFormat.TURTLE,
    ".nt": RdfFormat.N_TRIPLES,
}


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
    left_out: dict[str, int] = field(default_factory=dict)

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


def export_run(store: Store, names: Names, run: NamedNode, form: Form, target: Path) -> ExportReport:
    """Write a run to `target` (`-` is standard output; `.gz` is compressed).

    The form `trig` holds every graph of the run and its entries in the register; `nq` the same in N-Quads;
    `silknow` only what it predicted (see `enrich.runs.export.silknow`). A file called `.nq`, `.nt` or `.ttl` is written
    in that format; the last two hold no graphs and are for the form silknow only.
    Raises RunError when there is no such run, or one exported as silknow is not active; InputError for a
    form or a name that does not fit; StoreError.
    """
    rdf_format = _format(form, target)
    report = ExportReport(run, form, target)
    if form == "silknow":
        from enrich.runs.export.silknow import statements

        _check_state(store, names, run, {ENR.Active}, "only an active run is shown to readers")
        quads = statements(store, names, run, report)
    else:
        _check_state(store, names, run, None, "")
        quads = _whole(store, names, run, report)
    if rdf_format in (RdfFormat.TURTLE, RdfFormat.N_TRIPLES):
        quads = (Quad(q.subject, q.predicate, q.object, DefaultGraph()) for q in quads)
    with _opened(target) as file:
        prefixes = PREFIXES if rdf_format in (RdfFormat.TRIG, RdfFormat.TURTLE) else None
        serialize(quads, file, format=rdf_format, prefixes=prefixes)
    return report


def _format(form: Form, target: Path) -> RdfFormat:
    if form not in FORMS:
        raise InputError(f"no form {form!r} to export in; there are: {', '.join(FORMS)}")
    suffix = target.with_suffix("").suffix if target.suffix == ".gz" else target.suffix
    chosen = RdfFormat.N_QUADS if form == "nq" else _SUFFIXES.get(suffix.lower(), RdfFormat.TRIG)
    if form != "silknow" and chosen in (RdfFormat.TURTLE, RdfFormat.N_TRIPLES):
        raise InputError(f"{target}: {suffix} holds no named graphs, which a run needs; call it .trig or .nq")
    return chosen


def _check_state(
    store: Store, names: Names, run: NamedNode, wanted: Iterable[NamedNode] | None, why: str
) -> None:
    rows = list(
        store.select(f"SELECT ?state WHERE {{ GRAPH {names.runs} {{ {run} {ENR.runState} ?state }} }}")
    )
    states = [state for (state,) in rows if isinstance(state, NamedNode)]
    if not states:
        raise RunError(f"no run {run.value}; `enrich runs` lists them")
    if wanted is not None and states[0] not in wanted:
        state = states[0].value.removeprefix(str(ENR))
        raise RunError(f"the run {run.value} is {state}, and {why}; export it as trig")


def _whole(store: Store, names: Names, run: NamedNode, report: ExportReport) -> Iterator[Quad]:
    for quad in register(store, names, run):
        report.written += 1
        yield quad
    for graph in shards(store, names, run):
        report.graphs += 1
        for quad in shard(store, graph):
            report.written += 1
            report.predictions += quad.predicate == RDF.type and quad.object == ENR.Prediction
            yield quad


def register(store: Store, names: Names, run: NamedNode) -> list[Quad]:
    """What the register says of a run, its software, its models and what those were made of, sorted."""
    found: dict[NamedNode, list[Quad]] = {}
    frontier = {run}
    while frontier:
        rows = values_block(["s"], [[term] for term in sorted(frontier, key=str)])
        query = f"SELECT ?s ?p ?o WHERE {{ {rows} GRAPH {names.runs} {{ ?s ?p ?o }} }}"
        found |= {term: [] for term in frontier}
        for subject, predicate, obj in store.select(query):
            if isinstance(subject, NamedNode) and isinstance(predicate, NamedNode) and obj is not None:
                found[subject].append(Quad(subject, predicate, obj, names.runs))
        reached = {q.object for term in frontier for q in found[term] if isinstance(q.object, NamedNode)}
        frontier = {term for term in reached if term not in found and _described(names, term)}
    first = sorted(found.pop(run), key=str)
    return first + sorted((quad for quads in found.values() for quad in quads), key=str)


def _described(names: Names, term: NamedNode) -> bool:
    """Whether a term may be described in the register for a run's sake: ours, neither a graph nor a run."""
    ours = names.owns(term) and not term.value.startswith(names.graph_prefix)
    return ours and not term.value.startswith(names.base + "run/")


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


@contextmanager
def _opened(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name only when it was written whole."""
    if str(target) == "-":
        yield sys.stdout.buffer
        return
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as raw:
            if target.suffix == ".gz":
                with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
                    yield packed  # type: ignore[misc]
            else:
                yield raw
        part.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}; name another file") from error
    finally:
        part.unlink(missing_ok=True)
