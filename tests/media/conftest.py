"""Servers and settings for the tests of fetching."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from enrich.media.pictures import PictureSource
from enrich.settings.models import MediaSettings
from tests.media.servers import HttpServer, server


@pytest.fixture
def web() -> Iterator[HttpServer]:
    with server() as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path) -> MediaSettings:
    """Loopback allowed, short times."""
    return MediaSettings(
        allow=("127.0.0.1",),
        cache=tmp_path / "cache",
        timeout=10.0,
        connect_timeout=2.0,
        header_timeout=5.0,
        retries=1,
        max_bytes=1_000_000,
        size=64,
    )


@pytest.fixture
def source(settings: MediaSettings) -> Iterator[PictureSource]:
    with PictureSource(settings) as running:
        yield running
