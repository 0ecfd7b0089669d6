"""The queue in Chromium, without a mouse."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect
from pyoxigraph import Literal, NamedNode, Quad

from enrich.ontology.terms import SKOS
from enrich.web.index.asked import Filters
from enrich.web.languages import LANGUAGES
from tests.browser import DESK, PHONE, faults_of
from tests.servers import PATIENCE
from tests.web.queueing import ahead, opened, prediction, press, settled, token

pytestmark = pytest.mark.slow

SERIOUS = ("serious", "critical")


def test_fifty_cards_by_keyboard_with_a_slow_store(browser: Browser, tmp_path: Path) -> None:
    """Given a store that answers after 300 ms, when fifty cards are judged without a mouse, two of them corrected and
    three undone, then the next card is there within 100 ms on idle cores, and the reviews are exactly that."""
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
    assert took[int(len(took) * 0.95)] < 100 * PATIENCE, took[-5:]


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
