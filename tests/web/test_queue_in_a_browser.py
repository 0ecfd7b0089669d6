"""The queue in Chromium, without a mouse."""

from __future__ import annotations

import gzip
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect
from pyoxigraph import Literal, NamedNode, Quad

from enrich.graph.stores.base import Store
from enrich.ontology.terms import SKOS
from enrich.runs.reviews import Review, in_force, read_reviews
from enrich.web.index.asked import Filters
from enrich.web.languages import LANGUAGES
from enrich.web.site import Site
from enrich.web.who import Doors
from tests.browser import DESK, PHONE, faults_of
from tests.web.serving import served, site

pytestmark = pytest.mark.slow

SERIOUS = ("serious", "critical")

ONLINE = "window.dispatchEvent(new Event('online'))"
"""The network is there again: what waits is sent."""
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


def test_fifty_cards_by_keyboard_with_a_slow_store(browser: Browser, tmp_path: Path) -> None:
    """Given a store that answers after 300 ms, when fifty cards are judged without a mouse, two of them corrected and
    three undone, then the next card is there within 100 ms, and the reviews are exactly that."""
    with opened(browser, tmp_path, seconds=0.3) as (page, where, _):
        ahead(page, 6)
        told: dict[str, str] = {}
        for number in range(50):
            key = "ax "[number % 3]
            token(page)
            if (
                list(told.values()).count("Corrected") < 2
                and page.locator("article.card:visible [data-key='2']").count()
            ):
                key = "2"
            told[press(page, key)] = {"2": "Corrected", "a": "Accepted", "x": "Rejected", " ": "Undecided"}[
                key
            ]
            page.wait_for_timeout(500)
        for _ in range(3):
            line = page.locator("#recent li").first.get_attribute("data-token")
            page.keyboard.press("u")
            expect(page.locator(f"#recent li[data-token='{line}']")).to_have_count(0, timeout=20_000)
            page.wait_for_timeout(400)
            undone = prediction(page)
            assert undone in told
            assert told.pop(undone)
            again = press(page, "/")
            assert again == undone
            page.keyboard.press("Escape")
            break_off = page.evaluate("document.activeElement.className")
            assert "card" in break_off
        assert len(told) == 47
        found = settled(page, where, 47)
        took = sorted(page.evaluate("window.took"))
    assert {r.prediction: r.decision for r in found} == told
    assert Counter(r.decision for r in found)["Corrected"] == 2
    assert took[int(len(took) * 0.95)] < 100, took[-5:]


def test_a_key_pressed_twice_is_one_review(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, 40) as (page, where, _):
        ahead(page, 3)
        page.wait_for_timeout(400)
        about = prediction(page)
        page.keyboard.press("a")
        page.keyboard.press("a")
        (made,) = settled(page, where, 1)
        assert made.prediction == about


def test_a_button_clicked_twice_is_one_review(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, 40) as (page, where, _):
        ahead(page, 3)
        page.wait_for_timeout(400)
        about = prediction(page)
        page.locator("article.card:visible [data-key='a']").dblclick()
        page.wait_for_timeout(400)
        (made,) = settled(page, where, 1)
        assert made.prediction == about


def test_keys_pressed_as_fast_as_can_be_are_each_heeded(browser: Browser, tmp_path: Path) -> None:
    """Given keys one after another without a pause, each another than the one before; then each does what the legend says
    of it, a number that the card has no candidate of does nothing, and the last decision is undone."""
    keys = {"a": "Accepted", "x": "Rejected", " ": "Undecided", "2": "Corrected"}
    with opened(browser, tmp_path, 60) as (page, where, _):
        page.evaluate("document.getElementById('help').open = true")
        legend = page.locator("#help dt").all_inner_texts()
        assert [*legend[:2], legend[4]] == ["a", "x", page.locator("[data-key=' '] kbd").first.inner_text()]
        ahead(page, 8)
        told: dict[str, str] = {}
        for key in ("a", "x", "a", "2", " ", "x", "7", " "):
            card = page.locator("article.card:visible")
            button = card.locator(f"[data-key='{key}']")
            if button.count():
                its_own = (
                    key == "2"
                    and button.locator(".guessed").inner_text() == card.locator(".card-value").inner_text()
                )
                told[prediction(page)] = "Accepted" if its_own else keys[key]
            if key == " ":
                card.locator(".card-name a").focus()
            page.keyboard.press(key)
        page.keyboard.press("u")
        expect(page.locator("#recent li")).to_have_count(len(told) - 1)
        for _ in range(200):  # where the decision was sent already, its card is asked for again
            if prediction(page) in told:
                break
            page.wait_for_timeout(50)
        assert told.pop(prediction(page)) == "Undecided"
        found = settled(page, where, len(told))
        assert {r.prediction: r.decision for r in found} == told
        assert Counter(told.values()) >= Counter(Accepted=2, Rejected=2)


