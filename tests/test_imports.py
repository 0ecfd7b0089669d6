"""What is imported when: the command starts quickly, and imports run one way without a circle."""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("enrich", "classifiers", "ontology", "workers")
MAY_IMPORT = {
    "ontology": {"ontology"},
    "classifiers": {"classifiers"},
    "enrich": {"enrich", "classifiers", "ontology"},
    "workers": {"workers", "enrich", "classifiers", "ontology"},
}
HEAVY = (
    "torch",
    "celery",
    "transformers",
    "xgboost",
    "sklearn",
    "pydantic_settings",
    "rdflib",
    "pyoxigraph",
    "fastapi",
    "numpy",
    "rich",
)
HELP_BUDGET = 0.4
"""Seconds of CPU that `enrich --help` may take."""


def children_cpu(command: list[str]) -> float:
    """CPU seconds, user and system, of a child process that succeeds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_takes_little_cpu() -> None:
    command = [sys.executable, "-m", "enrich", "--help"]
    assert min(children_cpu(command) for _ in range(3)) < HELP_BUDGET


@pytest.mark.parametrize("module", ["enrich", "enrich.cli", "enrich.cli.app"])
def test_the_command_line_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert loaded.split() == []


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom enrich.cli import main\nmain(['--help'])\n"
        f"print('loaded:', *(m for m in {HEAVY!r} if m in sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.splitlines()[-1] == "loaded:"


def modules() -> dict[str, Path]:
    """Every module of our packages, by its name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def top_level_imports(tree: ast.Module, module: str, is_package: bool) -> Iterator[str]:
    """Names imported when the module is, leaving out those for type checkers and those inside functions."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: len(module.split(".")) - node.level + is_package] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)
        else:
            pending += [inner for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.stmt)
                        and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]  # fmt: skip


def import_graph() -> dict[str, set[str]]:
    """Which of our modules each imports when it is imported."""
    known = modules()
    graph = {}
    for name, path in known.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = set(top_level_imports(tree, name, path.name == "__init__.py"))
        graph[name] = {found for found in named if found in known and found != name}
    return graph


def every_import(path: Path, module: str) -> set[str]:
    """The packages of ours that a module imports anywhere, in functions and for types too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(module.partition(".")[0] if node.level else (node.module or "").partition(".")[0])
    return found & set(PACKAGES)


def test_no_circle_of_imports() -> None:
    graph = import_graph()
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"imports go in a circle: {' → '.join(error.args[1])}")
    assert set(order) == set(graph)


def test_packages_import_one_way() -> None:
    for name, path in modules().items():
        package = name.partition(".")[0]
        assert every_import(path, name) <= MAY_IMPORT[package], name


def test_the_graph_sees_what_it_should() -> None:
    """The test above would pass on an empty graph: this one says that it is not."""
    graph = import_graph()
    assert "enrich.errors" in graph["enrich.settings.loading"]
    assert "classifiers.data" in graph["classifiers.base"]
    assert "enrich.cli.graph" not in graph["enrich.cli.app"]
