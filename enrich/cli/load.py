"""Verbs for what is in the store: load, graphs, drop."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from enrich.cli.common import Bars, Json, ask, open_workspace, say, write_json, write_table
from enrich.cli.options import DryRun, Yes
from enrich.errors import InputError, ProfileError
from enrich.graph.content import Changes, Content
from enrich.graph.json_ld import Contexts
from enrich.graph.load_register import register_of
from enrich.graph.loading import LoadReport, Manner, load_files, replace_files
from enrich.graph.reading import Reader
from enrich.graph.replacing import Difference
from enrich.graph.sources import format_given
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.ontology.errors import OntologyError
from enrich.ontology.terms import named_node
from enrich.workspace import Workspace

EXAMPLES = {
    "load": "enrich load records.nq.gz thesaurus.ttl.gz\nenrich load --replace records.nq.gz --dry-run\nenrich load export/ --context https://m.example/c.json=c.json\n"
    "curl https://m.example/dump | enrich load - --format ttl",
    "graphs": "enrich graphs",
    "drop": "enrich drop urn:enrich:loaded:records.ttl --yes",
}
GraphOption = Annotated[
    str | None,
    typer.Option("--graph", metavar="IRI", help="Graph for triples that name none; otherwise one per path."),
]
Replace = Annotated[
    bool,
    typer.Option(
        "--replace", help="A new export: put it in the place of what came from the same paths or graphs."
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help="What the files are, where names do not say it: ttl, nt …"),
]
ContextCopies = Annotated[
    list[str] | None,
    typer.Option(
        "--context", metavar="URL=FILE", help="A copy of a context that JSON-LD names; may be repeated."
    ),
]
FEW = 20
"""Documents that are listed one by one; more are added up for each path."""
SHOWN = 10
"""Sentences about many documents that are shown."""


def load(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help=".nt .nq .ttl .turtle .n3 .trig .rdf .owl .xml .jsonld .json, also .gz; .zip .tar .tar.gz .tgz; "
            "a folder; - for standard input",
        ),
    ],
    graph: GraphOption = None,
    replace: Replace = False,
    rdf_format: FormatOption = None,
    context: ContextCopies = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Load RDF, and say what was wrong in it. Graphs of enrich's own are refused.

    Nothing is fetched: the contexts of Linked Art, schema.org, EDM, IIIF and Web Annotations are known. With
    --replace readers see the old content or the new, and what changed is told. Exit code 2 when nothing of a path
    was kept, when a document was refused, or when only its beginning was kept."""
    with open_workspace(new_store=True) as workspace, Bars("loading") as bars:
        if dry_run and not workspace.has_store:
            workspace = Workspace(workspace.settings, EmbeddedStore())
        manner = Manner(
            graph=named_node(graph) if graph is not None else None,
            rdf_format=format_given(rdf_format) if rdf_format is not None else None,
            contexts=Contexts.of(context or []),
            reserved=workspace.names.graph_prefix,
            own=workspace.names.base,
            home=workspace.settings.locate("."),
            dry_run=dry_run,
        )
        told = None
        if replace:
            reports, told = _replace(workspace, files, manner, bars)
        else:
            reports = load_files(workspace.store, files, manner, bars)
    if as_json:
        write_json(_loaded(reports) | ({} if told is None else _told(*told)))
    else:
        _show(reports)
        if told is not None:
            _show_changes(*told, dry_run)
        if dry_run:
            say("that is what would be done: nothing was written")
    if not _whole(reports):
        raise typer.Exit(InputError.exit_code)


def _whole(reports: Sequence[LoadReport]) -> bool:
    """Whether every document was read to its end, and something of each path was kept."""
    kept = {report.given for report in reports if report.quads}
    return not any(report.refused or report.cut or report.given not in kept for report in reports)


def _replace(
    workspace: Workspace, files: list[Path], manner: Manner, bars: Bars
) -> tuple[list[LoadReport], tuple[Difference, Changes | None]]:
    """Replace, and compare what the profile finds before and after; None where it finds fault with the facts."""
    before = None if manner.dry_run else _content(workspace)
    reports, difference = replace_files(workspace.store, files, manner, bars)
    after = _content(workspace) if before is not None else None
    changes = Changes.between(before, after) if before is not None and after is not None else None
    return reports, (difference, changes)


def _content(workspace: Workspace) -> Content | None:
    try:
        return Content.of(Reader(workspace.store, workspace.profile, workspace.names))
    except (ProfileError, OntologyError) as error:
        say(f"what changed in records and values is not told: {error}")
        return None


