"""What every verb's command line has in common: options that mean the same, and the example in the help."""

from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, and nothing else.")]
ModelFolder = Annotated[
    Path | None,
    typer.Option("--model", metavar="DIR", help="The model folder; otherwise `model` of enrich.toml."),
]
Properties = Annotated[
    list[str] | None,
    typer.Option("--property", metavar="P", help="Answer this property only; may be repeated."),
]
RecordsFile = Annotated[
    Path | None,
    typer.Option(
        "--records",
        metavar="FILE",
        help="Only these: an IRI per line, or a table with a column record; - for standard input.",
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="At most this many records.")]
Iris = Annotated[bool, typer.Option("--iris", help="In a table IRIs as they are, instead of names.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")]
Force = Annotated[bool, typer.Option("--force", help="Write FILE anew when there is one.")]
Backbone = Annotated[str, typer.Option("--backbone", help="A name of timm.")]
Weights = Annotated[
    str, typer.Option("--weights", help="none, hub, package:NAME, or a local safetensors file or folder.")
]
Size = Annotated[int, typer.Option("--size", help="Width of picture in pixels; 0 is the network's own.")]
Batch = Annotated[int, typer.Option("--batch", help="Pictures in a step.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
CONFIG: ContextVar[Path | None] = ContextVar("config", default=None)
"""The settings file that --config named."""


def group(**more: Any) -> typer.Typer:
    """A verb, or several in a group, with help in plain text."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, **more)


def example(text: str) -> str:
    """The example at the end of a verb's help; its lines are kept as they are."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in text.strip().splitlines())
