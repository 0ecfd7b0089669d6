"""The page of /sparql in a browser: it works without scripts, at every width, and with every key."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import DESK, PHONE, faults_of
from tests.web.serving import served, site

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_question_is_asked_without_scripts_and_without_a_mouse(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    """Given a browser without JavaScript, when a query is typed and sent by keys, then its answer stands below as a
    table; what is wrong stands above the text, which is kept; nothing is wider than the page."""
    with site(tmp_path, 20) as found, served(found) as address:
        context = browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 900})
        page = context.new_page()
        page.goto(f"{address}/sparql")
        page.get_by_label("Query").fill("SELECT ?s ?o WHERE { ?s a ?o } LIMIT 7")
        page.get_by_label("Query").press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**query=**")
        assert page.locator("table tbody tr").count() == 7
        assert page.locator("table a").first.get_attribute("href", timeout=1000)
        page.get_by_label("Query").fill("SELECT ?s WHERE { ?s a ?o } DROP ALL")
        page.get_by_role("button", name="Ask").click()
        assert "Line 1, column 29: DROP belongs to an update" in page.get_by_role("alert").inner_text()
        assert page.get_by_label("Query").input_value() == "SELECT ?s WHERE { ?s a ?o } DROP ALL"
        page.get_by_role("link", name="classes").click()
        assert page.locator("table tbody tr").count() > 2
        context.close()
        page = browser.new_page(viewport={"width": width, "height": 900})
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(f"{address}/sparql?format=html&query=SELECT+*+WHERE+%7B+%3Fs+%3Fp+%3Fo+%7D+LIMIT+20")
        assert [found for found in faults_of(page) if "Skip to" not in found] == []
        assert complaints == []
        page.screenshot(path=str(tmp_path / f"sparql-{width}.png"), full_page=True)
        page.close()
