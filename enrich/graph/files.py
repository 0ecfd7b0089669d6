"""Files as bytes: unpacked when the name ends in .gz, without a byte order mark, and in UTF-8; written whole or not."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from enrich.errors import InputError

_BOM = b"\xef\xbb\xbf"
_UTF_16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00")


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes. Raises InputError for one that cannot be read, is damaged, or is in UTF-16 or UTF-32."""
    try:
        with path.open("rb") as raw, _unpacked(raw, path) as data:
            first = data.peek(4)[:4]
            if first.startswith(_UTF_16_OR_32) or (first[1:2] == b"\x00"):
                raise InputError(
                    f"{path} is in UTF-16 or UTF-32; write it in UTF-8: iconv -f UTF-16 -t UTF-8"
                )
            if first.startswith(_BOM):
                data.read(len(_BOM))
            yield data
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} cannot be read: it is cut short or damaged ({error})") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _unpacked(raw: io.BufferedReader, path: Path) -> io.BufferedReader:
    if path.suffix.lower() != ".gz":
        return raw
    return io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 20)


@contextmanager
def writing(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name only when it was written whole."""
    if str(target) == "-":
        yield sys.stdout.buffer
        return
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as raw:
            if target.suffix == ".gz":
                with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
                    yield packed  # type: ignore[misc]
            else:
                yield raw
        part.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}; name another file") from error
    finally:
        part.unlink(missing_ok=True)
