"""What the fetching of pictures may cost, and where pictures may come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from enrich.settings.loading import Settings


@dataclass(frozen=True)
class MediaSettings:
    """The limits of one run. Paths are absolute or relative to the current folder; times are seconds."""

    mirrors: Mapping[str, Path] = field(default_factory=dict)
    """URL prefixes, and the local folder that holds the same pictures; then the network is not asked."""
    allow: tuple[str, ...] = ()
    """Host names, addresses or networks (CIDR) that may be asked although they are not public."""
    cache: Path = Path(".cache/media")
    """Folder of the fetched pictures; several processes may share it."""
    cache_bytes: int = 10_000_000_000
    """Size the cache is kept under; pictures used in the last ten minutes may exceed it, at most twice."""
    cache_age: float = 90 * 86400.0
    """A picture fetched longer ago is fetched again."""
    size: int = 448
    """Shorter side, in pixels, that an image server is asked for; at least what the largest model sees."""
    per_record: int = 8
    """Pictures of one record that are looked at; the rest are noted as left out."""
    max_bytes: int = 50_000_000
    """A larger file is refused."""
    max_pixels: int = 80_000_000
    """A picture of more pixels is refused before it is decoded."""
    timeout: float = 20.0
    """For one picture: its requests over all redirects and tries, without the waits in between."""
    connect_timeout: float = 5.0
    """For the address of a host, and for a connection to one address."""
    header_timeout: float = 10.0
    """From the request until the last header."""
    max_wait: float = 30.0
    """Longest Retry-After that is waited for; a host that asks for more is left alone until then."""
    retries: int = 2
    """Further tries after an answer that says the server is busy or failed."""
    parallel: int = 8
    """Pictures fetched at the same time."""
    ahead: int = 64
    """Pictures that are fetched ahead of the record being looked at."""
    host_failures: int = 5
    """Failures in a row after which a host that does not answer is set aside for the run.

    A host that answers, but with errors, is set aside after ten times as many."""
    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's."""
    user_agent: str = "enrich (pictures for a museum's knowledge graph)"
    """How we introduce ourselves."""


def media_settings(settings: Settings) -> MediaSettings:
    """The `[media]` section of enrich.toml, with its paths made absolute."""
    section = settings.media
    return MediaSettings(
        mirrors={prefix: settings.locate(folder) for prefix, folder in section.mirrors.items()},
        allow=tuple(section.allow),
        cache=settings.locate(section.cache),
        cache_bytes=section.cache_bytes,
        size=section.size,
        per_record=section.per_record,
        max_bytes=section.max_bytes,
        max_pixels=section.max_pixels,
        timeout=section.timeout,
        parallel=section.parallel,
        host_failures=section.host_failures,
    )
