"""The command itself: help with examples, one line for what goes wrong, exit codes, verbs of other packages."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from enrich import __version__, errors
from enrich.classifiers.base import ClassifierError
from enrich.cli import app, explained, hoist, main
from enrich.cli.reference import help_text, verb_names
from enrich.ontology.terms import OntologyError

VERBS = {
    "init", "load", "profile", "gaps", "train", "evaluate", "models", "run", "runs", "show", "query", "export",
    "retract", "demo",
}  # fmt: skip
READ_BY_SCRIPTS = (
    "gaps",
    "evaluate",
    "run",
    "runs",
    "show",
    "load",
    "models",
    "train",
    "retract",
    "export",
    "query",
)


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ENRICH_CONFIG", raising=False)


def test_all_verbs_are_there() -> None:
    assert {words[0] for words in verb_names()} >= VERBS


@pytest.mark.parametrize("words", verb_names(), ids=" ".join)
def test_every_verb_shows_an_example(words: list[str]) -> None:
    text = help_text(words)
    assert f"enrich {' '.join(words)}" in text.partition("Example:")[2]


@pytest.mark.parametrize("verb", READ_BY_SCRIPTS)
def test_verbs_that_scripts_read_have_json(verb: str) -> None:
    assert "--json" in help_text([verb])


def test_completion_is_offered_by_the_command_alone() -> None:
    groups = {words[0] for words in verb_names() if len(words) > 1}
    assert len(groups) > 3
    assert {group for group in groups if "completion" in help_text([group])} == set()
    assert "--install-completion" in help_text([])


def test_help_without_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Usage: enrich" in capsys.readouterr().out


def test_version_names_what_answers_depend_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Given --version, then it names the versions of enrich, Python and the libraries that are installed, unloaded."""
    assert main(["--version"]) == 0
    versions = dict(line.split(" ", 1) for line in capsys.readouterr().out.splitlines())
    assert versions["enrich"] == __version__
    assert versions["python"] == platform.python_version()
    assert versions["pyoxigraph"] == metadata.version("pyoxigraph")


