"""The application: our own verbs and those that other packages add, each imported when it is used.

A verb is a function with typer's annotations, or a `typer.Typer` of several, that is called as the verb; its
module may hold EXAMPLES, a mapping of verbs to the example in their help. A new verb is one line in VERBS, or
an entry point of the group `enrich.commands` in another package.
"""

import ast
import platform
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from enrich.classifiers.extras import needs
from enrich.cli.options import CONFIG, example, group
from enrich.cli.stderr import PLAIN, QUIET, STDERR, VERBOSE
from enrich.errors import SettingsError
from enrich.version import VERSION

PLUGINS = "enrich.commands"
ANY_WORDS = {"ignore_unknown_options": True, "allow_extra_args": True}
"""A verb that is not there says so whatever it is given."""


@dataclass(frozen=True)
class Verb:
    """Where a verb is (`module:name`), and under which heading it is listed."""

    target: str
    panel: str

    def help(self) -> str:
        """The first sentence of its help, read from the source: listing the verbs imports none of them."""
        module, _, name = self.target.partition(":")
        try:
            spec = find_spec(module)
            source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
        except ImportError:
            source = ""
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return (ast.get_docstring(node) or "").partition("\n")[0].partition(". ")[0].rstrip(".") + "."
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                return next((w.value.value for w in node.value.keywords if w.arg == "help"), "")  # type: ignore[attr-defined]
        return f"Not available: {self.target} is not there."

    def load(self, verb: str) -> Any:
        """The command itself. One whose module cannot be imported says so when it is called."""
        module, _, name = self.target.partition(":")
        there = True
        try:
            found = getattr(import_module(module), name)
        except ImportError as error:
            there = False
            found = _absent(needs(error.name or "", verb) or f"{self.target} cannot be imported: {error}")
        if isinstance(found, typer.Typer):
            return get_command(found)
        single = group()
        examples: Mapping[str, str] = getattr(sys.modules.get(module), "EXAMPLES", {})
        epilog = example(examples[verb]) if verb in examples else None
        single.command(verb, epilog=epilog, context_settings={} if there else ANY_WORDS)(found)
        return get_command(single)


def _absent(reason: str) -> Callable[[], None]:
    def function() -> None:
        raise SettingsError(reason)

    function.__doc__ = f"Not available: {reason}."
    return function


VERBS = {
    "init": Verb("enrich.cli.graph:init", "Set up"),
    "load": Verb("enrich.cli.load:load", "Set up"),
    "graphs": Verb("enrich.cli.load:graphs", "Set up"),
    "drop": Verb("enrich.cli.load:drop", "Set up"),
    "gaps": Verb("enrich.cli.graph:gaps", "Set up"),
    "profile": Verb("enrich.cli.graph:profile", "Set up"),
    "demo": Verb("enrich.cli.demo:demo", "Set up"),
    "train": Verb("enrich.cli.model:train", "Learn"),
    "split": Verb("enrich.cli.model:split", "Learn"),
    "evaluate": Verb("enrich.cli.model:evaluate", "Learn"),
    "check-promise": Verb("enrich.cli.promise:check_promise", "Learn"),
    "models": Verb("enrich.cli.models:models", "Learn"),
    "pretrain": Verb("enrich.cli.pretrain:pretrain", "Learn"),
    "soup": Verb("enrich.cli.soup:soup", "Learn"),
    "study": Verb("enrich.cli.study:study", "Learn"),
    "run": Verb("enrich.cli.runs:run", "Run"),
    "runs": Verb("enrich.cli.runs:runs", "Run"),
    "retract": Verb("enrich.cli.runs:retract", "Run"),
    "export": Verb("enrich.cli.runs:export", "Run"),
    "prune": Verb("enrich.cli.runs:prune", "Run"),
    "query": Verb("enrich.cli.query:query", "Look"),
    "show": Verb("enrich.cli.show:show", "Look"),
    "review": Verb("enrich.cli.review:review", "Judge"),
    "web": Verb("enrich.cli.web:web", "Judge"),
    "jobs": Verb("enrich.cli.jobs:jobs", "Service"),
    "job": Verb("enrich.cli.jobs:job", "Service"),
    "pause": Verb("enrich.cli.jobs:pause", "Service"),
    "resume": Verb("enrich.cli.jobs:resume", "Service"),
    "cancel": Verb("enrich.cli.jobs:cancel", "Service"),
}


def verbs() -> dict[str, Verb]:
    """Every verb by name: ours in the order of work, then those of other packages."""
    found = {point.name: Verb(point.value, "Service") for point in entry_points(group=PLUGINS)}
    return {**VERBS, **{name: found[name] for name in sorted(found) if name not in VERBS}}


class Verbs(TyperGroup):
    """The group of all verbs; a verb is imported when it is named."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands.update(dict.fromkeys(self.list_commands(None)))  # type: ignore[arg-type]

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """The names, ours in the order of work, then the others."""
        return list(verbs())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """The verb of this name."""
        verb = verbs().get(cmd_name)
        return None if verb is None else verb.load(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """The verbs by their panels, in plain text: rich help would cost 0.2 s of CPU."""
        known = verbs()
        width = max(map(len, known))
        for panel in dict.fromkeys(verb.panel for verb in known.values()):
            rows = [(name, verb.help()) for name, verb in known.items() if verb.panel == panel]
            with formatter.section(panel):
                formatter.write_dl([(name.ljust(width), said) for name, said in rows])


app = typer.Typer(
    name="enrich",
    cls=Verbs,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


COUNTED = (
    "pyoxigraph",
    "numpy",
    "scikit-learn",
    "xgboost-cpu",
    "onnxruntime",
    "torch",
    "transformers",
    "celery",
)
"""Packages whose versions change what comes out."""


def say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"enrich {VERSION}\npython {platform.python_version()}")
        for name in COUNTED:
            with suppress(PackageNotFoundError):
                typer.echo(f"{name} {version(name)}")
        raise typer.Exit


@app.callback()
def enrich(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="Settings file; otherwise ENRICH_CONFIG, or ./enrich.toml."
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole trace of an error.")] = False,  # noqa: ARG001
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say more on stderr: stages, times.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on stderr but errors.")] = False,
    log: Annotated[
        Path | None,
        typer.Option("--log", metavar="FILE", help="Add all that is said to this file, with times."),
    ] = None,
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=say_version, is_eager=True, help="Say the versions.")
    ] = False,
) -> None:
    """Fill the gaps in a museum's knowledge graph with predictions that say where they come from.

    A first use, in a new folder:

    \b
        enrich init . --profile linked-art
        enrich load records.nq.gz
        enrich gaps
        enrich train
        enrich run
        enrich query predictions
    """
    CONFIG.set(config)
    STDERR.level = QUIET if quiet else VERBOSE if verbose else PLAIN
    if log is not None:
        STDERR.keep(log)
