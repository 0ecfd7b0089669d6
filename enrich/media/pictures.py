"""One picture: from the mirror, the cache or its server, checked, and with a reason when it is not to be had."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, OrderedDict
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Self

from PIL import Image

from classifiers.base import ClassifierError
from classifiers.data import Picture
from classifiers.neural.decoding import PictureInfo, decode, inspect
from enrich.errors import SettingsError
from enrich.media import iiif
from enrich.media.cache import Cache
from enrich.media.fetch import Fetcher
from enrich.media.mirrors import Mirrors
from enrich.media.refusal import NoAnswer, Refusal
from enrich.settings.models import MediaSettings

ACCEPT = "image/jpeg,image/png,image/webp,image/tiff,image/gif;q=0.8,*/*;q=0.1"
MAX_INFO_BYTES = 1_000_000
MAX_IIIF_TRIES = 12
MEMORY = 100_000
"""Results remembered for the run, by URL."""
DECODERS = 2
"""Pictures decoded for checking at the same time: each takes up to `max_pixels` times three bytes."""


class PictureSource:
    """Gives pictures for one run; safe between threads. What failed once is not tried again in the run."""

    def __init__(self, settings: MediaSettings, *, fetcher: Fetcher | None = None) -> None:
        self.settings = settings
        self.fetcher = fetcher or Fetcher(settings)
        self.counts: Counter[str] = Counter()
        """How many pictures came from the 'mirror', the 'cache', the 'server', or 'failed'."""
        self._mirrors = Mirrors(settings.mirrors)
        try:
            self._cache = Cache(settings.cache, settings.cache_bytes, max_age=settings.cache_age)
        except OSError as error:
            raise SettingsError(f"media.cache: {settings.cache} cannot be written: {error}") from error
        self._results: OrderedDict[str, Picture] = OrderedDict()
        self._lock = threading.Lock()
        self._under_way: dict[str, threading.Event] = {}
        self._decoders = threading.Semaphore(DECODERS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept open."""
        self.fetcher.close()

    def get(self, picture: Picture) -> Picture:
        """The picture with its local file, digest and format, or with the reason why there is none."""
        while True:
            with self._lock:
                known = self._results.get(picture.url)
                if known is not None and (known.path is None or known.path.is_file()):
                    return known
                other = self._under_way.get(picture.url)
                if other is None:
                    done = self._under_way[picture.url] = threading.Event()
                    break
            other.wait()
        try:
            found = self._find_or_say_why(picture)
            with self._lock:
                self._results[picture.url] = found
                if len(self._results) > MEMORY:
                    self._results.popitem(last=False)
            return found
        finally:
            with self._lock:
                del self._under_way[picture.url]
            done.set()

    def is_quick(self, picture: Picture) -> bool:
        """Whether `get` needs no network, because the host is set aside: not worth another thread."""
        if self._mirrors.cover(picture.url):
            return False
        try:
            self.fetcher.check(picture.url)
        except Refusal:
            return True
        return False

    def hosts_set_aside(self) -> dict[str, str]:
        """Hosts that are no longer asked in this run, each with its reason."""
        return self.fetcher.hosts.set_aside()

    def _find_or_say_why(self, picture: Picture) -> Picture:
        try:
            return self._find(picture)
        except Refusal as refusal:
            return self._failed(picture, refusal.reason)
        except OSError as error:
            return self._failed(picture, f"cannot be kept: {error}")

    def _failed(self, picture: Picture, reason: str) -> Picture:
        self._count("failed")
        return replace(picture, path=None, sha256=None, format=None, failure=reason)

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def _find(self, picture: Picture) -> Picture:
        local = self._mirrors.find(picture.url)
        if local is not None:
            return self._from_mirror(picture, local)
        request = iiif.recognise(picture.url)
        key = f"{picture.url}#{self.settings.size}" if request else picture.url
        cached = self._cache.find(key)
        if cached is not None:
            path, entry = cached
            self._count("cache")
            return replace(picture, path=path, sha256=entry.sha256, format=entry.format, failure=None)
        self.fetcher.check(picture.url)
        found = (
            self._from_iiif(picture, request, key)
            if request
            else self._from_server(picture, key, picture.url)
        )
        self._count("server")
        return found

    def _from_mirror(self, picture: Picture, path: Path) -> Picture:
        info = self._check(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._count("mirror")
        return replace(picture, path=path, sha256=digest, format=info.format, failure=None)

    def _from_server(self, picture: Picture, key: str, what: str | iiif.Mosaic) -> Picture:
        """Fetch, check and keep. Raises Refusal."""
        with self._cache.part() as part:
            if isinstance(what, str):
                self.fetcher.get(what, part, accept=ACCEPT)
            else:
                self._put_together(what, part)
            part.flush()
            path = Path(part.name)
            info = self._check(path)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            kept, _ = self._cache.keep(path, key, digest, info.format)
        return replace(picture, path=kept, sha256=digest, format=info.format, failure=None)

    def _from_iiif(self, picture: Picture, request: iiif.ImageRequest, key: str) -> Picture:
        """Try what the server offers, until one answer is a picture. Raises the last Refusal."""
        refusal = Refusal("the image server offers no size")
        info = self._info(request)
        for tries, what in enumerate(iiif.requests(request, info, self.settings.size)):
            if tries == MAX_IIIF_TRIES:
                break
            try:
                return self._from_server(picture, key, what)
            except NoAnswer:
                raise
            except Refusal as error:
                refusal = error
        raise refusal

    def _put_together(self, mosaic: iiif.Mosaic, part: BinaryIO) -> None:
        """Fetch the tiles of a picture and write it as PNG. Raises Refusal when one is missing."""
        if mosaic.width * mosaic.height > self.settings.max_pixels:
            raise Refusal(f"picture of {mosaic.width} × {mosaic.height} has too many pixels")
        whole = Image.new("RGB", (mosaic.width, mosaic.height))
        for url, left, top in mosaic.tiles:
            sink = BytesIO()
            self.fetcher.get(url, sink, accept=ACCEPT)
            try:
                tile = decode(sink.getvalue(), max(whole.size), max_pixels=self.settings.max_pixels)
            except ClassifierError as error:
                raise Refusal(f"tile {url}: {error}") from error
            whole.paste(Image.fromarray(tile), (left, top))
        whole.save(part, "PNG", compress_level=1)

    def _info(self, request: iiif.ImageRequest) -> iiif.ImageInfo | None:
        """What the server says about the picture; None when it says nothing that can be read."""
        sink = BytesIO()
        try:
            self.fetcher.get(
                request.info_url,
                sink,
                accept="application/ld+json,application/json",
                max_bytes=MAX_INFO_BYTES,
            )
            return iiif.read_info(sink.getvalue())
        except NoAnswer:
            raise
        except (Refusal, ValueError):
            self._count("no info.json")
            return None

    def _check(self, path: Path) -> PictureInfo:
        """Read the header, then the whole picture, so that a damaged one is refused here. Raises Refusal."""
        limits: dict[str, int] = {
            "max_pixels": self.settings.max_pixels,
            "max_bytes": self.settings.max_bytes,
        }
        try:
            info = inspect(path, **limits)
            with self._decoders:
                decode(path, 1, **limits)
        except ClassifierError as error:
            raise Refusal(str(error)) from error
        return info
