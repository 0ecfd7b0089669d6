"""What the verbs share: the workspace, output as JSON or tables, and progress on stderr."""

import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import typer
from pyoxigraph import NamedNode
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from enrich.classifiers.stored import json_values
from enrich.classifiers.tables import Table
from enrich.cli.options import CONFIG
from enrich.cli.options import Json as Json
from enrich.cli.options import ModelFolder as ModelFolder
from enrich.cli.options import example as example
from enrich.cli.options import group as group
from enrich.cli.stderr import QUIET, STDERR, VERBOSE
from enrich.errors import InputError
from enrich.graph.record_files import read_records
from enrich.settings.loading import FILE_NAME, Settings
from enrich.show.tables import print_table
from enrich.show.terminal import printable
from enrich.workspace import Workspace

SHOW_AFTER = 2.0
"""Seconds after which work that is still going on shows a progress bar."""
LINE_EVERY = 10.0
"""Seconds between two lines about progress where there is no terminal."""


@contextmanager
def open_workspace(*, new_store: bool = False, reading: bool = False) -> Iterator[Workspace]:
    """The workspace that the settings describe, closed at the end. Raises InputError for an embedded store that is
    not there, unless a `new_store` may be made: a question makes none, and nothing does without enrich.toml.
    Who is only `reading` may do so while another process holds the store, and is told."""
    with Workspace.open(CONFIG.get(), reading=reading) as workspace:
        there = workspace.has_store
        if not new_store or workspace.settings.source is None:
            workspace.expect_store()
        if reading and workspace.store and workspace.beside:
            say("another process has the store open: this is what it had written until now")
        try:
            yield workspace
        finally:
            if not there:
                workspace.forget_empty_store()


def path_from(folder: Path, profile: Path) -> str:
    """A profile's path as the folder's settings name it: within the folder relative to it, so that it can be moved."""
    path, home = profile.resolve(), folder.resolve()
    inside = path.is_relative_to(home) and path.suffix == ".toml"
    return path.relative_to(home).as_posix() if inside else str(path)


def model_folder(workspace: Workspace, given: Path | None) -> Path:
    """The folder that --model names, or else the settings."""
    return workspace.settings.locate(workspace.settings.model) if given is None else given.expanduser()


def records_named(workspace: Workspace, file: Path | None) -> list[NamedNode] | None:
    """The records that --records names and the graph has; None without the option. Raises InputError when the graph
    has none of them; what else it does not have is said."""
    if file is None:
        return None
    named = read_records(file)
    known = workspace.reader.known(named)
    there = set(known)
    strange = next((record for record in named if record not in there), None)
    if strange is not None:
        many = f"{len(named) - len(known):,} of the {len(named):,} records that {file} names"
        what = (
            f"{many} are no records of the profile {workspace.profile.name} in the graph, such as {strange}"
        )
        if not known:
            raise InputError(f"{what}; see: enrich profile check")
        say(f"{what}: they are left out")
    return known


def write_json(data: Any) -> None:
    """JSON on stdout, keys in the order given; NaN is not JSON and becomes null."""
    text = json.dumps(json_values(data), ensure_ascii=False, indent=2, allow_nan=False, default=str)
    sys.stdout.write(text + "\n")


def say(text: str) -> None:
    """A line for a person, on stderr, unless told to be quiet: stdout is for the answer."""
    STDERR.say(text)


def warn_of_example(settings: Settings) -> None:
    """Say it where the IRIs that enrich makes are nobody's: they cannot be cited, and those of two museums are alike."""
    if settings.examples:
        where = settings.source or FILE_NAME
        say(
            f"set {' and '.join(settings.examples)} in {where} to IRIs that you own, before anything is published: "
            f"{' and '.join(settings.examples.values())} stand for nobody"
        )


def ask(question: str, yes: bool) -> None:
    """Go on when a person says yes, or said it before. Raises InputError where there is nobody to ask."""
    asked = question[0].upper() + question[1:]
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(f"{asked.removesuffix('?')}: say --yes, or look first with --dry-run")
    if not typer.confirm(asked, err=True):
        raise typer.Exit(1)


def write_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    title: str | None = None,
    numbers: Sequence[int] = (),
    spare: Sequence[int] = (),
) -> None:
    """A table on stdout (see `Table`), with two decimals."""
    print_table(Table(columns, rows, title, numbers, 2, spare))


def promised(precision: float | None) -> float | str:
    """A promise in a table."""
    return "nothing" if precision is None else precision


class Bars:
    """Progress as `(stage, done, total)`: one bar on a terminal's stderr once the work has taken two seconds.

    Until a stage is reported, the bar says `what` and how long it has taken. Where stderr is no terminal, a line is
    said now and then, and with --verbose at every new stage; `lines` false leaves that to the caller.
    """

    def __init__(self, what: str, *, lines: bool = True) -> None:
        self.wanted = sys.stderr.isatty() and STDERR.level > QUIET
        """Whether there is a terminal to show a bar on."""
        self._lines = lines and not self.wanted
        self._said, self._stage = time.monotonic(), ""
        self._bar = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True, ratio=1)),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            expand=True,
            disable=not self.wanted,
        )
        self._task = self._bar.add_task(what, total=None)
        self._timer = threading.Timer(SHOW_AFTER, self._bar.start)
        self._timer.daemon = True

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Say how far a stage has come; total 0 when it is not known."""
        text = f"{stage} ({note})" if note else stage
        if self.wanted:
            self._bar.update(self._task, description=printable(text), completed=done, total=total or None)
        elif self._lines:
            self._line(stage, f"{text}: {done:,}{f' of {total:,}' if total else ''}")

    def _line(self, stage: str, text: str) -> None:
        """Say it when it was quiet for long, or as a detail when a stage begins."""
        if time.monotonic() - self._said > LINE_EVERY:
            self._said, self._stage = time.monotonic(), stage
            say(text)
        elif stage.partition(",")[0] != self._stage.partition(",")[0]:
            self._stage = stage
            STDERR.say(text, VERBOSE)

    def __enter__(self) -> Self:
        if self.wanted:
            self._timer.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.wanted:
            self._timer.cancel()
            self._timer.join()
            self._bar.stop()
