"""`enrich profile draft` as a newcomer meets it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pyoxigraph as ox
import pytest
import typer

from enrich.cli import main
from tests.drafting.made import NS, pots


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A museum of pots that no profile fits, loaded and entered."""
    assert main(["init", str(tmp_path)]) == 0
    monkeypatch.chdir(tmp_path)
    ox.serialize(pots(120), str(tmp_path / "pots.nq"), ox.RdfFormat.N_QUADS)
    assert main(["load", "pots.nq"]) == 0
    capsys.readouterr()
    return tmp_path


def test_a_draft_is_written_shown_and_passes_the_check(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", "draft", "pots.toml", "--yes"]) == 0

    said = capsys.readouterr()
    assert "technique" in said.out
    assert "enrich profile check pots.toml" in said.err
    assert tomllib.loads((folder / "pots.toml").read_text())["record_class"] == "ontology:Pot"
    assert main(["profile", "check", "pots.toml"]) == 0


@pytest.mark.parametrize(
    ("file", "named"), [("{museum}/pots.toml", "pots.toml"), ("pots.toml", "{here}/pots.toml")]
)
def test_the_next_step_is_right_where_the_settings_are_elsewhere(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], file: str, named: str,
) -> None:  # fmt: skip
    """Given a draft made by --config from another folder, then the profile that is to be entered is found from there."""
    here = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(here)
    settings = folder / "enrich.toml"
    config = ["--config", str(settings)]

    assert main([*config, "profile", "draft", file.format(museum=folder), "--yes"]) == 0

    line = f'profile = "{named.format(here=here)}"'
    assert f"then {line} in enrich.toml" in capsys.readouterr().err.replace("\n", "")
    text = settings.read_text().replace('profile = "silknow"', line)
    settings.write_text(text)
    assert main([*config, "gaps"]) == 0


def test_json_says_the_findings_and_asks_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "draft", "pots.toml", "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert (found["record_class"], found["records"], found["complete"]) == (NS + "Pot", 120, True)
    assert {f["role"] for f in found["findings"]} >= {"property", "text", "picture", "context", "leak"}
    assert (folder / "pots.toml").exists()


def test_without_a_terminal_it_wants_yes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "draft", "pots.toml"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert not (folder / "pots.toml").exists()


def test_a_file_that_is_there_is_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "pots.toml").write_text("mine")

    assert main(["profile", "draft", "pots.toml", "--yes"]) == 2
    assert "--force" in capsys.readouterr().err
    assert (folder / "pots.toml").read_text() == "mine"
    assert main(["profile", "draft", "pots.toml", "--yes", "--force"]) == 0


def test_in_a_terminal_a_person_chooses(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a person who takes the first class, leaves out the technique, and keeps the rest."""
    answers = iter(["9", "1", "nonsense", "technique", "", ""])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: next(answers))

    assert main(["profile", "draft", "pots.toml"]) == 0

    text = (folder / "pots.toml").read_text()
    assert "technique" not in tomllib.loads(text)["properties"]
    assert "# [properties.technique]" in text


@pytest.mark.usefixtures("folder")
def test_a_class_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "draft", "a.toml", "--yes", "--record-class", "no iri"]) == 2
    assert "--record-class" in capsys.readouterr().err
    assert main(["profile", "draft", "a.toml", "--yes", "--record-class", NS + "Jug"]) == 2
    assert "there are" in capsys.readouterr().err