def test_less_is_said_or_more_and_all_of_it_is_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Given a verb that says something, when it is told to be quiet, then nothing is said but errors; with --verbose
    the time is said as well; and a log has every line, those too that were not said."""
    assert main(["init", "a"]) == 0
    assert "wrote" in capsys.readouterr().err
    assert main(["init", "b", "-q", "--log", "x.log"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["init", "b", "--quiet", "--log", "x.log"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["-v", "init", "c"]) == 0
    assert "exit code 0 after" in capsys.readouterr().err
    log = (tmp_path / "x.log").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in log)
    assert [
        word in " ".join(log) for word in ("wrote b", "exists already", "exit code 0", "exit code 2")
    ] == [True] * 4


@pytest.mark.parametrize(
    "verb",
    [
        ["gaps"],
        ["runs"],
        ["jobs"],
        ["query", "runs"],
        ["show", "urn:a"],
        ["profile", "check"],
        ["graphs"],
        ["train", "--model", "m"],
        ["run", "--model", "m"],
        ["split", "s.tsv"],
        ["retract", "r"],
        ["prune"],
        ["export", "--as", "plain", "x.nt"],
    ],
)
def test_a_question_makes_no_store(
    verb: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given no store, when something is asked of it, then it says what to do, and nothing is made."""
    (tmp_path / "store").rmdir()
    assert main(verb) == 2
    assert "there is no enrich.toml here" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert main(["init", "."]) == 0
    capsys.readouterr()
    assert main(verb) == 2
    assert "load the museum's graph with: enrich load FILE" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_nothing_is_loaded_where_there_is_no_museum(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a folder without enrich.toml, when a file is loaded there, then it says so, and makes no store."""
    (tmp_path / "store").rmdir()
    (tmp_path / "a.nt").write_text("<urn:a> <urn:b> <urn:c> .\n")
    assert main(["load", "a.nt"]) == 2
    assert "there is no enrich.toml here" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.nt"]


def options() -> Iterator[tuple[str, str, str, str]]:
    """Every option of every verb: its first name, the verb, what kind of value it takes, and its help."""
    for words in verb_names():
        command = app.verbs()[words[0]].load(words[0])
        for word in words[1:]:
            command = command.commands[word]
        for option in command.params:
            if option.opts[0].startswith("--"):
                kind = "nothing" if option.is_flag else _kind(option.type_descriptor.annotation)
                yield option.opts[0], " ".join(words), kind, option.help


def _kind(annotation: Any) -> str:
    """What an option takes: `Path`, `int`, `float`, or `str`, of which a choice is one."""
    inner = [kind for kind in get_args(annotation) if kind is not type(None)]
    if get_origin(annotation) is Literal:
        return "str"
    return _kind(inner[0]) if inner else str(annotation.__name__)


def test_an_option_takes_the_same_kind_of_value_wherever_it_stands() -> None:
    """Given all verbs, then options of one name take a flag, a number, a file or a text in all of them: --records is
    a list of records everywhere, and how many there are is said otherwise."""
    kinds: dict[str, dict[str, list[str]]] = {}
    for name, verb, kind, _ in options():
        kinds.setdefault(name, {}).setdefault(kind, []).append(verb)
    assert {name: by for name, by in kinds.items() if len(by) > 1} == {}
    assert len(kinds) > 30


@pytest.mark.parametrize(
    "name", ["--json", "--dry-run", "--yes", "--records", "--limit", "--splits", "--set"]
)
def test_an_option_that_verbs_share_means_the_same(name: str) -> None:
    said = {help for option, _, _, help in options() if option == name}
    assert len({re.split(r"[.;(]", text)[0].strip() for text in said}) == 1


def test_debug_shows_the_trace() -> None:
    with pytest.raises(errors.SettingsError):
        main(["gaps", "--config", "none.toml", "--debug"])


@pytest.mark.parametrize("kind", [k for k in vars(errors).values() if isinstance(k, type)])
def test_every_error_has_its_exit_code(kind: type[Exception]) -> None:
    error = kind("what, where, what to do")
    assert isinstance(error, errors.EnrichError)
    assert explained(error) == ("what, where, what to do", error.exit_code)
    assert 1 <= error.exit_code <= 7


def test_errors_of_the_packages_below_are_sentences_too() -> None:
    assert explained(ClassifierError("no labels")) == ("no labels", 4)
    assert explained(OntologyError("no such profile")) == ("no such profile", 2)
    assert explained(ZeroDivisionError("division by zero")) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["gaps", "--debug"], ["--debug", "gaps"]),
        (["gaps", "--config", "a.toml", "--json"], ["--config", "a.toml", "gaps", "--json"]),
        (["gaps", "--config=a.toml"], ["--config=a.toml", "gaps"]),
        (["query", "--", "--debug"], ["query", "--", "--debug"]),
        (["gaps", "--config"], ["--config", "gaps"]),
    ],
)
def test_options_of_the_command_may_stand_anywhere(given: list[str], expected: list[str]) -> None:
    assert hoist(given) == expected


def test_interruption_is_said_and_has_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("enrich.cli.graph.check_profile", interrupted)
    assert main(["profile", "check"]) == 130
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "enrich: interrupted\n")


def test_the_unforeseen_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("enrich.cli.graph.check_profile", broken)
    assert main(["profile", "check"]) == 1
    assert (
        "unforeseen ZeroDivisionError: division by zero (run it again with --debug" in capsys.readouterr().err
    )


class TestPlugins:
    """Verbs that other packages add."""

    @pytest.fixture(autouse=True)
    def _plugins(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "a_plugin.py").write_text(
            "def hello(name: str = 'world') -> None:\n    '''Greet.'''\n    print('hello', name)\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        points = {
            "hello": EntryPoint("hello", "a_plugin:hello", app.PLUGINS),
            "absent": EntryPoint("absent", "no_such_package:verb", app.PLUGINS),
            "gaps": EntryPoint("gaps", "a_plugin:hello", app.PLUGINS),
        }
        monkeypatch.setattr(app, "entry_points", lambda **_: list(points.values()))

    def test_are_run_with_their_options(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["hello", "--name", "museum"]) == 0
        assert capsys.readouterr().out == "hello museum\n"

    def test_are_not_imported_for_other_verbs(self) -> None:
        sys.modules.pop("a_plugin", None)
        main(["profile", "list"])
        assert "a_plugin" not in sys.modules

    def test_do_not_take_the_place_of_ours(self) -> None:
        assert "Count the records" in help_text(["gaps"])

    def test_are_listed_even_when_they_cannot_be_imported(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--help"]) == 0
        out = capsys.readouterr().out
        assert "Greet." in out
        assert "Not available" in out
        assert main(["absent"]) == 2
        assert "no_such_package" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "waits"), [({}, "1000"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None), ({"GOMP_SPINCOUNT": "7"}, "7")]
)
def test_threads_that_wait_leave_the_cores_to_others(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str], waits: str | None
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in said.items():
        monkeypatch.setenv(name, value)

    assert main(["--version"]) == 0

    assert os.environ.get("GOMP_SPINCOUNT") == waits
