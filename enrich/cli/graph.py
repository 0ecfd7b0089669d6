"""Verbs that set a museum up: init, profile, gaps."""

import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from enrich.answering.models import folder_digest
from enrich.cli import draft
from enrich.cli.common import (
    Bars,
    Json,
    ModelFolder,
    example,
    group,
    model_folder,
    open_workspace,
    path_from,
    promised,
    say,
    warn_of_example,
    write_json,
    write_table,
)
from enrich.errors import ProfileError
from enrich.graph.gaps import count_gaps
from enrich.graph.labels import group_names
from enrich.graph.profile_check import ProfileReport, check_profile
from enrich.learn.forecast import Forecast, forecast
from enrich.ontology.profile_files import load_profile, profile_names, profile_text
from enrich.settings.loading import EXAMPLE_BASE, load_settings, write_initial
from enrich.show.tables import print_text

EXAMPLES = {
    "init": "enrich init silk --profile silknow --base https://data.museum.example/enrich/\ncd silk",
    "gaps": "enrich gaps\nenrich gaps --forecast --json",
}


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make or use.")],
    profile: Annotated[
        str, typer.Option("--profile", help="A profile's name (enrich profile list), or a TOML file.")
    ] = "silknow",
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="IRI",
            help="Start of every IRI that enrich makes: one that you own. Asked otherwise.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Write enrich.toml anew when there is one, which is kept as enrich.toml.bak, or .bak.2 and so on.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write DIR/enrich.toml for the embedded store."""
    load_profile(profile)
    known = profile in profile_names()
    if base is None and sys.stdin.isatty() and not as_json:
        base = str(
            typer.prompt("Start of every IRI that enrich makes, one that you own", default=EXAMPLE_BASE)
        )
    named = profile if known else path_from(folder, Path(profile))
    written, old = write_initial(folder, named, base=base or EXAMPLE_BASE, force=force)
    settings = load_settings(written)
    if as_json:
        write_json({
            "settings": str(written),
            "kept": None if old is None else str(old),
            "profile": named,
            "base": settings.base,
        })  # fmt: skip
    else:
        kept = f", and kept the old one as {old}" if old is not None else ""
        say(f"wrote {written}{kept}; next, in {folder}: enrich load FILE…")
    warn_of_example(settings)


def gaps(
    ahead: Annotated[
        bool, typer.Option("--forecast", help="Also what the model will answer and promise, by group.")
    ] = False,
    model: ModelFolder = None,
    as_json: Json = False,
) -> None:
    """Count the records that lack a value, by property.

    Missing: the facts hold no value in a class that can be reached. Open: missing, and neither accepted by a
    curator nor answered by any current prediction. With --forecast or --model, open is what the model has not
    answered, and what it will answer and promise is told by group and property.
    """
    with open_workspace(reading=True) as workspace, Bars("counting") as bars:
        workspace.reader.expect_records(something=True)
        folder = model_folder(workspace, model) if ahead or model is not None else None
        expected = None if folder is None else forecast(workspace, folder, bars)
        report = count_gaps(workspace, model_digest=None if folder is None else folder_digest(folder))
        groups = {f.group for f in expected or ()}
        names = group_names(workspace.store, groups, workspace.profile.prefixes)
    if as_json:
        properties = {n: {"missing": g.missing, "open": g.open} for n, g in report.properties.items()}
        forecasts = {} if expected is None else {"forecast": [asdict(f) for f in expected]}
        write_json({"records": report.records, "properties": properties, **forecasts})
        return
    rows = [
        (name, found.missing, _share(found.missing, report.records), found.open)
        for name, found in report.properties.items()
    ]
    write_table(
        ("property", "missing", "share", "open"), rows, f"{report.records:,} records", numbers=(1, 2, 3)
    )
    if expected is not None:
        _show_forecast(expected, names)


def _show_forecast(expected: Sequence[Forecast], names: Mapping[str, str]) -> None:
    """By group and property, what the model will answer and what it promises."""
    rows = [
        (f.property, names[f.group], f.regime, f.labelled, f.gaps, f.answered, promised(f.promised))
        for f in sorted(expected, key=lambda f: (f.property, f.group, f.regime))
    ]
    heads = ("property", "group", "regime", "values learned", "gaps", "expected answers", "promised")
    write_table(heads, rows, "what the model will do", numbers=(3, 4, 5), spare=(3, 2))


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


profile = group(help="Look at profiles, and compare one with the graph.")


@profile.command("list", epilog=example("enrich profile list"))
def profile_list(as_json: Json = False) -> None:
    """List the profiles that come with enrich."""
    found = [load_profile(name) for name in profile_names()]
    told = [{"name": p.name, "title": p.title, "properties": [q.name for q in p.properties]} for p in found]
    if as_json:
        write_json({"profiles": told})
    else:
        rows = [(p.name, p.title, ", ".join(q.name for q in p.properties)) for p in found]
        write_table(("profile", "title", "properties"), rows)


@profile.command("show", epilog=example("enrich profile show linked-art > my-museum.toml"))
def profile_show(
    name: Annotated[str, typer.Argument(metavar="PROFILE", help="A name (enrich profile list) or a file.")],
    as_json: Json = False,
) -> None:
    """Print a profile as its file writes it, to be read or to begin one's own with."""
    text = profile_text(name)
    if as_json:
        write_json(tomllib.loads(text))
    else:
        sys.stdout.write(text)


@profile.command("check", epilog=example("enrich profile check\nenrich profile check my-museum.toml --json"))
def profile_check(
    name: Annotated[
        str | None,
        typer.Argument(metavar="PROFILE", help="A name or a file; that of enrich.toml if none is given."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare a profile with the graph.

    Says what matches how often, what matches nothing, and what to change. The exit code is 2 when it does not fit."""
    with open_workspace(reading=True) as workspace, Bars("comparing"):
        chosen = load_profile(name) if name is not None else workspace.profile
        report = check_profile(workspace.store, chosen, workspace.names)
    if as_json:
        write_json(report.to_json())
    else:
        _show_check(report)
    if not report.fits:
        raise typer.Exit(ProfileError.exit_code)


profile.command("draft", epilog=example("enrich profile draft my-museum.toml --yes"))(draft.draft)


def _show_check(report: ProfileReport) -> None:
    rows = [
        (p.kind, p.name, p.pattern, p.records, _share(p.records, report.records)) for p in report.patterns
    ]
    heads = ("kind", "name", "pattern", "records", "share")
    graphs = len(report.graphs)
    title = (
        f"profile {report.profile}: {report.records:,} records in {graphs} graph{'s' if graphs != 1 else ''}"
    )
    write_table(heads, rows, title, numbers=(3, 4))
    outside = [(n, iri, count) for n, found in report.outside.items() for iri, count in found.items()]
    if outside:
        sys.stdout.write("\n")
        write_table(("property", "value in no class", "records"), outside, numbers=(2,))
    for sentence in report.advice:
        print_text(f"→ {sentence}")
