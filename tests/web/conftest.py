"""What several tests of the site ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from enrich.web.site import Site
from tests.web.serving import client, site


@pytest.fixture
def museum(tmp_path: Path) -> Iterator[Site]:
    """A made museum with answers that nobody has judged yet."""
    with site(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same, once for each file of tests: what they add to it stays among them."""
    with site(tmp_path_factory.mktemp("museum")) as found:
        yield found


@pytest.fixture(scope="module")
def web(shared: Site) -> Iterator[TestClient]:
    """Somebody on this machine who asks the shared museum's site, without a name."""
    with client(shared) as found:
        yield found
