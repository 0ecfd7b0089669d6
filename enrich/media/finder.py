"""Where one picture comes from: a mirror, the cache, its server, or a IIIF service; checked before it is given."""

import os
import threading
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Picture
from enrich.classifiers.digest import file_digest
from enrich.classifiers.neural.decoding import FORMATS, decode, inspect, shared_pictures
from enrich.classifiers.neural.formats import MEDIA_TYPES
from enrich.errors import SettingsError
from enrich.media import iiif
from enrich.media.cache import Cache
from enrich.media.fetch import Budget, Fetcher
from enrich.media.iiif_info import ImageInfo, read_info
from enrich.media.locations import trimmed
from enrich.media.mirrors import Mirrors
from enrich.media.refusal import Kind, NoAnswer, Refusal
from enrich.settings.models import MediaSettings

ACCEPT = ",".join([*(MEDIA_TYPES[name] for name in FORMATS), "*/*;q=0.1"])
MAX_INFO_BYTES = 1_000_000
MAX_IIIF_TRIES = 20
DECODERS = 2
"""Pictures decoded for checking at the same time: each takes up to `max_pixels` times three bytes."""
BESIDE = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Pictures decoded at the same time for a network that looks at those before, and needs the other cores."""


class PictureFinder:
    """Gets pictures, each time it is asked; safe between threads.

    With a `decode_size` they are decoded for the classifier that looks at that many pixels, into `shared_pictures`.
    """

    def __init__(self, settings: MediaSettings, fetcher: Fetcher, decode_size: int = 0) -> None:
        self.settings = settings
        self.fetcher = fetcher
        self.decode_size = decode_size
        self._mirrors = Mirrors(settings.mirrors)
        try:
            self._cache = Cache(settings.cache, settings.cache_bytes, max_age=settings.cache_age)
        except OSError as error:
            raise SettingsError(f"media.cache: {settings.cache} cannot be written: {error}") from error
        self._decoders = threading.Semaphore(BESIDE if decode_size else DECODERS)

    def still_there(self, path: Path) -> bool:
        """Whether a file that was given before can be given again; the cache keeps it for a while then."""
        inside = path.is_relative_to(self.settings.cache)
        return self._cache.use(path) if inside else path.is_file()

    def find(self, picture: Picture) -> tuple[str, Picture]:
        """The picture, and whether it came from the mirror, the cache or the server. Raises Refusal."""
        url = trimmed(picture.url)
        local = self._mirrors.find(url)
        if local is not None:
            return "mirror", _had(picture, local, file_digest(local), self._check(local, self.decode_size))
        request, budget = iiif.recognise(url), self.fetcher.budget()
        sized = f"{url}#{self.settings.size}"
        for key in (sized,) if request else (url, sized):
            if (cached := self._cache.find(key)) is not None:
                path, entry = cached
                self._decode_ahead(path)
                return "cache", _had(picture, path, entry.sha256, entry.format)
        if request is not None:
            return "server", self._from_service(picture, request, self._info(request, budget), sized, budget)
        try:
            return "server", self._from_server(picture, url, url, budget)
        except Refusal as refusal:
            request = iiif.service(url)
            if request is None or refusal.kind not in (Kind.CONTENT, Kind.MISSING, Kind.LOGIN):
                raise
            if (info := self._info(request, budget)) is None:
                raise
            return "server", self._from_service(picture, request, info, sized, budget)

    def _from_server(self, picture: Picture, what: str | iiif.Mosaic, key: str, budget: Budget) -> Picture:
        """Fetch, check and keep. Raises Refusal."""
        with self._cache.part() as part:
            if isinstance(what, str):
                self.fetcher.get(what, part, budget, accept=ACCEPT)
            else:
                self._put_together(what, part, budget)
            part.flush()
            path = Path(part.name)
            format, sha256 = self._check(path), file_digest(path)
            kept = self._cache.keep(path, key, sha256, format)
        self._decode_ahead(kept)
        return _had(picture, kept, sha256, format)

    def _from_service(
        self, picture: Picture, request: iiif.ImageRequest, info: ImageInfo | None, key: str, budget: Budget
    ) -> Picture:
        """Try what the service offers until one answer is a picture.

        Raises the last Refusal, or the first that says that a picture may come later.
        """
        refusal = Refusal("the image server offers no size", Kind.MISSING)
        for what in iiif.requests(request, info, self.settings.size)[:MAX_IIIF_TRIES]:
            try:
                return self._from_server(picture, what, key, budget)
            except NoAnswer:
                raise
            except Refusal as error:
                refusal = refusal if refusal.kind.may_come else error
        raise refusal

    def _put_together(self, mosaic: iiif.Mosaic, part: BinaryIO, budget: Budget) -> None:
        """Fetch the tiles of a picture and write it as PNG. Raises Refusal when one is missing."""
        if mosaic.width * mosaic.height > self.settings.max_pixels:
            raise Refusal(f"picture of {mosaic.width} × {mosaic.height} has too many pixels", Kind.SIZE)
        whole = Image.new("RGB", (mosaic.width, mosaic.height))
        for url, left, top in mosaic.tiles:
            sink = BytesIO()
            self.fetcher.get(url, sink, budget, accept=ACCEPT)
            try:
                tile = decode(sink.getvalue(), max(whole.size), max_pixels=self.settings.max_pixels)
            except ClassifierError as error:
                raise Refusal(f"tile {url}: {error}", Kind.CONTENT) from error
            whole.paste(Image.fromarray(tile), (left, top))
        whole.save(part, "PNG", compress_level=1)

    def _info(self, request: iiif.ImageRequest, budget: Budget) -> ImageInfo | None:
        """What the server says about the picture; None when it says nothing that can be read."""
        sink = BytesIO()
        accept = "application/ld+json,application/json"
        try:
            self.fetcher.get(request.info_url, sink, budget, accept=accept, max_bytes=MAX_INFO_BYTES)
            return read_info(sink.getvalue())
        except NoAnswer:
            raise
        except (Refusal, ValueError):
            return None

    def _check(self, path: Path, size: int = 0) -> str:
        """The format, once the whole picture was read, so that a damaged one is refused here. Raises Refusal.

        Decoded to a `size` it is kept in memory for who looks at it next; a file is not read twice for that.
        """
        limits = {"max_pixels": self.settings.max_pixels, "max_bytes": self.settings.max_bytes}
        try:
            found = inspect(path, **limits)
            with self._decoders:
                if size:
                    shared_pictures().decode(path, size, max_pixels=self.settings.max_pixels)
                else:
                    decode(path, 1, **limits)
        except ClassifierError as error:
            raise Refusal(str(error), Kind.CONTENT) from error
        return found

    def _decode_ahead(self, path: Path) -> None:
        """Decode a picture that was checked for who looks at it next; who does says what is wrong with it."""
        if self.decode_size:
            with self._decoders, suppress(ClassifierError):
                shared_pictures().decode(path, self.decode_size, max_pixels=self.settings.max_pixels)


def _had(picture: Picture, path: Path, sha256: str, format: str) -> Picture:
    return replace(picture, path=path, sha256=sha256, format=format, failure=None, may_come=False)
