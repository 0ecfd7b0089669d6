"""The application: our own verbs, and those that other packages add through `enrich.commands`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from enrich import __version__
from enrich.cli import demo, graph, jobs, model, runs, soup, study
from enrich.cli import show as look
from enrich.cli.common import configure, example

PLUGINS = "enrich.commands"
"""Entry points of this group are verbs: the name is the verb's, the object a function with typer's
annotations. Its module may hold EXAMPLES, a mapping of verbs to the example in their help."""


def plugins() -> dict[str, EntryPoint]:
    """The verbs that other packages add, by name, not yet imported."""
    return {point.name: point for point in sorted(entry_points(group=PLUGINS), key=lambda p: p.name)}


class Verbs(TyperGroup):
    """The group of all verbs; a verb of another package is imported when it is named."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Our verbs in the order of work, then the others."""
        return [*super().list_commands(ctx), *(name for name in plugins() if name not in self.commands)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb of this name."""
        own = super().get_command(ctx, cmd_name)
        return own if own is not None or cmd_name not in plugins() else _loaded(plugins()[cmd_name])

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The verbs by their panels, in plain text: rich help would cost 0.2 s of CPU."""
        verbs = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        panels: dict[str, list[tuple[str, str]]] = {}
        for name, verb in verbs:
            title = getattr(verb, "rich_help_panel", None)
            said = verb.get_short_help_str(formatter.width - 12)
            panels.setdefault(title if isinstance(title, str) else "Others", []).append((name, said))
        width = max(len(name) for name, _ in verbs)
        for title, rows in panels.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), said) for name, said in rows])


def _loaded(point: EntryPoint) -> Any:
    try:
        function: Callable[..., Any] = point.load()
    except ImportError as error:
        reason = f"{point.value} cannot be imported: {error}"

        def function() -> None:
            raise ImportError(reason)

        function.__doc__ = f"Not available: {reason}."
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    examples: Mapping[str, str] = getattr(sys.modules.get(function.__module__), "EXAMPLES", {})
    epilog = example(examples[point.name]) if point.name in examples else None
    single.command(point.name, rich_help_panel="Service", epilog=epilog)(function)
    return get_command(single)


app = typer.Typer(
    name="enrich",
    cls=Verbs,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def say_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def enrich(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="Settings file; otherwise ENRICH_CONFIG, or ./enrich.toml."
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole trace of an error.")] = False,
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=say_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Fill the gaps in a museum's knowledge graph with predictions that say where they come from.

    A first use, in a new folder:

    \b
        enrich init . --profile linked-art
        enrich load records.nq.gz
        enrich gaps
        enrich train --splits splits.tsv --model model
        enrich run --model model
        enrich query predictions
    """
    configure(config, debug)


for group in (graph, model, soup, study, runs, look, jobs, demo):
    group.register(app)
