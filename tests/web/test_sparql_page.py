"""The page of /sparql: what it shows, and in a browser without scripts, at every width, and with every key."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser
from pyoxigraph import Literal, NamedNode, Quad
from starlette.testclient import TestClient

from enrich.graph.stores.embedded import EmbeddedStore
from tests.browser import DESK, PHONE, faults_of
from tests.web.serving import limited, served, site

E = "http://example.org/"


def test_the_page_shows_an_answer_and_what_was_wrong(web: TestClient) -> None:
    html = {"Accept": "text/html"}
    assert '<textarea id="query"' in web.get("/sparql", headers=html).text
    rows = web.get("/sparql", params={"query": "SELECT ?s WHERE { ?s a ?o }"}, headers=html)
    assert rows.status_code == 200
    assert rows.text.count("<td><a href=") > 10
    wrong = web.get("/sparql", params={"query": "SELECT *\n{ ?s ?p ?o } DROP ALL"}, headers=html)
    assert wrong.status_code == 400
    assert "Line 2, column 14" in wrong.text
    assert "SELECT *\n{ ?s ?p ?o } DROP ALL</textarea>" in wrong.text
    assert "<strong>Yes</strong>" in web.get("/sparql", params={"query": "ASK {}", "format": "html"}).text
    turtle = web.get("/sparql", params={"query": "CONSTRUCT WHERE { ?s a ?o }", "format": "html"}).text
    assert "<pre>&lt;https://" in turtle


def test_the_page_shows_hostile_terms_as_text(tmp_path: Path) -> None:
    store, g = EmbeddedStore(), NamedNode(E + "g")
    for text in (
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</textarea><script>alert(1)</script>",
    ):
        store.insert([Quad(NamedNode("javascript:alert(1)"), g, Literal(text), g)])
    with limited(tmp_path, store) as ask:
        query = f"SELECT * {{ GRAPH {g} {{ ?s ?p ?o }} }} # </textarea><script>alert(2)</script>"
        page = ask.get("/sparql", params={"query": query}, headers={"Accept": "text/html"}).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert 'href="javascript' not in page


@pytest.mark.slow
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
