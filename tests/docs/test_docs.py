"""What the documents say is true: nothing is left out, links lead somewhere, commands exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from importlib.metadata import entry_points
from itertools import chain
from pathlib import Path

import pytest

from enrich import __version__
from enrich.cli.reference import help_text, reference, verb_names
from enrich.ontology.queries import query_names
from enrich.settings.loading import setting_rows
from tests.docs.followed import PAGES, ROOT
from tests.verbs import verb_of

DOCS = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "reference.md"]
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
MENTION = re.compile(r"^\s*(?:\$ )?enrich ([a-z].*)$", re.MULTILINE)


def test_the_reference_is_up_to_date() -> None:
    assert reference() == REFERENCE, "docs/reference.md is out of date: run make docs"


def test_verbs_with_an_exit_code_of_their_own_are_named_where_the_codes_stand() -> None:
    """Given the help of every verb, then those that answer in full and still do not end with 0 are those of the list."""
    (told,) = re.findall(r"interruption\. (.*?) answer in full", REFERENCE)
    named = set()
    for words in re.findall(r"`([^`]*)`", told):
        *group, last = words.removesuffix(" --follow").split()
        named |= {" ".join([*group, verb]) for verb in last.split("|")}
    helps = {" ".join(words): " ".join(help_text(words).split()) for words in verb_names()}
    own = {verb for verb, text in helps.items() if re.search(r"[Ee]xit code (is )?\d", text)}
    assert own - {"pretrain"} == named, "pretrain has no answer where it does not end with 0"


@pytest.mark.parametrize("words", verb_names(), ids=" ".join)
def test_every_verb_is_documented(words: list[str]) -> None:
    assert f"### enrich {' '.join(words)}\n" in REFERENCE
    for option in re.findall(r"^  (--[a-z-]+)", help_text(words), re.MULTILINE):
        assert option in REFERENCE


@pytest.mark.parametrize("key", [row[0] for row in setting_rows()])
def test_every_setting_is_documented(key: str) -> None:
    assert f"| `{key}` |" in REFERENCE


@pytest.mark.parametrize("name", query_names())
def test_every_named_query_is_documented(name: str) -> None:
    assert f"| `{name}` |" in REFERENCE


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_commands_in_the_documents_exist(path: Path) -> None:
    known = {words[0] for words in verb_names()}
    for line in MENTION.findall(
        "\n".join(re.findall(r"```(?:\w*)\n(.*?)```", path.read_text("utf-8"), re.DOTALL))
    ):
        words = shlex.split(line, comments=True)
        assert words[0] in known, f"{path.name}: enrich {line}"
        text = help_text(verb_of(words))
        for option in (word for word in words if word.startswith("--")):
            assert option in text, f"{path.name}: enrich {line}"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_files_named_in_the_documents_exist(path: Path) -> None:
    named = re.findall(
        r"`((?:enrich|classifiers|ontology|workers|tests|docs|benchmarks)/[\w./-]*)`", path.read_text("utf-8")
    )
    for name in named:
        assert (ROOT / name).exists(), f"{path.name} names {name}"


@pytest.mark.parametrize("top", ["enrich", "classifiers", "ontology", "workers"])
def test_every_package_has_its_paragraph(top: str) -> None:
    """Given the packages at any depth, then each is named in full, in bold, with a sentence after it; and no other is."""
    _, *parts = re.split(
        r"\*\*`([\w/.]+)`\*\*", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    )
    said = {name: len(text.split()) for name, text in zip(parts[::2], parts[1::2], strict=True)}
    packages = {f"{path.parent.relative_to(ROOT).as_posix()}/" for path in (ROOT / top).rglob("__init__.py")}
    assert {name for name in said if name.startswith(f"{top}/") and name.endswith("/")} == packages
    assert min(said[name] for name in packages) >= 6, "a package is named, and nothing is said of it"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/contributing.md"])
def test_make_targets_that_are_named_exist(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"make ([a-z]+)\b", (ROOT / name).read_text(encoding="utf-8"))) - {"and"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__
    assert any(point.name == "enrich" for point in entry_points(group="console_scripts"))


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = {
        line.partition("==")[0].lower()
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line
    }
    asked = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    names = {re.split(r"[<>=\[;~! ]", requirement)[0].lower() for requirement in asked}
    assert names - {project["name"]} <= pinned


def test_the_licence_is_there_in_full() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
