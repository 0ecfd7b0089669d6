"""The service of the small museum, for runs that overlap and for what changes while they are under way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from enrich.workers.context import WorkerContext
from tests.workers.small import Queue, small_service


@pytest.fixture
def service(tmp_path: Path, redis_url: str) -> Iterator[WorkerContext]:
    """The worker context of the small museum."""
    made = small_service(tmp_path, redis_url)
    yield made
    made.let_go_of_runs()


@pytest.fixture
def queue(service: WorkerContext) -> Queue:
    """Its messages."""
    return Queue(service)
