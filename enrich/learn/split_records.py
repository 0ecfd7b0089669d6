"""Reads the records of a split from the graph, with their pictures where a classifier looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyoxigraph import NamedNode

from enrich.classifiers.base import Progress
from enrich.classifiers.data import Record
from enrich.errors import InputError
from enrich.graph.records import Subject
from enrich.media.pictures import PictureSource
from enrich.media.prefetch import prefetch
from enrich.workspace import Workspace


def read_records_of(
    workspace: Workspace, iris: Sequence[NamedNode] | None, progress: Progress, pictures: bool = False
) -> tuple[list[Record], int]:
    """The records of these IRIs (all for None), and how many could not be read.

    With `pictures` their files are fetched as well, or the reason noted why there is none. Raises ProfileError or
    InputError when the graph has none of them.
    """
    total = 0 if iris is None else len(iris)
    records: list[Record] = []
    skipped = 0
    for done, subject in enumerate(_subjects(workspace, iris, pictures), start=1):
        if subject.problem is None:
            records.append(subject.record)
        else:
            skipped += 1
        if done % 500 == 0:
            progress("reading", done, total)
    if not records:
        workspace.reader.expect_records()
        which = (
            "no record" if iris is None else f"none of the {total:,} records asked for, such as {iris[0]},"
        )
        raise InputError(f"{which} is in the graph, or can be read: load it first, or check the splits")
    progress("reading", len(records) + skipped, len(records) + skipped)
    return records, skipped


def _subjects(workspace: Workspace, iris: Sequence[NamedNode] | None, pictures: bool) -> Iterator[Subject]:
    if not pictures:
        yield from workspace.reader.read_all(iris)
        return
    with PictureSource(workspace.settings.located_media) as source:
        yield from prefetch(workspace.reader.read_all(iris), source)
