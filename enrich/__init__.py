"""Fills the gaps in museum knowledge graphs with predictions that say where they come from.

`museum = enrich.open("folder")` is the way in from Python (docs/python.md); it is loaded when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from enrich.version import VERSION

if TYPE_CHECKING:
    from enrich.museum import Museum as Museum
    from enrich.museum import open as open

__all__ = ["Museum", "__version__", "open"]
__version__ = VERSION


def __getattr__(name: str) -> Any:
    if name in ("Museum", "open"):
        from enrich import museum

        return getattr(museum, name)
    raise AttributeError(f"module 'enrich' has no attribute {name!r}")
