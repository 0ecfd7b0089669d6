"""What every verb's command line has in common: options that mean the same, and the example in the help."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, and nothing else.")]
ModelFolder = Annotated[Path, typer.Option("--model", metavar="DIR", help="The model folder.")]

CONFIG: ContextVar[Path | None] = ContextVar("config", default=None)
"""The settings file that --config named."""


def example(text: str) -> str:
    """The example at the end of a verb's help; its lines are kept as they are."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in text.strip().splitlines())