def _told(difference: Difference, changes: Changes | None) -> dict[str, Any]:
    """Both for JSON."""
    return {"replaced": asdict(difference), "changed": asdict(changes) if changes else None}


def _show_changes(difference: Difference, changes: Changes | None, dry_run: bool) -> None:
    if changes is not None:
        rows = [row for row in changes.rows() if any(row[1:])]
        sys.stdout.write("\n")
        write_table(("what changed", "before", "after", "come", "gone"), rows, numbers=(1, 2, 3, 4))
    come, gone = difference.added, difference.removed
    graphs = _graphs(difference.graphs)
    if dry_run:
        say(f"would replace {graphs}: {come:,} statements would come, {gone:,} would go")
    else:
        say(f"replaced {graphs}: {come:,} statements came, {gone:,} went")
    for sentence in difference.account:
        say(sentence)


def _show(reports: Sequence[LoadReport]) -> None:
    few = len(reports) <= FEW
    rows = [(r.path, r.quads, r.dropped, _graphs(r.graphs)) for r in reports if not r.refused]
    if few:
        write_table(("file", "statements", "left out", "graphs"), rows, numbers=(1, 2))
    else:
        sums = [(*row.values(),) for row in _by_path(reports)]
        write_table(
            ("path", "files", "statements", "left out", "refused", "graphs"), sums, numbers=(1, 2, 3, 4)
        )
    said = [report.refused for report in reports if report.refused]
    said += [f"{report.path}: {sentence}" for report in reports for sentence in report.account]
    for sentence in said if few else said[:SHOWN]:
        say(sentence)
    if not few and len(said) > SHOWN:
        say(f"… and {len(said) - SHOWN:,} more of that kind")


def _by_path(reports: Sequence[LoadReport]) -> list[dict[str, Any]]:
    """The sums of each path that was given."""
    paths: dict[str, list[LoadReport]] = {}
    for report in reports:
        paths.setdefault(report.given, []).append(report)
    return [
        {
            "path": path,
            "files": len(found),
            "statements": sum(report.quads for report in found),
            "left_out": sum(report.dropped for report in found),
            "refused": sum(bool(report.refused) for report in found),
            "graphs": _graphs(sorted({graph for report in found for graph in report.graphs})),
        }
        for path, found in paths.items()
    ]


def _loaded(reports: Sequence[LoadReport]) -> dict[str, Any]:
    """What was loaded, for JSON: the sums of each path, and each document; of many the first of which more is told."""
    told = [report for report in reports if report.account or report.refused]
    shown = reports if len(reports) <= FEW else told[:SHOWN]
    counts = {"files": len(reports), "told": len(told)}
    return {**counts, "paths": _by_path(reports), "documents": [asdict(report) for report in shown]}


def _graphs(graphs: Sequence[str]) -> str:
    return ", ".join(graphs) if len(graphs) <= 2 else f"{len(graphs)} graphs"


def graphs(as_json: Json = False) -> None:
    """List the graphs of facts with their statements; enrich's own are not among them."""
    with open_workspace(reading=True) as workspace, Bars("counting"):
        store = workspace.store
        origins = register_of(store, workspace.names.graph_prefix).origins()
        rows = [
            (name.value, store.count(name), sorted(source.value for source in origins.get(name, {name})))
            for name in store.graphs(beside=workspace.names.base)
        ]
    if as_json:
        names = ("graph", "statements", "sources")
        write_json({"graphs": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        told = [(name, count, ", ".join(s for s in sources if s != name)) for name, count, sources in rows]
        write_table(("graph", "statements", "came from"), told, numbers=(1,))


def drop(
    graph: Annotated[str, typer.Argument(metavar="GRAPH", help="Its IRI (enrich graphs lists them).")],
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Drop a graph of facts with all that it says. It asks first; enrich's own graphs are refused."""
    name = named_node(graph)
    with open_workspace() as workspace:
        if workspace.names.owns(graph):
            raise InputError(f"{graph} is enrich's own: see enrich retract and enrich prune")
        count = workspace.store.count(name)
        if not count:
            raise InputError(f"there is no graph {graph}; enrich graphs lists those that are there")
        if not dry_run:
            ask(f"drop {graph} with its {count:,} statements?", yes)
            workspace.store.drop(name)
            register = register_of(workspace.store, workspace.names.graph_prefix)
            workspace.store.update(register.forgetting(name), idempotent=True)
    if as_json:
        write_json({"graph": graph, "statements": count, "dry_run": dry_run})
    else:
        say(f"{'would be dropped' if dry_run else 'dropped'}: {graph} with its {count:,} statements")
