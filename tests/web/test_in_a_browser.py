"""The pages as a browser shows them: in every language and width, with an axe, without scripts, and full of traps."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from enrich.graph.records import Subject
from enrich.web.index.asked import Filters
from enrich.web.languages import LANGUAGES
from enrich.web.rendering import address, place
from enrich.web.site import Site
from tests.browser import DESK, PHONE, faults_of
from tests.web.serving import client, placed, served

ZOOMED = 640
"""The width of a page of 1280 pixels at 200 %."""
SCRIPTS = 30_000
"""Bytes of script, compressed, that a reading page may have."""
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def home(shared: Site) -> Iterator[str]:
    with served(shared) as found:
        yield found


@pytest.fixture(scope="module")
def pages(shared: Site) -> dict[str, str]:
    """One address of every kind of reading page."""
    row = shared.index.page(Filters({"outcome": ("Predicted",)}), limit=1).rows[0]
    with shared.workspace() as workspace:
        subject: Subject = next(
            s for s in workspace.reader.read_all() if len(s.missing) > 1 and s.record.pictures
        )
    places = shared.index.facets(Filters({"property": ("place",), "outcome": ("Predicted",)}))["value"]
    for number, value in enumerate(places):
        placed(shared, value.value, latitude=str(40 + number))
    base = shared.settings.base
    return {
        "start": "/",
        "browse": "/browse",
        "list": address("/browse", {"property": "material", "q": "a", "order": "record"}),
        "none": "/browse?q=nothingofthekind",
        "runs": "/runs",
        "record": address("/record", iri=subject.iri.value),
        "why": address("/why", iri=row.record, prediction=row.prediction),
        "value": address("/value", iri=row.value),
        "prediction": f"{place(base, row.prediction)}.html",
        "run": f"{place(base, row.run)}.html",
        "model": f"{place(base, row.model)}.html",
        "cross": "/cross",
        "facets": "/cross?facets=museum&facets=state",
        "map": "/map?property=place",
        "promise": "/promise",
        "sparql": "/sparql",
        "fault": "/nowhere",
    }


@contextmanager
def opened(browser: Browser, address: str, width: int, **context: object) -> Iterator[Page]:
    """A page at a width, with what goes wrong in it raised at the end."""
    wrong: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900}, **context)  # type: ignore[arg-type]
    page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on(
        "console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None
    )
    origin = "/".join(address.split("/")[:3])
    page.on("request", lambda asked: None if asked.url.startswith(f"{origin}/") else wrong.append(asked.url))
    try:
        page.goto(address)
        yield page
        assert wrong == []
    finally:
        page.close()


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_fits_its_width_in_every_language(
    browser: Browser, home: str, pages: dict[str, str], language: str
) -> None:
    """Given every page; then on a phone, on a desk and at 200 % nothing is wider than it, cut off, or scrolls unseen."""
    for name, path in pages.items():
        with opened(browser, home + path, DESK, extra_http_headers={"Accept-Language": language}) as page:
            assert page.evaluate("document.documentElement.lang") == language
            for width in (DESK, ZOOMED, PHONE):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
                assert faults_of(page) == [], (name, width)
            assert not re.search(r"\{\w*\}", page.inner_text("main"))


@pytest.mark.slow
def test_a_head_that_is_squeezed_to_letters_is_noticed(browser: Browser) -> None:
    """Given a table whose first column has no room; then its head is a fault, and none once words are kept whole."""
    page = browser.new_page(viewport={"width": PHONE, "height": 900})
    for wrap, faults in (("anywhere", ["broken into letters: España"]), ("break-word", [])):
        page.set_content(
            f'<table style="width: 1px"><tr><th scope="row" style="overflow-wrap: {wrap}">España</th><td>1</td></tr></table>'
        )
        assert faults_of(page) == faults
    page.close()


@pytest.mark.slow
@pytest.mark.slow
def test_axe_finds_nothing_serious(browser: Browser, home: str, pages: dict[str, str]) -> None:
    for name, path in pages.items():
        with opened(browser, home + path, DESK) as page:
            page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            found = Axe().run(page).response["violations"]
            serious = [
                (v["id"], [node["html"][:200] for node in v["nodes"][:3]])
                for v in found
                if v["impact"] in SERIOUS
            ]
            assert serious == [], name


@pytest.mark.slow
@pytest.mark.slow
def test_pages_are_complete_without_scripts(browser: Browser, home: str, pages: dict[str, str]) -> None:
    """Given every page; then without scripts it says what it says with them, and every form and link works."""
    for name, path in pages.items():
        with (
            opened(browser, home + path, DESK, java_script_enabled=False) as bare,
            opened(browser, home + path, DESK) as full,
        ):
            assert words(bare) == words(full), name
    with opened(browser, home + "/browse", PHONE, java_script_enabled=False) as page:
        page.fill("#q", "silk")
        page.click("button")
        assert "q=silk" in page.url
        page.click(".chip")
        assert "q=silk" not in page.url


def words(page: Page) -> str:
    """What a page says, but for how many seconds ago something was."""
    return re.sub(r"\d+ s ago", "", page.inner_text("main"))


@pytest.mark.slow
def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    browser: Browser, home: str, pages: dict[str, str]
) -> None:
    """Given the list; when Tab is pressed; then first comes the way past the bar, and whatever has the focus shows it."""
    with opened(browser, home + pages["browse"], DESK) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        for _ in range(25):
            page.keyboard.press("Tab")
            style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert style != "none", page.evaluate("document.activeElement.outerHTML")


def test_reading_pages_are_light(shared: Site, pages: dict[str, str]) -> None:
    """Given every page; then its scripts are small, and it has neither an inline script nor an inline style."""
    with client(shared) as web:
        for name, path in pages.items():
            text = web.get(path, headers={"Accept": "text/html"}).text
            scripts = re.findall(r'<script[^>]*src="([^"]+)"', text)
            assert sum(len(gzip.compress(web.get(src).content)) for src in scripts) <= SCRIPTS, name
            assert len(gzip.compress(web.get("/static/site.css").content)) <= 10_000
            assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", text), name


def test_every_link_of_every_page_leads_somewhere(shared: Site, pages: dict[str, str]) -> None:
    """Given every page; then each link within the site is there."""
    with client(shared) as web:
        seen: set[str] = set()
        for path in set(pages.values()) - {pages["fault"]}:
            text = web.get(path, headers={"Accept": "text/html"}).text
            links = {link.replace("&amp;", "&") for link in re.findall(r'(?:href|src)="(/[^"]*)"', text)}
            for link in sorted(links - seen):
                seen.add(link)
                assert web.get(link, headers={"Accept": "text/html"}).status_code in (200, 303), (path, link)
