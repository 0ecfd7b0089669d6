"""Files that name records: lists of IRIs, and splits. They may be compressed (.gz), or be standard input (-)."""

import csv
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from pyoxigraph import NamedNode

from enrich.errors import InputError
from enrich.graph.files import open_bytes, plain, said


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A UTF-8 text file, unpacked where it is gzip; `-` is standard input. Raises InputError when it cannot be read."""
    piped = str(path) == "-"
    if not piped and not path.exists():
        raise InputError(f"no file {path}")
    where = _named(path)
    try:
        with _piped() if piped else open_bytes(path) as raw:
            text = io.TextIOWrapper(raw, encoding="utf-8", newline="")
            yield text
            if piped:
                text.detach()  # it would close standard input
    except UnicodeDecodeError as error:
        line = "" if piped else f", line {_first_wrong_line(path)}"
        raise InputError(
            f"{where}{line} is not UTF-8 text; save it as UTF-8 (in Excel: CSV UTF-8)"
        ) from error
    except csv.Error as error:
        raise InputError(f"{where} cannot be read: {error}") from error


def _first_wrong_line(path: Path) -> int:
    """The number of the first line that is not UTF-8."""
    with open_bytes(path) as data:
        for number, line in enumerate(data, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


@contextmanager
def _piped() -> Iterator[BinaryIO]:
    with said("standard input"), plain(sys.stdin.buffer, 0, "standard input", "") as data:
        yield data


def read_records(path: Path) -> list[NamedNode]:
    """The records of a list: one IRI per line, or a table with a `record` column, between tabs or commas.

    Empty lines and lines that begin with # are skipped; a record named twice is read once, in its first
    place. Raises InputError with the line of what is not an absolute IRI, and for a file that names no record.
    """
    found: dict[NamedNode, None] = {}
    with open_text(path) as file:
        lines = enumerate(file, start=1)
        for number, line in lines:
            text = line.rstrip("\r\n")
            if not text.strip() or text.startswith("#"):
                continue
            header = _header(text)
            if "record" in header:
                for row, cells in _rows(header, file, text):
                    found[_record(cells.get("record") or "", path, number + row)] = None
                break
            if "\t" in text:
                raise InputError(
                    f"{_named(path)}: several columns but none is called record; name it in line {number}"
                )
            found[_record(text, path, number)] = None
    if not found:
        raise InputError(
            f"{_named(path)} names no record: it needs an IRI per line, or a table with a record column"
        )
    return list(found)


def read_splits(path: Path) -> dict[str, list[NamedNode]]:
    """Records by split, of a table with the columns record and split, between tabs or commas, in its order.

    Raises InputError for missing columns, an IRI that is none, or a record that is in two splits.
    """
    splits: dict[str, list[NamedNode]] = {}
    seen: dict[NamedNode, str] = {}
    with open_text(path) as file:
        first = file.readline().rstrip("\r\n")
        header = _header(first)
        missing = {"record", "split"} - set(header)
        if missing:
            raise InputError(
                f"{_named(path)} has no column {' and '.join(sorted(missing))}; it needs record and split"
            )
        for row, cells in _rows(header, file, first):
            record = _record(cells.get("record") or "", path, 1 + row)
            split = (cells.get("split") or "").strip()
            if seen.setdefault(record, split) != split:
                raise InputError(
                    f"{_named(path)}, line {1 + row}: {record} is in {seen[record]} and in {split}"
                )
            splits.setdefault(split, []).append(record)
    return {split: list(dict.fromkeys(members)) for split, members in splits.items()}


def _header(line: str) -> list[str]:
    """The names of the columns of a table, between tabs or commas; those of SPARQL's TSV begin with a question mark."""
    cells = line.split("\t") if "\t" in line else next(csv.reader([line]), [])
    return [cell.strip().removeprefix("?") for cell in cells]


def _rows(header: list[str], file: TextIO, first: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows beneath a header line `first`, each with its number and its cells by column; empty ones are skipped.

    Between tabs nothing is quoted, between commas anything may be (RFC 4180)."""
    tabs = "\t" in first or "," not in first
    rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.reader(file)
    for cells in rows:
        if any(cells) and not cells[0].startswith("#"):
            yield rows.line_num, dict(zip(header, cells, strict=False))


def _named(path: Path) -> str:
    return "standard input" if str(path) == "-" else str(path)


def _record(text: str, path: Path, line: int) -> NamedNode:
    iri = text.strip().removeprefix("<").removesuffix(">")
    try:
        return NamedNode(iri)
    except ValueError as error:
        raise InputError(f"{_named(path)}, line {line}: not an absolute IRI: {iri[:200]!r}") from error
