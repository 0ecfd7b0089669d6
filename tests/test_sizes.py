"""What is read in one go stays short: files and functions of the product, beside the demo, the studies and benchmarks."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("enrich", "classifiers", "ontology", "workers")
BESIDE = {"demo", "studies"}


@cache
def sources() -> dict[str, str]:
    """The text of every file, by its path; links within `enrich` are not followed."""
    found = (path.relative_to(ROOT) for top in PRODUCT for path in (ROOT / top).rglob("*.py"))
    return {
        str(path): (ROOT / path).read_text(encoding="utf-8") for path in found if not BESIDE & set(path.parts)
    }


def functions(text: str) -> list[int]:
    """Lines of each function and method, with its signature and docstring."""
    defined = (ast.FunctionDef, ast.AsyncFunctionDef)
    made = [node for node in ast.walk(ast.parse(text)) if isinstance(node, defined)]
    return [(node.end_lineno or node.lineno) - node.lineno + 1 for node in made]


def test_files_are_short() -> None:
    lines = {name: len(text.splitlines()) for name, text in sources().items()}
    assert len(lines) > 300
    assert [name for name, count in lines.items() if count > 400] == []
    assert median(lines.values()) <= 120


def test_functions_are_short() -> None:
    lines = sorted(count for text in sources().values() for count in functions(text))
    assert functions("def f(\n    a,\n):\n    def g():\n        pass\n    return g\n") == [6, 2]
    assert lines[-1] <= 60
    assert lines[int(0.9 * len(lines))] <= 25, "nine of ten functions are seen at a glance"
