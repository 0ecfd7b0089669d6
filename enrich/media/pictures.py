"""The pictures of one run: each with its local file, or with the reason why there is none; counted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from enrich.classifiers.data import Picture
from enrich.media.circuits import HALF_OPEN_AFTER
from enrich.media.refusal import Kind, Refusal
from enrich.settings.models import MediaSettings

if TYPE_CHECKING:
    from enrich.media.fetch import Fetcher

MEMORY = 100_000
"""Results remembered for the run, by URL."""
HAD = ("mirror", "cache", "server")
"""Where a picture that was had comes from."""


@dataclass(frozen=True, slots=True)
class PictureTally:
    """What became of the pictures of a run, as far as this process looked at them.

    `may_come` and `refused` (for good) count by kind of refusal; `open_circuits` maps a host that is not
    asked for a while to its failures.
    """

    had: int
    may_come: dict[str, int]
    refused: dict[str, int]
    open_circuits: dict[str, str]

    @property
    def text(self) -> str:
        """All of it on one line, for people."""
        said = [f"{self.had} had"]
        for name, kinds in (("may come later", self.may_come), ("refused", self.refused)):
            if kinds:
                said.append(
                    f"{sum(kinds.values())} {name} ({', '.join(f'{k} {n}' for k, n in kinds.items())})"
                )
        said += [f"circuit of {host} open ({why})" for host, why in self.open_circuits.items()]
        return "; ".join(said)


class PictureSource:
    """Gives pictures for one run; safe between threads.

    What was had or refused for good is remembered for the run; what may come is asked for again after a
    while. With a `decode_size` they are decoded as well, for the classifier that looks at that many pixels.
    `observe` is told of each result: 'had', 'may come' or 'refused', and where from or which kind;
    `opened` of each host whose circuit opens, and why.
    """

    def __init__(
        self,
        settings: MediaSettings,
        *,
        decode_size: int = 0,
        fetcher: Fetcher | None = None,
        observe: Callable[[str, str], None] = lambda _outcome, _kind: None,
        opened: Callable[[str, str], None] = lambda _host, _why: None,
    ) -> None:
        self.settings = settings
        # Loaded here, with what they need to ask a server and to read a picture: few questions need pictures.
        from enrich.media.fetch import Fetcher
        from enrich.media.finder import PictureFinder

        self.fetcher: Fetcher = fetcher or Fetcher(settings, opened=opened)
        self.counts: Counter[str] = Counter()
        """Pictures by where they come from ('mirror', 'cache', 'server') or by the kind of refusal."""
        self._finder = PictureFinder(settings, self.fetcher, decode_size)
        self._observe = observe
        self._results: dict[str, Future[_Result]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept open."""
        self.fetcher.close()

    def tally(self) -> PictureTally:
        """What became of the pictures until now."""
        with self._lock:
            kinds = {kind: self.counts[kind] for kind in Kind if self.counts[kind]}
            had = sum(self.counts[where] for where in HAD)
        may_come = {kind.value: n for kind, n in kinds.items() if kind.may_come}
        refused = {kind.value: n for kind, n in kinds.items() if not kind.may_come}
        return PictureTally(had, may_come, refused, self.fetcher.circuits.open())

    def get(self, picture: Picture) -> Picture:
        """The picture with its local file, digest and format, or with the reason why there is none."""
        with self._lock:
            known = self._results.get(picture.url)
            if known is not None and known.done() and not self._holds(known.result()):
                self.counts[known.result().count] -= 1
                known = None
            if known is None:
                begun = self._results[picture.url] = Future()
                if len(self._results) > MEMORY:
                    del self._results[next(iter(self._results))]
        if known is not None:
            return known.result().picture
        try:
            begun.set_result(self._find(picture))
        except BaseException as error:
            with self._lock:
                self._results.pop(picture.url, None)
            begun.set_exception(error)
            raise
        return begun.result().picture

    def _holds(self, result: _Result) -> bool:
        if result.picture.path is not None:
            return self._finder.still_there(result.picture.path)
        return not result.picture.may_come or self.fetcher.clock() < result.at + HALF_OPEN_AFTER

    def _find(self, picture: Picture) -> _Result:
        try:
            where, found = self._finder.find(picture)
        except Refusal as refusal:
            return self._refused(picture, str(refusal), refusal.kind)
        except OSError as error:
            return self._refused(picture, f"cannot be kept: {error}", Kind.STORAGE)
        return self._counted(found, where, "had")

    def _refused(self, picture: Picture, reason: str, kind: Kind) -> _Result:
        found = Picture(picture.url, failure=reason, may_come=kind.may_come)
        return self._counted(found, kind.value, "may come" if kind.may_come else "refused")

    def _counted(self, picture: Picture, count: str, outcome: str) -> _Result:
        with self._lock:
            self.counts[count] += 1
        self._observe(outcome, count)
        return _Result(picture, count, self.fetcher.clock())


@dataclass(frozen=True, slots=True)
class _Result:
    picture: Picture
    count: str
    at: float
