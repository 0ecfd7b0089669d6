"""Files that name records: lists of IRIs, and splits. Both may be compressed (.gz)."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pyoxigraph import NamedNode

from enrich.errors import InputError
from enrich.graph.files import open_bytes


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A UTF-8 text file, decompressed when its name ends in .gz. Raises InputError when it cannot be read."""
    if not path.exists():
        raise InputError(f"no file {path}")
    try:
        with open_bytes(path) as raw:
            yield io.TextIOWrapper(raw, encoding="utf-8", newline="")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def read_records(path: Path) -> list[NamedNode]:
    """The records of a list: one IRI per line, or a tab-separated file with a `record` column.

    Empty lines and lines that begin with # are skipped; a record named twice is read once, in its first
    place. Raises InputError with the line of what is not an absolute IRI, and for a file that names no record.
    """
    found: dict[NamedNode, None] = {}
    with open_text(path) as file:
        column: int | None = None
        for number, line in enumerate(file, start=1):
            text = line.rstrip("\r\n")
            if not text.strip() or text.startswith("#"):
                continue
            cells = text.split("\t")
            if column is None:
                column = cells.index("record") if "record" in cells else 0
                if "record" in cells:
                    continue
                if len(cells) > 1:
                    raise InputError(
                        f"{path}: several columns but none is called record; name it in line {number}"
                    )
            found[_record(cells[column] if column < len(cells) else "", path, number)] = None
    if not found:
        raise InputError(f"{path} names no record: it needs an IRI per line, or a table with a record column")
    return list(found)


def read_splits(path: Path) -> dict[str, list[NamedNode]]:
    """Records by split, of a tab-separated file with the columns record and split, in its order.

    Raises InputError for missing columns, an IRI that is none, or a record that is in two splits.
    """
    splits: dict[str, list[NamedNode]] = {}
    seen: dict[NamedNode, str] = {}
    with open_text(path) as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        missing = {"record", "split"} - set(rows.fieldnames or ())
        if missing:
            raise InputError(
                f"{path} has no column {' and '.join(sorted(missing))}; it needs record and split"
            )
        for row in rows:
            record, split = _record(row["record"] or "", path, rows.line_num), (row["split"] or "").strip()
            if seen.setdefault(record, split) != split:
                raise InputError(
                    f"{path}, line {rows.line_num}: {record} is in {seen[record]} and in {split}"
                )
            members = splits.setdefault(split, [])
            members.append(record)
    return {split: list(dict.fromkeys(members)) for split, members in splits.items()}


def _record(text: str, path: Path, line: int) -> NamedNode:
    iri = text.strip().removeprefix("<").removesuffix(">")
    try:
        return NamedNode(iri)
    except ValueError as error:
        raise InputError(f"{path}, line {line}: not an absolute IRI: {iri[:200]!r}") from error
