"""The queue in Chromium: its page, and what a curator does there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from enrich.graph.stores.base import Store
from enrich.runs.reviews import Review, in_force, read_reviews
from enrich.web.site import Site
from enrich.web.who import Doors
from tests.browser import DESK
from tests.web.serving import served, site

TIMED = """
addEventListener("DOMContentLoaded", () => {
  const queue = document.getElementById("queue");
  if (!queue) return;
  window.took = [];
  let since = 0, token = "";
  const first = () => queue.querySelector("article.card:not([hidden])")?.dataset.token || "";
  addEventListener("keydown", () => { since = performance.now(); token = first(); }, true);
  new MutationObserver(() => {
    if (since && first() && first() !== token) {
      const began = since;
      since = 0;
      requestAnimationFrame(() => window.took.push(performance.now() - began));
    }
  }).observe(queue, { childList: true, subtree: true, attributes: true });
});
"""


class Slow:
    """A store that answers after a while, or not at all."""

    def __init__(self, store: Store) -> None:
        self.store, self.seconds, self.asked = store, 0.0, 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if name not in ("select", "select_by_key", "ask", "construct", "update", "insert"):
            return found

        def later(*given: Any, **more: Any) -> Any:
            self.asked += 1
            time.sleep(self.seconds)
            return found(*given, **more)

        return later


@contextmanager
def opened(
    browser: Browser, tmp_path: Path, count: int = 120, seconds: float = 0.0, width: int = DESK
) -> Iterator[tuple[Page, Site, str]]:
    """The queue as the person at this computer has it before them."""
    with site(tmp_path, count) as made:
        store = Slow(made._store)  # type: ignore[arg-type]
        slow = Site(made.settings, store)  # type: ignore[arg-type]
        slow.index.refresh()
        store.seconds = seconds
        doors = Doors(made.settings, "Ana Ruiz")
        with served(slow, doors) as address:
            context = browser.new_context(viewport={"width": width, "height": 900})
            context.add_init_script(TIMED)
            page = context.new_page()
            page.goto(address + doors.invitation())
            page.goto(f"{address}/queue")
            try:
                yield page, slow, address
            finally:
                context.close()
                slow.close()


def token(page: Page) -> str:
    """The card that is before the curator."""
    card = page.locator("article.card:visible").first
    card.wait_for()
    return card.get_attribute("data-token") or ""


def ahead(page: Page, count: int) -> None:
    """Wait until so many cards were fetched."""
    end = time.monotonic() + 60
    while page.locator("article.card").count() < count:
        assert time.monotonic() < end, "no cards come"
        page.wait_for_timeout(50)


def prediction(page: Page) -> str:
    return page.locator("article.card:visible input[name=prediction]").first.input_value()


def press(page: Page, key: str) -> str:
    """Press a key on the card that is there, once it has been there for a moment; returns its prediction."""
    token(page)
    page.wait_for_timeout(400)
    about = prediction(page)
    page.keyboard.press(key)
    return about


def settled(page: Page, site: Site, wanted: int) -> list[Review]:
    """The reviews in force, once all that the page keeps was sent."""
    for _ in range(1200):
        kept = page.evaluate("Object.keys(localStorage).filter(key => key.startsWith('enrich-outbox '))")
        with site.workspace() as workspace:
            found = in_force(read_reviews(workspace.store, workspace.names))
        if not kept and len(found) == wanted:
            return found
        page.wait_for_timeout(100)
    raise AssertionError(f"{len(found)} reviews instead of {wanted}; kept: {kept}")
