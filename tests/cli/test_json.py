"""Scripts: every verb has --json, one object on stdout; what goes wrong is an object on stderr, with its exit code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from enrich.cli import main
from enrich.cli.reference import help_text, verb_names
from enrich.demo.museum import write_museum
from tests.servers import Endpoint
from tests.verbs import verb_of

UNTIL_STOPPED = {"worker", "beat", "web"}
"""Verbs without an answer: they work until they are stopped, and log JSON."""
WALK: list[tuple[str, tuple[str, ...]]] = [
    ("init . --profile linked-art --base https://data.museum.example/enrich/ --force", ("settings", "base")),
    ("load records.nq vocabulary.nq", ("files", "paths", "documents")),
    ("load --replace records.nq", ("documents", "replaced", "changed")),
    ("graphs", ("graphs",)),
    ("gaps", ("records", "properties")),
    ("profile list", ("profiles",)),
    ("profile show linked-art", ("title", "properties")),
    ("profile check", ("fits", "records")),
    ("profile draft drafted.toml", ("file",)),
    ("split all.tsv --dev 0.3", ("splits",)),
    ("train --model model --splits splits.tsv", ("model", "digest", "modalities")),
    ("models", ("models",)),
    ("evaluate --model model --splits splits.tsv", ("properties", "split")),
    ("check-promise --property material --least 20 --no-blocks", ("hidden", "summary")),
    ("run --model model --dry-run", ("records", "gaps")),
    ("run --model model", ("run", "predicted")),
    ("runs", ("runs",)),
    ("jobs", ("jobs",)),
    ("job RUN", ("job", "state")),
    ("query", ("queries",)),
    ("query predictions", ("head", "results")),
    ("show RECORD", ("record", "predictions")),
    ("show RUN", ("run", "title", "citation")),
    ("export plain.csv", ("statements", "left_out")),
    ("export run.trig --run RUN", ("written", "graphs")),
    ("prune --dry-run", ("answers", "runs")),
    ("check-promise --reviews --by museum", ("by", "rows", "left_out")),
    ("web token add Night --role curator", ("name", "role", "token")),
    ("web token list", ("tokens",)),
    ("web token revoke Night", ("name", "revoked")),
    ("retract RUN --property place --yes", ("run", "values", "properties", "taken_back")),
    ("retract RUN --yes", ("run", "state", "dropped")),
    ("drop https://museum.example.org/graph/vocabulary --yes", ("graph", "statements")),
]
OPEN: list[tuple[str, tuple[str, ...]]] = [
    ("job RUN", ("job", "state", "gaps")),
    ("pause RUN", ("job", "run", "state")),
    ("resume RUN", ("job", "run", "batches_left")),
    ("cancel RUN --yes", ("job", "state", "dropped")),
]
"""What is asked of a run that has not ended."""
SERVED: list[tuple[str, tuple[str, ...]]] = [
    ("queue --model model --property place", ("job", "run")),
    ("health --no-worker", ("ok", "problems", "queued")),
]
"""What needs a broker and a server."""
ELSEWHERE = {
    "review": "test_curator.py",
    "demo": "demo/test_tour.py",
    "pretrain": "cli/test_pretrain.py",
    "soup": "cli/test_soup.py",
    "study": "cli/test_study.py",
}
"""Verbs that need pictures or minutes: their JSON is read in these tests."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A made museum that nothing was done with."""
    folder = tmp_path_factory.mktemp("museum")
    write_museum(folder, 120)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ENRICH_TRAIN__MODALITIES", "dummy")
        patch.setenv("ENRICH_DECISION__THRESHOLDS", '{"place": 0.0}')
        yield folder


@pytest.mark.parametrize("words", verb_names(), ids=" ".join)
def test_every_verb_has_json_but_those_that_work_until_stopped(words: list[str]) -> None:
    assert ("--json" in help_text(words)) != (" ".join(words) in UNTIL_STOPPED)


def test_the_walk_and_the_tests_elsewhere_leave_no_verb_out() -> None:
    lines = [line for walk in (WALK, OPEN, SERVED) for line, _ in walk]
    walked = {" ".join(verb_of(line.split())) for line in lines}
    assert {" ".join(w) for w in verb_names()} - walked == {
        " ".join(w) for w in verb_names() if w[0] in ELSEWHERE or " ".join(w) in UNTIL_STOPPED
    }
    for name in ELSEWHERE.values():
        assert '"--json"' in (Path(__file__).parents[1] / name).read_text(encoding="utf-8")