def test_a_reload_goes_on_with_the_same_card(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, 40) as (page, where, _):
        ahead(page, 3)
        press(page, "a")
        before = token(page)
        settled(page, where, 1)
        page.reload()
        assert token(page) == before
        expect(page.locator("#recent li")).to_have_count(1)


def test_what_is_judged_during_an_outage_is_kept_and_sent_once(browser: Browser, tmp_path: Path) -> None:
    """Given a site that cannot be reached, when three cards are judged and the page is loaded again, then they are sent."""
    with opened(browser, tmp_path, 40) as (page, where, _):
        ahead(page, 6)
        page.route("**/judge", lambda route: route.abort())
        told = [press(page, key) for key in ("a", "x", "a")]
        expect(page.locator("#said")).to_contain_text("3")
        page.unroute("**/judge")
        page.route("**/judge", lambda route: route.fulfill(status=502, body="{}"))
        page.reload()
        assert prediction(page) not in told
        expect(page.locator("#said")).to_contain_text("3")
        page.unroute("**/judge")
        found = settled(page, where, 3)
        assert sorted(r.prediction for r in found) == sorted(told)


def test_what_two_tabs_judge_during_an_outage_is_all_kept_and_sent_once(
    browser: Browser, tmp_path: Path
) -> None:
    """Given two tabs whose site cannot be reached, when each judges and one is closed, then a third sends what both have
    kept, the other finds that done, and nothing is judged twice or lost."""
    with opened(browser, tmp_path, 60) as (first, where, address):
        context = first.context
        second = context.new_page()
        for page, name in ((first, "material"), (second, "time")):
            page.goto(f"{address}/queue?property={name}")
            ahead(page, 2)
        context.route("**/judge", lambda route: route.abort())
        told = {press(first, "a"): "Accepted", press(first, "x"): "Rejected"}
        told[press(second, "x")] = "Rejected"
        assert len(told) == 3
        second.close()
        first.reload()
        expect(first.locator("#said")).to_contain_text("3")
        context.unroute("**/judge")
        third = context.new_page()
        third.goto(f"{address}/queue")
        assert {r.prediction: r.decision for r in settled(third, where, 3)} == told
        first.evaluate(ONLINE)
        first.wait_for_timeout(1_000)
        assert {r.prediction: r.decision for r in settled(first, where, 3)} == told


def test_a_decision_kept_here_and_sent_by_another_tab_is_not_sent_again(
    browser: Browser, tmp_path: Path
) -> None:
    """Given a tab that has loaded what is kept and cannot send it, when another tab sends it and takes it back, then the
    first tab sends nothing, and the value stays as it is."""
    with opened(browser, tmp_path, 40) as (first, where, address):
        ahead(first, 3)
        first.route("**/judge", lambda route: route.abort())
        press(first, "a")
        first.reload()
        expect(first.locator("#said")).to_contain_text("1")
        second = first.context.new_page()
        second.goto(f"{address}/queue")
        settled(second, where, 1)
        second.locator("#recent li button").first.click()
        settled(second, where, 0)
        sent: list[str] = []
        first.on("request", lambda asked: sent.append(asked.url) if asked.url.endswith("/judge") else None)
        first.unroute("**/judge")
        first.evaluate(ONLINE)
        first.wait_for_timeout(1_000)
        assert sent == []
        assert settled(first, where, 0) == []


def test_a_site_that_fails_is_asked_for_cards_now_and_then(browser: Browser, tmp_path: Path) -> None:
    """Given a page without cards, when the site answers each question for cards with an error, then it is asked again every
    three seconds, and not at once."""
    with opened(browser, tmp_path, 12) as (page, _, address):
        asked: list[str] = []

        def fail(route: Route) -> None:
            asked.append(route.request.url)
            route.fulfill(status=502, body="{}")

        page.route("**/queue/cards*", fail)
        page.goto(f"{address}/queue?q=nothingiscalledso")
        expect(page.locator("#queue .none")).to_be_visible()
        page.wait_for_timeout(4_000)
        assert 1 <= len(asked) <= 3


