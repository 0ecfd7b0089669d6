"""What several tests of the site ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from enrich.web.site import Site
from tests.web.serving import site


@pytest.fixture
def museum(tmp_path: Path) -> Iterator[Site]:
    """A made museum with answers that nobody has judged yet."""
    with site(tmp_path) as found:
        yield found