def walk(
    lines: list[tuple[str, tuple[str, ...]]], named: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Give each verb in turn with --json: stdout is one object with the names that the table says."""
    for line, keys in lines:
        words = [named.get(word, word) for word in line.split()]
        capsys.readouterr()
        assert main([*words, "--json"]) == 0, line
        said: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert set(keys) <= set(said), line
        named["RUN"] = said.get("run") or named.get("RUN", "")
        for row in said.get("results", {}).get("bindings", []):
            named["RECORD"] = row["record"]["value"]


def test_json_of_a_whole_way_is_one_object_with_named_lists(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a new museum, when every verb is given in turn with --json, then each answers with one object."""
    del folder
    walk(WALK, {}, capsys)


def test_json_of_a_run_that_has_not_ended(
    answered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a run that was interrupted, when it is looked at, paused, resumed and cancelled, then each says so in JSON."""
    monkeypatch.chdir(shutil.copytree(answered, tmp_path / "copy"))
    assert main(["retract", _ids(capsys)[0], "--yes"]) == 0

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("enrich.answering.run.do_batch", interrupted)
        assert main(["run", "--model", "model"]) == 130
    walk(OPEN, {"RUN": _ids(capsys)[-1]}, capsys)


def test_json_of_the_service(
    answered: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    redis_url: str,
    oxigraph_server: Endpoint,
) -> None:
    monkeypatch.chdir(shutil.copytree(answered, tmp_path / "copy"))
    monkeypatch.setenv("ENRICH_WORKERS__BROKER", redis_url)
    monkeypatch.setenv("ENRICH_BASE", "https://data.museum.example/queued/")
    for key, value in asdict(oxigraph_server).items():
        if value is not None:
            monkeypatch.setenv(f"ENRICH_STORE__{key.upper()}", value)
    assert main(["load", "records.nq", "vocabulary.nq"]) == 0
    walk(SERVED, {}, capsys)


def _ids(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The ids of the runs, the oldest first."""
    capsys.readouterr()
    assert main(["runs", "--json"]) == 0
    return [run["run"].rpartition("/")[2] for run in json.loads(capsys.readouterr().out)["runs"]]


@pytest.mark.parametrize(
    ("line", "code", "kind"),
    [
        ("gasp", 2, "UsageError"),
        ("gaps --config none.toml", 2, "SettingsError"),
        ("load none.nq", 2, "InputError"),
        ("run --model none", 4, "ModelFolderError"),
        ("retract none-at-all", 6, "RunError"),
        ("profile check nowhere", 2, "OntologyError"),
    ],
)
def test_an_error_is_an_object_on_stderr(
    folder: Path, capsys: pytest.CaptureFixture[str], line: str, code: int, kind: str
) -> None:
    (folder / "store").mkdir(exist_ok=True)
    capsys.readouterr()
    assert main([*line.split(), "--json"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    error = json.loads(said.err)["error"]
    assert (error["exit_code"], error["kind"]) == (code, kind)
    assert error["message"]


@dataclass(frozen=True)
class Done:
    """What came of a command line: the exit code of each command in its pipe, and what was written."""

    codes: tuple[int, ...]
    out: bytes
    err: str


def enrich(folder: Path, command: str, **environment: str) -> Done:
    """A command line of bash, in which `enrich` is ours."""
    prelude = f'enrich() {{ "{sys.executable}" -m enrich "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-c", f'{prelude}{command}\necho "${{PIPESTATUS[@]}}" >&2'],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )
    *said, codes = done.stderr.decode().splitlines()
    return Done(tuple(map(int, codes.split())), done.stdout, "\n".join(said))


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A museum with names in many letters, a model and a run."""
    folder = tmp_path_factory.mktemp("answered")
    write_museum(folder, 120)
    environment = {
        "ENRICH_TRAIN__MODALITIES": "dummy",
        "ENRICH_DECISION__THRESHOLDS": '{"place": 0.0, "technique": 0.0}',
    }
    for line in (
        "init . --profile linked-art",
        "load records.nq vocabulary.nq",
        "train --model model --splits splits.tsv",
        "run --model model",
    ):
        done = enrich(folder, f"enrich {line}", **environment)
        assert done.codes == (0,), done.err
    return folder


def test_a_reader_that_goes_away_is_a_success(answered: Path) -> None:
    """Given more rows than a pipe holds, when its reader goes after the first, then nothing is said and the exit code
    is 0, as it is of `export -`."""
    (answered / "all.rq").write_text("SELECT * WHERE { GRAPH ?g { ?s ?p ?o } }")
    for command in ("enrich query all.rq --format csv | head -n 1", "enrich export - | head -c 10"):
        done = enrich(answered, command)
        assert done.codes == (0, 0), command
        assert done.err == "" or done.err.startswith("wrote "), (
            "a pipe may have taken all before its reader went"
        )
        assert done.out


def test_a_full_disk_is_one_sentence(answered: Path) -> None:
    """Given a disk without room, when an answer goes to stdout or a file to disk, then that is said in a sentence with
    the exit code 2, and no part of a file stays."""
    done = enrich(answered, "enrich query predictions > /dev/full")
    assert done.err == "enrich: cannot write: No space left on device; make room, and run it again"
    assert done.codes == (2,)
    run = "$(enrich runs --json | grep -om1 '[^/]*Z-[0-9a-f]*')"
    done = enrich(answered, f"ulimit -f 100; enrich export run.nq --run {run}")
    assert (done.codes, done.err) == ((2,), "enrich: cannot write run.nq: File too large; name another file")
    assert not list(answered.glob("*.part"))


def test_files_and_pipes_get_utf_8_whatever_the_locale_says(answered: Path) -> None:
    (answered / "name.rq").write_text('SELECT ("Çatalhöyük 漆" AS ?name) {}', encoding="utf-8")
    for encoding in ("ascii", "latin-1"):
        done = enrich(answered, "enrich query name.rq --format csv", PYTHONIOENCODING=encoding)
        assert done.out.decode() == "name\nÇatalhöyük 漆\n"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("enrich.toml", "gaps"),
        ("profile.toml", "profile check profile.toml"),
        ("splits.tsv", "train --model other --splits splits.tsv"),
        ("records.txt", "run --model model --records records.txt"),
        ("query.rq", "query query.rq"),
    ],
)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_in_another_encoding_is_named(
    answered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, line: str, encoding: str
) -> None:
    """Given a file that is not in UTF-8, when a verb reads it, then one line says which, and the exit code is 2."""
    folder = Path(shutil.copytree(answered, tmp_path / "copy"))
    (folder / name).write_text("# é\n", encoding)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        capsys.readouterr()
        assert main(line.split()) == 2
    said = capsys.readouterr().err
    assert name in said
    assert said.count("\n") == 1
