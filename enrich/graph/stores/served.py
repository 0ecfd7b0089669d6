"""An embedded store that another process holds and serves (see `hosting`), used as if it were one's own."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Self
from urllib.request import Request

import httpx2 as httpx
from pyoxigraph import Literal, NamedNode, Quad

from enrich.errors import StoreError, StoreUnavailable
from enrich.graph.stores.base import PAGE_TOKEN, Rows
from enrich.graph.stores.remote import RemoteStore
from enrich.graph.stores.transport import Body, Credentials, NotCarriedOut, Transport

SERVER = "enrich"
"""What the process that holds the store calls itself."""
PATIENCE = 3600.0
"""Seconds that an answer may take: the store is on this machine, and large questions take their time."""


@dataclass(frozen=True, slots=True)
class StoreService:
    """Where a store is served: the address, the token that opens it, the process, and where its pages are."""

    url: str
    token: str
    pid: int
    pages: str = ""

    @staticmethod
    def file(path: Path) -> Path:
        """The file that says it, beside the store."""
        return path.with_name(f"{path.name}.served")

    def write(self, path: Path) -> None:
        """Say it, to the owner of the store alone."""
        file = self.file(path)
        new = file.with_name(f"{file.name}.{self.pid}")
        with suppress(FileNotFoundError):
            new.unlink()
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
            json.dump(asdict(self), target)
        new.replace(file)

    def remove(self, path: Path) -> None:
        """Say it no longer, unless another process serves the store by now."""
        found = self.of(path)
        if found is not None and found.token == self.token:
            self.file(path).unlink(missing_ok=True)

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """What the file says; None when there is none, or it is no such file."""
        try:
            said = json.loads(cls.file(path).read_text())
            service = cls(str(said["url"]), str(said["token"]), int(said["pid"]), str(said.get("pages", "")))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return service if service.url.startswith("http://127.0.0.1:") else None


def service_of(path: Path) -> StoreService | None:
    """Where the store at `path` is served now; None when nobody answers there, or somebody else."""
    service = StoreService.of(path)
    if service is None:
        return None
    try:
        answer = httpx.get(
            f"{service.url}/",
            headers={"Authorization": f"Bearer {service.token}"},
            timeout=10,
            trust_env=False,
        )
        same = answer.status_code == 200 and answer.json() == {"store": str(path.resolve())}
    except (httpx.HTTPError, ValueError):
        return None
    return service if same else None


class _Following(Transport):
    """Sends requests to the process that serves a store, and finds the next one when that has ended."""

    def __init__(self, path: Path, service: StoreService, retries: int, timeout: float) -> None:
        super().__init__(_credentials(service), timeout=timeout, retries=retries)
        self.path, self.first, self.service = path, service, service

    def _body(self, url: str, request: Request) -> Body:
        there = url.replace(self.first.url, self.service.url, 1)
        request.full_url = there  # where a write is tried again, it still has the last address
        try:
            return super()._body(there, request)
        except NotCarriedOut:
            found = service_of(self.path)
            if found is not None and found != self.service:
                self.close()
                self.service, self.credentials = found, _credentials(found)
            raise


def _credentials(service: StoreService) -> Credentials:
    return Credentials("bearer", token=service.token, direct=True)


class ServedStore(RemoteStore):
    """The store at `path`, behind the process that holds it. It has a default graph, and never caps an answer."""

    def __init__(
        self, path: Path, service: StoreService, *, retries: int = 4, timeout: float = PATIENCE
    ) -> None:
        urls = (f"{service.url}/{name}" for name in ("query", "update", "store"))
        super().__init__(*urls, transport=_Following(path, service, retries, timeout))
        self.path = path
        self.service = service

    @property
    def paged(self) -> bool:
        return False

    def select(self, query: str) -> Rows:
        return self._select(query)

    def select_by_key(self, query: str, key: str, page: int | None = None) -> Rows:  # noqa: ARG002
        return self.select(query.replace(PAGE_TOKEN, ""))

    def construct(self, query: str) -> Iterator[Quad]:
        return self._construct(query)

    def count(self, graph: NamedNode | None = None) -> int:
        if graph is not None:
            return self._triples(graph)
        both = "{ ?s ?p ?o } UNION { GRAPH ?g { ?s ?p ?o } }"
        return self._number(f"SELECT (COUNT(*) AS ?rows) WHERE {{ {both} }}")

    def graphs(self, *, beside: str | None = None) -> list[NamedNode]:
        ours = f"FILTER(!STRSTARTS(STR(?g), {Literal(beside)}))" if beside else ""
        full = "FILTER EXISTS { GRAPH ?g { ?s ?p ?o } }"
        found = self.select(f"SELECT ?g WHERE {{ GRAPH ?g {{}} {ours} {full} }}")
        return sorted((g for (g,) in found if isinstance(g, NamedNode)), key=lambda name: name.value)

    def dump(self, target: IO[bytes], graph: NamedNode | None = None) -> None:
        def read(body: Body) -> None:
            """Copy the body. An answer cut short is not asked for again: a part of it is written."""
            with body:
                try:
                    while data := body.read(1 << 16):
                        target.write(data)
                except StoreUnavailable as error:
                    raise StoreError(str(error)) from error

        url = self._graph_url(graph) if graph is not None else str(self.graph_store_url)
        self.transport.get(url, "application/n-quads, application/n-triples", read)

    def _description(self) -> str:
        return f"the store at {self.path}, served by process {self.service.pid}"
