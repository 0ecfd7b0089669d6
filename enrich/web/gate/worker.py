"""A process that answers one query after the other. Whoever started it kills it when one takes too long: a query that
sorts a product, say, can be stopped in no other way.

Requests come as lines of JSON on stdin, answers go to the files that they name, and a line to stdout says how it went.
The process ends with the one that started it.
"""

from __future__ import annotations

import json
import os
import queue
import re
import resource
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import pyoxigraph as ox
from pyoxigraph import Triple

from enrich.errors import (
    EnrichError,
    QueryRefused,
    ResultTruncated,
    StoreError,
    StoreTimeout,
)
from enrich.graph.stores.base import Store
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.graph.stores.opening import open_store
from enrich.show.answers import Answer

MEMORY = 2 << 30
"""Bytes that a query may take; the process ends where it would take more."""
LOAD = 10
"""How far the process stands back behind others that want the processor."""
GRAPH_FORMATS = {
    "ttl": ox.RdfFormat.TURTLE,
    "nt": ox.RdfFormat.N_TRIPLES,
    "rdf": ox.RdfFormat.RDF_XML,
    "jsonld": ox.RdfFormat.JSON_LD,
}
"""What the triples of a CONSTRUCT or DESCRIBE are written in."""
_AT = re.compile(r"error at (\d+):(\d+): (.*)")
_CLASSES = re.compile(r",? ?\['.*")
"""The ranges of letters at the end of what a parser expected."""


def main() -> None:
    """Answer requests until there are no more."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no reply
    os.nice(LOAD)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    stores: dict[str, Store] = {}
    while True:
        reply = answered(json.loads(requests.get()), stores)
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def _listen(requests: queue.SimpleQueue[str]) -> None:
    """Take requests; when there will be no more, end the process in the midst of whatever it does."""
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def answered(asked: Mapping[str, Any], stores: dict[str, Store]) -> dict[str, Any]:
    """Write the answer to a file, and say what was cut off; or else what went wrong, in which kind."""
    try:
        with Path(asked["target"]).open("wb") as file:
            return {"cut": _write(asked, _store(asked["store"], stores), _Counted(file, 2 * asked["bytes"]))}
    except QueryRefused as error:
        return _where(str(asked["original"])) or _failure("refused", asked, error)
    except (StoreTimeout, ResultTruncated) as error:
        return _failure("timeout", asked, error)
    except (MemoryError, _TooLarge):
        return {"kind": "memory", "error": "the answer takes too much room"}
    except (StoreError, OSError) as error:
        return _failure("unavailable", asked, error)
    except (EnrichError, ValueError) as error:
        return _failure("refused", asked, error)


def _failure(kind: str, asked: Mapping[str, Any], error: Exception) -> dict[str, Any]:
    """What went wrong, without the address of the server behind: it is nobody's business."""
    said, url = str(error), str(asked["store"].get("query_url", ""))
    for address in filter(None, (url, url.partition("?")[0])):
        said = said.replace(address, "the store")
    return {"kind": kind, "error": said}


def _store(said: Mapping[str, Any], stores: dict[str, Store]) -> Store:
    """The store that a request means, kept open for the next one."""
    name = json.dumps(said)
    if name not in stores:
        while stores:
            stores.popitem()[1].close()
        stores[name] = _opened(said)
    return stores[name]


def _opened(said: Mapping[str, Any]) -> Store:
    if "folder" in said:
        return EmbeddedStore(Path(said["folder"]), read_only=True)
    if "file" in said:
        loaded = EmbeddedStore()
        loaded.store.bulk_load(path=said["file"], format=ox.RdfFormat.N_QUADS)
        return loaded
    return open_store(**said)


def _write(asked: Mapping[str, Any], store: Store, target: _Counted) -> str | None:
    """Write the answer in its format. Returns what was cut off: None, "rows" or "bytes"."""
    text, form = asked["query"], asked["format"]
    if asked["form"] == "ASK":
        Answer((), (), truth=store.ask(text)).write(cast(Any, _Text(target)), form)
        return None
    if asked["form"] == "SELECT":
        found = store.select(text)
        rows = _Capped(found.rows, target, asked["rows"], asked["bytes"])
        Answer(found.variables, rows).write(cast(Any, _Text(target)), form)
        return rows.cut
    triples = _Capped(store.construct(text), target, asked["rows"], asked["bytes"])
    ox.serialize(
        (Triple(q.subject, q.predicate, q.object) for q in triples),
        cast(IO[bytes], target),
        GRAPH_FORMATS[form],
        prefixes=asked["prefixes"] if form in ("ttl", "rdf", "jsonld") else None,
    )
    return triples.cut


class _Capped:
    """Rows or triples until one is too many; `cut` says then which measure was full."""

    def __init__(self, items: Iterable[Any], target: _Counted, rows: int, size: int) -> None:
        self.cut: str | None = None
        self._items, self._target, self._rows, self._size = items, target, rows, size

    def __iter__(self) -> Iterator[Any]:
        try:
            for number, item in enumerate(self._items):
                if number >= self._rows or self._target.size >= self._size:
                    self.cut = "rows" if number >= self._rows else "bytes"
                    return
                yield item
        except ResultTruncated:  # the server gives no more at once
            self.cut = "rows"


class _TooLarge(Exception):
    """The answer runs over what may be kept of it, within a single row."""


class _Counted:
    """A file to write to that knows how much was written."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.size = 0
        self._file, self._most = file, most

    def write(self, data: bytes) -> int:
        self.size += len(data)
        if self.size > self._most:
            raise _TooLarge
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


class _Text:
    """The same for text."""

    def __init__(self, target: _Counted) -> None:
        self._target = target

    def write(self, text: str) -> int:
        return self._target.write(text.encode())


def _where(query: str) -> dict[str, Any] | None:
    """Where a query does not parse, by its own lines; None where it does."""
    try:
        ox.Store().query(query)
    except SyntaxError as error:
        found = _AT.search(" ".join(str(error).split()))
        if found:
            return {
                "kind": "syntax",
                "line": int(found[1]),
                "column": int(found[2]),
                "error": _CLASSES.sub(" …", found[3]),
            }
        return {"kind": "syntax", "line": 0, "column": 0, "error": str(error)}
    except (RuntimeError, ValueError, OSError):
        return None
    return None


if __name__ == "__main__":
    main()
