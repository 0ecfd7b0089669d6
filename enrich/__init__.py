"""Fills the gaps in museum knowledge graphs with predictions that say where they come from.

`museum = enrich.open("folder")` is the way in from Python (docs/python.md); it is loaded when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from enrich.museum import Museum as Museum
    from enrich.museum import open as open

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    if name in ("Museum", "open"):
        return getattr(import_module("enrich.museum"), name)
    raise AttributeError(f"module 'enrich' has no attribute {name!r}")
