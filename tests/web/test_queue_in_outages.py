"""The queue in Chromium while the site is away, in one tab and in several."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.web.queueing import ahead, opened, prediction, press, settled

pytestmark = pytest.mark.slow

ONLINE = "window.dispatchEvent(new Event('online'))"
"""The network is there again: what waits is sent."""


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


AS_BEFORE = """() => {
  const names = Object.keys(localStorage).filter(name => name.startsWith("enrich-outbox "));
  const kept = names.map(name => JSON.parse(localStorage.getItem(name))).sort((one, other) => one.at - other.at);
  for (const name of names) localStorage.removeItem(name);
  const list = [...kept.map(({ form, text }) => ({ form, text })), null, { text: "no card" }];
  localStorage.setItem("enrich-outbox Ana Ruiz", JSON.stringify(list));
}"""
"""What is kept, as version 0.2.0 kept it: one list, with entries that are nothing."""


def test_what_an_earlier_version_kept_is_sent_once_and_in_its_order(browser: Browser, tmp_path: Path) -> None:
    """Given decisions that the page of an earlier version has kept in a browser; when the site was updated and the page is
    loaded, then it keeps each by itself, sends all in their order once the site answers, and leaves no list behind."""
    with opened(browser, tmp_path, 40) as (page, where, _):
        ahead(page, 5)
        page.route("**/judge", lambda route: route.abort())
        told = [(press(page, key), decision) for key, decision in (("x", "Rejected"), ("a", "Accepted"))]
        page.evaluate(AS_BEFORE)
        page.reload()
        expect(page.locator("#said")).to_contain_text("2")
        assert page.locator("#recent li").count() == 2
        told.append((press(page, " "), "Undecided"))
        names = page.evaluate("Object.keys(localStorage).filter(name => name.startsWith('enrich-outbox '))")
        assert len(names) == 3
        page.unroute("**/judge")
        page.reload()
        found = settled(page, where, 3)
        assert [(r.prediction, r.decision) for r in sorted(found, key=lambda r: r.at)] == told
        assert page.evaluate("localStorage.getItem('enrich-outbox Ana Ruiz')") is None


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