def test_the_vocabulary_is_searched_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, 40) as (page, where, _):
        ahead(page, 6)
        passed = 0
        while page.locator("article.card:visible .candidate").count() < 2:
            press(page, " ")
            passed += 1
        other = page.locator("article.card:visible .candidate .guessed").nth(1).inner_text()
        about = press(page, "/")
        page.keyboard.type(other[:5])
        page.locator("article.card:visible .found button").first.wait_for()
        page.keyboard.press("Tab")
        while other not in (page.evaluate("document.activeElement.textContent") or ""):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        found = {r.prediction: r.decision for r in settled(page, where, passed + 1)}
        assert found[about] == "Corrected"


def test_the_pages_fit_are_accessible_and_load_nothing_from_elsewhere(
    browser: Browser, tmp_path: Path
) -> None:
    """Given the pages of reviewing in every language; then on a desk and a phone nothing is cut off, axe finds nothing
    serious, and nothing comes from anywhere else."""
    with opened(browser, tmp_path, 40) as (page, where, address):
        ahead(page, 3)
        press(page, "a")
        settled(page, where, 1)
        group = where.index.grouped(Filters())[0]
        query = urlencode({name: getattr(group, name) for name in ("property", "value", "band", "museum")})
        wrong: list[str] = []
        page.on("request", lambda asked: None if asked.url.startswith(address) else wrong.append(asked.url))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        for path in ("/queue?", "/groups?", f"/group?{query}&", "/curators?"):
            for language in LANGUAGES:
                page.goto(f"{address}{path}lang={language}")
                assert page.evaluate("document.documentElement.lang") == language
                page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
                for width in (DESK, PHONE):
                    page.set_viewport_size({"width": width, "height": 900})
                    assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, language)
                    assert faults_of(page) == [], (path, language, width)
            found = Axe().run(page).response["violations"]
            serious = [
                (v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found if v["impact"] in SERIOUS
            ]
            assert serious == [], path
        assert wrong == []


TRAPS = (
    '<img src=x onerror="alert(1)">',
    '"><script>alert(2)</script>',
    "{{ 7 * 7 }}<svg/onload=alert(3)>",
    "</textarea><iframe srcdoc='<script>parent.alert(4)</script>'>",
)


def test_a_card_full_of_traps_runs_none(browser: Browser, tmp_path: Path) -> None:
    """Given values, texts and records named with HTML, when their cards come, and are found and grouped, then it is text."""
    with opened(browser, tmp_path, 40) as (page, where, address):
        store = where._store
        assert store is not None
        rows = where.index.page(Filters({"state": ("Pending",), "outcome": ("Predicted",)})).rows
        graph = NamedNode("https://museum.example.org/graph/traps")
        named = {
            NamedNode(iri)
            for row in rows
            for iri in (row.record, row.value or row.record, row.museum or row.record)
        }
        store.insert(
            Quad(node, SKOS.prefLabel, Literal(f" {trap}"), graph) for node in named for trap in TRAPS
        )
        where.forget()
        where.index.refresh(facts=True)
        wrong: list[str] = []
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
        page.goto(f"{address}/queue")
        ahead(page, 6)
        assert "<" in page.locator("article.card:visible .card-value").inner_text()
        press(page, "a")
        press(page, "/")
        page.keyboard.type("alert")
        page.locator("article.card:visible .found button").first.wait_for()
        page.keyboard.press("Escape")
        for path in ("/queue", "/groups", "/curators"):
            page.goto(address + path)
            page.wait_for_timeout(300)
        page.goto(f"{address}/groups")
        page.locator("td a").first.click()
        page.locator(".sample").wait_for()
        assert wrong == []


def test_the_queue_is_light(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, 40) as (page, _, address):
        sources = page.eval_on_selector_all("script", "all => all.map(each => each.src)")
        size = sum(len(gzip.compress(page.request.get(source).body())) for source in sources)
        assert sources
        assert size <= 50_000
        assert all(source.startswith(address) for source in sources)
