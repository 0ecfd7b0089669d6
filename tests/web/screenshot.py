"""Makes the picture of the README: a card of the queue, as Chromium shows it.

python -m tests.web.screenshot demo-museum docs/figures/queue.png
"""

from __future__ import annotations

import sys
from pathlib import Path

from enrich.graph.stores.opening import store_of
from enrich.settings.loading import load_settings
from enrich.web.site import Site
from enrich.web.who import Doors
from tests.browser import DESK, chromium
from tests.web.serving import served


def main(museum: Path, target: Path) -> None:
    """Open the queue of a museum in a folder, and photograph its first card."""
    settings = load_settings(museum / "enrich.toml")
    with store_of(settings) as store:
        site, doors = Site(settings, store), Doors(settings, "Ana Ruiz")
        try:
            with served(site, doors) as address, chromium() as browser:
                page = browser.new_page(viewport={"width": DESK, "height": 740})
                page.goto(address + doors.invitation())
                page.goto(f"{address}/queue")
                page.wait_for_load_state("networkidle")
                page.screenshot(path=target)
        finally:
            site.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
