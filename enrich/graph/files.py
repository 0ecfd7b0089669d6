"""Files as bytes: unpacked when they are gzip, within bounds, without a byte order mark, and in UTF-8; written whole
or not at all."""

import csv
import gzip
import io
import lzma
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from enrich.errors import InputError

GROWN = 1 << 30
"""Bytes that anything may have when it is unpacked; more only at GROWTH times its packed size."""
GROWTH = 250
"""How many times larger a packed file may be than it looks: RDF grows some thirty times, a bomb a thousand times."""

_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_UTF_16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00")
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile)


class Bounded(io.RawIOBase):
    """The bytes of an unpacked stream; InputError when they are far more than `packed`, its size before."""

    def __init__(self, source: IO[bytes] | gzip.GzipFile, packed: int, where: object) -> None:
        self._source = source
        self._left = max(GROWN, GROWTH * packed)
        self._where = where

    def readable(self) -> bool:
        """It is read only."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as far as the source goes."""
        data = self._source.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise InputError(
                f"{self._where} is refused: unpacked it is more than {GROWTH} times as large; unpack it yourself"
            )
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes. Raises InputError for one that cannot be read, is damaged, or is in UTF-16 or UTF-32."""
    with said(path), path.open("rb") as raw, plain(raw, path.stat().st_size, path, path.name) as data:
        yield data


@contextmanager
def said(where: object) -> Iterator[None]:
    """Turn what goes wrong while something is read or unpacked into an InputError that names it."""
    try:
        yield
    except _DAMAGED as error:
        raise InputError(f"{where} cannot be read: it is cut short or damaged ({error})") from error
    except NotImplementedError as error:
        raise InputError(
            f"{where} is packed in a way that is not known ({error}); unpack it yourself"
        ) from error
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror or error}") from error


@contextmanager
def plain(source: IO[bytes], packed: int, where: object, name: str) -> Iterator[BinaryIO]:
    """The bytes of a stream of `packed` bytes: unpacked when it is gzip by name or content, without a mark."""
    data = source if isinstance(source, io.BufferedReader) else _bounded(source, packed, where)
    if name.lower().endswith(".gz") or data.peek(2)[:2] == _GZIP:
        data = _bounded(gzip.GzipFile(fileobj=data), packed, where)
    first = data.peek(4)[:4]
    if first.startswith(_UTF_16_OR_32) or (first[1:2] == b"\x00"):
        raise InputError(f"{where} is in UTF-16 or UTF-32; write it in UTF-8: iconv -f UTF-16 -t UTF-8")
    if first.startswith(_BOM):
        data.read(len(_BOM))
    yield data


def _bounded(source: IO[bytes] | gzip.GzipFile, packed: int, where: object) -> io.BufferedReader:
    return io.BufferedReader(Bounded(source, packed, where), 1 << 20)


def suffix_of(path: Path) -> str:
    """The end of a file's name that says its format, beneath .gz, in lower case."""
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


def expect_new(target: Path, *, force: bool) -> None:
    """Raises InputError where a file is there already that somebody may have filled in, unless by `force`."""
    if not force and str(target) != "-" and target.exists():
        raise InputError(f"{target} is there already: name another file, or say --force to write it anew")


@contextmanager
def writing(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name only when it was written whole."""
    if str(target) == "-":
        yield sys.stdout.buffer
        return
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as raw:
            if target.suffix.lower() == ".gz":
                with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
                    yield packed  # type: ignore[misc]
            else:
                yield raw
        part.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}; name another file") from error
    finally:
        part.unlink(missing_ok=True)


def write_csv(file: IO[bytes], columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write a table as CSV, in UTF-8 and with lines that end in LF; returns the number of its rows."""
    text, count = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True), 0
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for count, row in enumerate(rows, start=1):  # noqa: B007
        writer.writerow(row)
    text.detach()
    return count
