"""What is imported when: the command starts quickly, and imports run one way without a circle."""

from __future__ import annotations

import ast
import os
import resource
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from tempfile import gettempdir

import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("classifiers", "ontology", "workers")
"""Folders of their own in the repository, which are installed within `enrich` (enrich/classifiers is a link)."""
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
LAZY = {
    "enrich": "the way in from Python, when it is asked for",
    "enrich.museum": "training, which loads scikit-learn",
    "enrich.media.pictures": "what asks servers and decodes",
    "enrich.graph.stores.opening": "the store that the settings name",
    "enrich.cli.app": "the verb that is used",
    "enrich.classifiers.registry": "the classifier that is named",
    "enrich.classifiers.libraries": "heavy libraries, and those of extras",
    "enrich.classifiers.neural.libraries": "those of networks",
}
"""The modules that load something on use, and what: each the one place of its kind."""
LOADERS = ("import_module", "__import__")
HELP_BUDGET = 0.3
"""Seconds of CPU that `enrich --help` may take."""
COMPILED = Path(gettempdir()) / f"enrich-tests-{os.getuid()}-compiled"


def children_cpu(command: list[str], cwd: Path | None = None) -> float:
    """CPU seconds, user and system, of a child process that succeeds. It finds what is compiled, as an installed
    command does."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env |= {"PYTHONPYCACHEPREFIX": str(COMPILED), "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, cwd=cwd, env=env)
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
    for folder in ("enrich", *(f"enrich/{part}" for part in PARTS)):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@dataclass(frozen=True)
class Import:
    """One name that a module imports: where, and whether inside a function."""

    name: str
    line: int
    inside: bool


def imports(tree: ast.Module, module: str, is_package: bool, known: Collection[str] = ()) -> Iterator[Import]:
    """Everything that a module imports at any time, in functions too; what only type checkers see is left out."""
    pending: list[tuple[ast.AST, bool]] = [(node, False) for node in tree.body]
    while pending:
        node, inside = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += [(inner, inside) for inner in node.orelse]
        elif isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: len(module.split(".")) - node.level + is_package] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{source}.{alias.name}" for alias in node.names]
            if not set(names) <= set(known):  # otherwise modules are meant, not what their package holds
                yield Import(source, node.lineno, inside)
            yield from (Import(name, node.lineno, inside) for name in names)
        else:
            yield from (Import(name, node.lineno, inside) for name in loaded_by_name(node))
            within = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            pending += [(inner, within) for inner in ast.iter_child_nodes(node)]


def loaded_by_name(node: ast.AST) -> list[str]:
    """The modules that a call of `import_module` names, or one that is handed it; `*` where a variable says which."""
    if not isinstance(node, ast.Call):
        return []
    if not any(ast.unparse(part).rpartition(".")[2] in LOADERS for part in (node.func, *node.args)):
        return []
    said = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return [name for name in said if isinstance(name, str)] or ["*"]


@cache
def all_imports() -> dict[str, tuple[Import, ...]]:
    """What each of our modules imports."""
    return {
        name: tuple(
            imports(ast.parse(path.read_text(encoding="utf-8")), name, path.name == "__init__.py", modules())
        )
        for name, path in modules().items()
    }


def import_graph() -> dict[str, set[str]]:
    """Which of our modules each imports, at any time."""
    found = all_imports()
    return {
        name: {i.name for i in said if i.name in found and i.name != name} for name, said in found.items()
    }


def part(module: str) -> str | None:
    """The part of the project that a module belongs to; None for another's."""
    first, _, rest = module.partition(".")
    second = rest.partition(".")[0]
    return second if first == "enrich" and second in PARTS else "enrich" if first == "enrich" else None


def every_import(path: Path, module: str) -> set[str]:
    """The parts of ours that a module imports from anywhere, in functions and for types too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {part(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {part(f"{node.module}.{alias.name}") for alias in node.names}
            found.add(part(module) if node.level else None)
    return {name for name in found if name is not None}


def test_no_circle_of_imports() -> None:
    graph = import_graph()
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"imports go in a circle: {' → '.join(error.args[1])}")
    assert set(order) >= set(graph)


@pytest.mark.parametrize("name", modules())
def test_imports_stand_at_the_top(name: str) -> None:
    inside = [f"{i.name} (line {i.line})" for i in all_imports()[name] if i.inside]
    if name in LAZY:
        assert inside, f"{name} loads nothing on use any more: take it out of LAZY"
    else:
        assert not inside, f"{name} imports inside a function: {', '.join(inside)}"


def test_packages_import_one_way() -> None:
    for name, path in modules().items():
        assert every_import(path, name) <= MAY_IMPORT[part(name) or ""], name


def test_the_core_imports_neither_the_demo_nor_the_studies() -> None:
    beside = ("enrich.demo", "enrich.studies")
    for name, said in import_graph().items():
        if not name.startswith((*beside, "enrich.cli")):
            assert not [found for found in said if found.startswith(beside)], name


def test_the_graph_sees_what_it_should() -> None:
    """The tests above would pass on an empty graph: this one says that it is not."""
    graph = import_graph()
    assert "enrich.errors" in graph["enrich.settings.loading"]
    assert "enrich.classifiers.data" in graph["enrich.classifiers.base"]
    assert "enrich.cli.graph" not in graph["enrich.cli.app"]
    text = "if TYPE_CHECKING:\n import a\nimport b\ndef f():\n from . import c\n try:\n  import d\n finally:\n  pass"
    found = {(i.name, i.inside) for i in imports(ast.parse(text), "m.n", is_package=False)}
    assert found == {("b", False), ("m", True), ("m.c", True), ("d", True)}
    text = "def f(x):\n import_module('a')\n importlib.import_module(x)\n map(import_module, ('b', 'c'))\n print('d')"
    found = {(i.name, i.inside) for i in imports(ast.parse(text), "m.n", is_package=False)}
    assert found == {("a", True), ("*", True), ("b", True), ("c", True)}
