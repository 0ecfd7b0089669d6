"""Writes a run to a file: whole in our own pattern, or as the statements that SILKNOW's explorer reads.

The register comes first, with a description of the whole (see `enrich.runs.citation`), then the shards in order; within each, quads are sorted, so the same run gives
the same bytes from any store. One shard is in memory at a time. The file appears only when it is whole.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pyoxigraph import DefaultGraph, NamedNode, Quad, RdfFormat, serialize

from enrich.errors import InputError
from enrich.graph.files import suffix_of, writing
from enrich.graph.stores.base import Store
from enrich.ontology.terms import ENR, PREFIXES, RDF, Names
from enrich.runs.citation import Citation
from enrich.runs.export.plain import FORMATS
from enrich.runs.export.run_graphs import ExportReport, check_state, register, shard, shards
from enrich.runs.export.silknow import statements

Form = Literal["trig", "nq", "silknow"]
WHOLE: dict[str, Form] = {".trig": "trig", ".nq": "nq"}
"""The forms that the name of a file asks for; any other asks for plain statements."""

_SUFFIXES = {
    ".trig": RdfFormat.TRIG,
    ".nq": RdfFormat.N_QUADS,
    ".ttl": RdfFormat.TURTLE,
    ".nt": RdfFormat.N_TRIPLES,
}


def export_run(store: Store, names: Names, run: NamedNode, form: Form, target: Path) -> ExportReport:
    """Write a run to `target` (`-` is standard output; `.gz` is compressed).

    The form `trig` holds every graph of the run and its entries in the register; `nq` the same in N-Quads;
    `silknow` only what it predicted (see `enrich.runs.export.silknow`). A file called `.nq`, `.nt` or `.ttl` is written
    in that format; the last two hold no graphs and are for the form silknow only.
    Raises RunError when there is no such run, or one exported as silknow is not active; InputError for a name that does
    not fit the form; StoreError.
    """
    rdf_format = _format(form, target)
    report = ExportReport(run, form, target)
    if form == "silknow":
        check_state(store, names, run, {ENR.Active}, "only an active run is shown to readers")
        quads = statements(store, names, run, report)
    else:
        check_state(store, names, run, None, "")
        quads = _whole(store, names, run, report)
    if rdf_format in (RdfFormat.TURTLE, RdfFormat.N_TRIPLES):
        quads = (Quad(q.subject, q.predicate, q.object, DefaultGraph()) for q in quads)
    with writing(target) as file:
        prefixes = PREFIXES if rdf_format in (RdfFormat.TRIG, RdfFormat.TURTLE) else None
        serialize(quads, file, format=rdf_format, prefixes=prefixes)
    return report


def form_of(target: Path, *, whole: bool) -> Form | Literal["plain"]:
    """The form that the name of a file asks for; of standard output, that of a `whole` run or plain statements.
    Raises InputError for a name that says none."""
    if str(target) == "-":
        return "trig" if whole else "plain"
    suffix = suffix_of(target)
    if suffix not in (*WHOLE, *FORMATS):
        raise InputError(f"{target}: end its name in {', '.join((*WHOLE, *FORMATS))}, or one with .gz")
    return WHOLE.get(suffix, "plain")


def _format(form: Form, target: Path) -> RdfFormat:
    suffix = suffix_of(target)
    chosen = RdfFormat.N_QUADS if form == "nq" else _SUFFIXES.get(suffix, RdfFormat.TRIG)
    if form != "silknow" and chosen in (RdfFormat.TURTLE, RdfFormat.N_TRIPLES):
        raise InputError(f"{target}: {suffix} holds no named graphs, which a run needs; call it .trig or .nq")
    own = (".nq",) if form == "nq" else (*WHOLE,) if form == "trig" else (*_SUFFIXES,)
    if suffix and suffix not in own:
        raise InputError(
            f"{target}: {form} is not written as {suffix}; end its name in {', '.join(own)}, or one with .gz"
        )
    return chosen


def _whole(store: Store, names: Names, run: NamedNode, report: ExportReport) -> Iterator[Quad]:
    said = register(store, names, run)
    cited = Citation.of(said, names, run)
    for quad in (*said, *cited.described(names.runs)):
        report.written += 1
        yield quad
    statements = report.written
    for graph in shards(store, names, run):
        report.graphs += 1
        for quad in shard(store, graph):
            report.written += 1
            report.predictions += quad.predicate == RDF.type and quad.object == ENR.Prediction
            yield quad
    for quad in cited.counted(names.runs, report.written - statements, report.predictions):
        report.written += 1
        yield quad
