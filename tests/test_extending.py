"""What docs/contributing.md says of adding a profile, a verb and a store, done in a temporary folder."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any, ClassVar

import pytest

from enrich.answering import run as pipeline
from enrich.cli import main
from enrich.cli.app import VERBS, Verb
from enrich.graph.gaps import count_gaps
from enrich.graph.stores import Store, embedded
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.ontology import profile_files
from enrich.settings.loading import Settings
from enrich.workspace import Workspace
from tests.museums import PROFILE, THRESHOLDS, dummy_model, museum

ONTOLOGY = Path(profile_files.__file__).parent
PROFILE_TOML = """
record_class = "schema:CreativeWork"
labels = [["schema:name"]]
[properties.place]
predicate = "schema:locationCreated"
"""
RECORDS = """
@prefix schema: <http://schema.org/> .
<https://m.example/1> a schema:CreativeWork ; schema:name "one" ; schema:locationCreated <https://m.example/lyon> .
<https://m.example/2> a schema:CreativeWork ; schema:name "two" .
"""


def enrich(*words: str, cwd: Path, beside: Path | None = None) -> str:
    """Run the command in a process of its own, with the modules of a folder beside ours."""
    paths = [*([str(beside)] if beside else []), str(Path(__file__).resolve().parents[1])]
    done = subprocess.run(
        [sys.executable, "-m", "enrich", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_profile_is_one_toml_file(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(PROFILE_TOML, encoding="utf-8")
    (tmp_path / "records.ttl").write_text(RECORDS, encoding="utf-8")
    enrich("init", ".", "--profile", "own.toml", cwd=tmp_path)
    enrich("load", "records.ttl", cwd=tmp_path)
    found = json.loads(enrich("gaps", "--json", cwd=tmp_path))
    assert found["records"] == 2
    assert found["properties"]["place"]["missing"] == 1
    assert json.loads(enrich("profile", "check", "--json", cwd=tmp_path))["records"] == 2


def test_a_profile_in_the_folder_of_profiles_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "ontology"
    shutil.copytree(ONTOLOGY, package)
    (package / "profiles" / "porcelain.toml").write_text(PROFILE_TOML, encoding="utf-8")
    monkeypatch.setattr(profile_files, "files", lambda _: package)
    profile_files.profile_names.cache_clear()
    try:
        assert main(["profile", "list", "--json"]) == 0
        listed = {profile["name"]: profile for profile in json.loads(capsys.readouterr().out)["profiles"]}
        assert listed["porcelain"]["properties"] == ["place"]
        (tmp_path / "records.ttl").write_text(RECORDS, encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        assert main(["init", ".", "--profile", "porcelain"]) == 0
        assert main(["load", "records.ttl"]) == 0
        capsys.readouterr()
        assert main(["gaps", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["properties"]["place"]["missing"] == 1
    finally:
        profile_files.profile_names.cache_clear()


def test_a_verb_is_a_function_and_a_line_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "counting_verb.py").write_text(
        dedent('''
            """A verb that counts letters."""
            from enrich.cli.common import Json, write_json

            EXAMPLES = {"letters": "enrich letters Lampas"}

            def letters(word: str, as_json: Json = False) -> None:
                """Count the letters of a word. Nothing else is done."""
                write_json({"letters": len(word)})
        ''')
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(VERBS, "letters", Verb("counting_verb:letters", "Look"))
    assert main(["letters", "Lampas", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"letters": 6}
    assert main(["--help"]) == 0
    assert re.search(r"letters +Count the letters of a word\.\n", capsys.readouterr().out)
    assert main(["letters", "--help"]) == 0
    assert "enrich letters Lampas" in capsys.readouterr().out


def test_a_store_that_open_store_makes_is_used_by_every_verb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Noting(EmbeddedStore):
        """It notes when it is opened, and where."""

        opened: ClassVar[list[Path | None]] = []

        def __init__(self, path: Path | None = None, **options: Any) -> None:
            super().__init__(path, **options)
            self.opened.append(path)

    monkeypatch.setattr(embedded, "EmbeddedStore", Noting)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.toml").write_text(PROFILE_TOML, encoding="utf-8")
    (tmp_path / "records.ttl").write_text(RECORDS, encoding="utf-8")
    assert main(["init", ".", "--profile", "own.toml"]) == 0
    with Workspace.open() as workspace:
        assert type(workspace.store) is Noting
    for words in (["load", "records.ttl"], ["gaps", "--json"], ["show", "https://m.example/2", "--json"]):
        Noting.opened.clear()
        assert main(words) == 0, capsys.readouterr().err
        assert len(Noting.opened) == 1, words


def test_a_verb_of_another_package_is_an_entry_point(tmp_path: Path) -> None:
    (tmp_path / "greeting.py").write_text(
        dedent('''
            """A verb that counts the records of the museum."""
            from enrich.cli.common import Json, open_workspace, write_json

            EXAMPLES = {"greet": "enrich greet --json"}

            def greet(as_json: Json = False) -> None:
                """Greet the museum. It answers with its records."""
                with open_workspace() as workspace:
                    write_json({"records": workspace.reader.count(), "json": as_json})
        ''')
    )
    folder = tmp_path / "greeting-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting\nVersion: 1\n")
    (folder / "entry_points.txt").write_text("[enrich.commands]\ngreet = greeting:greet\n")
    (tmp_path / "records.ttl").write_text(RECORDS, encoding="utf-8")
    (tmp_path / "own.toml").write_text(PROFILE_TOML, encoding="utf-8")
    enrich("init", ".", "--profile", "own.toml", cwd=tmp_path)
    enrich("load", "records.ttl", cwd=tmp_path)

    assert json.loads(enrich("greet", "--json", cwd=tmp_path, beside=tmp_path)) == {
        "records": 2,
        "json": True,
    }
    assert re.search(r"greet +Greet the museum\.\n", enrich("--help", cwd=tmp_path, beside=tmp_path))
    assert "enrich greet --json" in enrich("greet", "--help", cwd=tmp_path, beside=tmp_path)


def test_a_store_is_a_class_that_follows_the_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "counting_store.py").write_text(
        dedent('''
            """A store that counts what it is asked, on top of the embedded one."""
            from enrich.graph.stores.embedded import EmbeddedStore

            class CountingStore(EmbeddedStore):
                asked = 0

                def select(self, query):
                    self.asked += 1
                    return super().select(query)
        ''')
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with importlib.import_module("counting_store").CountingStore() as store:
        assert isinstance(store, Store)
        workspace = museum(30, store)
        before = count_gaps(workspace)
        model = dummy_model(workspace, tmp_path / "model")
        same = Workspace(Settings(profile=str(PROFILE), decision={"thresholds": THRESHOLDS}), store)  # type: ignore[arg-type]
        pipeline.run(same, model)
        assert sum(g.open for g in before.properties.values()) > 0
        assert sum(g.open for g in count_gaps(workspace).properties.values()) == 0
        assert store.asked > 0
