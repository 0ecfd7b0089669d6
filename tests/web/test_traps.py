"""Texts and IRIs that would be markup, scripts or addresses elsewhere are shown as what they are, in every slot."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser
from pyoxigraph import Literal, NamedNode, Quad

from enrich.demo.museum import class_iri
from enrich.demo.words import CLASSES
from enrich.ontology.terms import CREATOR_NAME, CRM, DCT, ENR, LA, PROV, RDF, RDFS, SKOS, XSD
from enrich.web.index.asked import Filters
from enrich.web.rendering import address, linkable, place
from enrich.web.site import Site
from enrich.web.who import Doors
from tests.web.serving import PAGE, client, placed, served, site

TAGS = {
    "html", "head", "meta", "title", "link", "body", "a", "header", "nav", "main", "footer", "p", "span",
    "h1", "h2", "h3", "section", "div", "dl", "dt", "dd", "ul", "li", "img", "figure", "figcaption",
    "table", "caption", "thead", "tbody", "tr", "th", "td", "meter", "details", "summary", "pre", "code",
    "form", "input", "select", "option", "button", "label", "strong", "mark", "script",
    "article", "h4", "ol", "kbd", "br", "textarea", "svg", "line", "text", "circle",
}  # fmt: skip
"""What the templates write."""
RAN = "window.ran=(window.ran||0)+1"
_TAGS = [
    f"<script>{RAN}</script>",
    f"<img src=x onerror={RAN}>",
    f"<svg onload={RAN}>",
    f"<iframe srcdoc='<script>parent.{RAN}</script>'></iframe>",
    f"<a href='javascript:{RAN}'>x</a>",
    f"<details open ontoggle={RAN}>",
    f"<body onload={RAN}>",
    f"<math><mtext></p><img src=x onerror={RAN}>",
    "<style>@import 'https://evil.example/x.css'</style>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<base href=https://evil.example/>",
    "<form action=https://evil.example/><button>x</button></form>",
    f"<object data='data:text/html,<script>{RAN}</script>'></object>",
    "<embed src=https://evil.example/x.swf>",
    f"<input autofocus onfocus={RAN}>",
    f"<marquee onstart={RAN}>",
    f"<video><source onerror={RAN}></video>",
    "<!--", "-->", "<![CDATA[", "</title>", "</textarea>", "</main>", "</details>", "</script>",
]  # fmt: skip
_QUOTED = [
    f"{quote}{close}{tag}"
    for quote in ('"', "'", "`")
    for close in ("", ">", " ")
    for tag in (f" onmouseover={RAN} x=", f"><img src=x onerror={RAN}>")
]
_OTHERS = [
    "{{ 7 * 7 }}", "{% raw %}", "${7*7}", "#{7*7}", "&lt;script&gt;", "&#60;script&#62;", "%3Cscript%3E", "\u202ecod.exe",
    "\ufffd", "\u2028\u2029", "a" * 3000, "<" * 500, "=cmd|'/c calc'!A1", "'; DROP TABLE answer; --",
    "javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:msgbox(1)", "//evil.example/x", "\\\\evil.example\\x",
]  # fmt: skip
TEXTS = [*_TAGS, *_QUOTED, *_OTHERS]
IRIS = [
    "javascript:window.ran=1", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "JaVaScRiPt:window.ran=1", "urn:x:'onload='1",
    "https://museum.example.org/a'onmouseover='window.ran=1", "https://museum.example.org/(javascript:1)", "https://evil.example/x?a=1&b=2#",
    "blob:https://museum.example.org/1", "http:window.ran=1", "https://[::1]/x", "https://user:pass@evil.example/",
]  # fmt: skip


def traps(record: NamedNode, number: int, graph: NamedNode) -> Iterator[Quad]:
    """What a museum could say of a record, all of it hostile."""
    text, iri = TEXTS[number % len(TEXTS)], NamedNode(IRIS[number % len(IRIS)])
    image = NamedNode(f"https://museum.example.org/trap/{number}")
    yield Quad(record, RDFS.label, Literal(text, language="en"), graph)
    yield Quad(record, CRM.P2_has_type, iri, graph)
    yield Quad(record, CRM.P46i_forms_part_of, iri, graph)
    yield Quad(iri, RDFS.label, Literal(text), graph)
    yield Quad(record, CRM.P138i_has_representation, image, graph)
    yield Quad(image, LA.digitally_shown_by, image, graph)
    yield Quad(image, LA.access_point, Literal(TEXTS[-1 - number % len(TEXTS)]), graph)
    yield Quad(image, LA.access_point, iri, graph)


@pytest.fixture(scope="module")
def trapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A museum whose records, values, vocabulary, register and reviews are full of traps."""
    folder: Path = tmp_path_factory.mktemp("traps")
    with site(folder, 60, creator=TEXTS[0]) as found, found.workspace() as workspace:
        store, names = workspace.store, workspace.names
        graph = NamedNode("https://museum.example.org/graph/traps")
        records = sorted(workspace.reader.iris(), key=str)
        strange = NamedNode("javascript:window.ran=2")
        store.insert(Quad(strange, RDF.type, CRM["E22_Human-Made_Object"], graph) for _ in range(1))
        store.insert(q for n, record in enumerate([*records, strange]) for q in traps(record, n, graph))
        classes = [class_iri(name, value) for name, values in CLASSES.items() for value in values]
        for number, value in enumerate(classes):
            store.update(f"DELETE WHERE {{ GRAPH ?g {{ {value} {SKOS.prefLabel} ?o }} }}")
            text = TEXTS[number % len(TEXTS)]
            store.insert(
                [
                    Quad(value, p, Literal(text), graph)
                    for p in (SKOS.prefLabel, SKOS.altLabel, SKOS.definition)
                ]
            )
            store.insert([Quad(value, SKOS.broader, NamedNode(IRIS[number % len(IRIS)]), graph)])
            placed(found, value.value)
        (run,) = found.index.facets(Filters())["run"]
        for subject, predicate in (
            (run.value, DCT.title),
            (run.value, CREATOR_NAME),
            (found.index.page(Filters()).rows[0].model, DCT.title),
        ):
            store.update(f"DELETE WHERE {{ GRAPH {names.runs} {{ <{subject}> {predicate} ?o }} }}")
            store.insert([Quad(NamedNode(subject), predicate, Literal(TEXTS[1]), names.runs)])
        for number, row in enumerate(found.index.page(Filters({"outcome": ("Predicted",)}), limit=60).rows):
            review = NamedNode(f"{names.base}review/{number}")
            said = (
                (ENR.about, NamedNode(row.record)), (ENR.reviews, NamedNode(row.prediction)), (ENR.decision, ENR.Undecided),
                (ENR.propertyName, Literal(row.property)), (ENR.answers, NamedNode(row.value or "")),
                (CRM.P14_carried_out_by, NamedNode(IRIS[number % len(IRIS)])), (CRM.P3_has_note, Literal(TEXTS[number % len(TEXTS)])),
                (PROV.endedAtTime, Literal("2026-11-26T10:00:00Z", datatype=XSD.dateTime)),
            )  # fmt: skip
            store.insert([Quad(review, p, o, names.reviews) for p, o in said])
        found.forget()
        found.index.refresh(facts=True)
        yield found


def places(trapped: Site) -> list[str]:
    """Every page that shows something of the store."""
    rows = list(trapped.index.rows(Filters()))
    base = trapped.settings.base
    with trapped.workspace() as workspace:
        records = [iri.value for iri in workspace.reader.iris()]
    values = {row.value for row in rows if row.value}
    return [
        "/", "/browse?limit=200", "/runs", "/cross", "/cross?facets=value&facets=museum", "/cross?properties=material&properties=technique",
        "/map?property=material", "/promise",
        *(address("/record", iri=record) for record in records),
        *(address("/value", iri=value) for value in sorted(values)),
        *(address("/value", iri=iri) for iri in IRIS),
        *(f"{place(base, row.prediction)}.html" for row in rows[:20]),
        *(f"{place(base, row.run)}.html" for row in rows[:1]),
        *(f"{place(base, row.model)}.html" for row in rows[:1]),
        *(f"/review/{number}.html" for number in range(20)),
    ]  # fmt: skip


def test_no_trap_is_markup_in_any_page(trapped: Site) -> None:
    """Given the traps; then no page has a tag, an attribute or a link of theirs, and only http(s) IRIs are links."""
    with client(trapped) as web:
        for path in places(trapped):
            found = web.get(path, headers=PAGE)
            assert found.status_code in (200, 404), path
            check(found.text, path)


def test_no_trap_is_markup_where_curators_work(trapped: Site) -> None:
    """Given the traps; then no card, no group and nothing of what curators said has markup of theirs."""
    doors = Doors(trapped.settings, TEXTS[0])
    with client(trapped, doors) as web:
        web.get(doors.invitation())
        pages = [web.get(path).text for path in ("/queue", "/groups", "/curators")]
        for group in trapped.index.grouped(Filters())[:20]:
            of = {name: getattr(group, name) for name in ("property", "value", "band", "museum")}
            pages.append(web.get(address("/group", of)).text)
        tokens: list[str] = []
        for _ in range(3):
            asked = {"have": ",".join(tokens)}
            found = web.post("/queue/cards", data=asked, headers={"Sec-Fetch-Site": "same-origin"}).json()[
                "cards"
            ]
            tokens += [card["token"] for card in found]
            pages += [card["html"] for card in found]
    for number, text in enumerate(pages):
        check(text, f"page {number}")
    missing = [text for text in TEXTS if text.strip() and text not in unescape("".join(pages))]
    assert len(missing) < len(TEXTS) / 4, missing


@pytest.mark.slow
def test_no_trap_in_an_address_is_markup(trapped: Site) -> None:
    """Given each trap as a part of an address; then the answer is a page, no failure, and has no markup of it."""
    names = ("iri", "value", "property", "record", "prediction", "lang", "order", "after", "limit")
    with client(trapped) as web:
        for number, text in enumerate([*TEXTS, *IRIS]):
            asked = [("/browse", "q"), ("/browse", names[number % len(names)]), ("/picture", "record")]
            asked += [(path, "iri") for path in ("/record", "/value", "/why", "/model", "/nowhere")]
            for path, name in asked:
                found = web.get(path, params={name: text}, headers=PAGE)
                assert found.status_code < 500, (path, name, text)
                check(found.text, f"{path} {name} {text}")
            for path in ("/run/", "/prediction/", "/"):
                check(web.get(f"{path}{quote(text, safe='')}.html", headers=PAGE).text, text)


class _Markup(HTMLParser):
    """What of a page is markup that its templates do not write."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.found.append(tag)
        for name, value in attrs:
            target = value or ""
            if name.startswith("on") or name == "style" or not name.replace("-", "").isalnum():
                self.found.append(f"{tag} {name}")
            own = target.startswith(("/", "#")) and not target.startswith(("//", "/\\"))
            if name in ("href", "src", "action") and not own and not linkable(target):
                self.found.append(f"{tag} {name}={target}")


def check(text: str, where: str) -> None:
    """No trap is markup."""
    markup = _Markup()
    markup.feed(text)
    assert markup.found == [], where


@pytest.mark.slow
def test_a_browser_runs_nothing_of_them_and_asks_nobody_else(trapped: Site, browser: Browser) -> None:
    """Given the traps in a browser; then there is no dialog, no breach of the policy, no script ran, and no request left."""
    wrong: list[str] = []
    with served(trapped) as home:
        page = browser.new_page()
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', e => console.log('VIOLATION ' + e.blockedURI))"
        )
        page.on("dialog", lambda dialog: (wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on(
            "console",
            lambda said: (
                wrong.append(said.text) if "VIOLATION" in said.text or "Policy" in said.text else None
            ),
        )
        page.on(
            "request", lambda asked: None if asked.url.startswith(f"{home}/") else wrong.append(asked.url)
        )
        for path in places(trapped):
            page.goto(home + path)
            page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            assert page.evaluate("window.ran") is None, path
            assert page.url == home + path
            assert wrong == [], path
        page.close()


def test_the_traps_are_there(trapped: Site) -> None:
    """The tests above would pass on an empty museum: the traps are in the pages, as text."""
    with client(trapped) as web:
        pages = "".join(unescape(web.get(path, headers=PAGE).text) for path in places(trapped))
    missing = [text for text in TEXTS if text.strip() and text not in pages]
    assert len(TEXTS) >= 60
    assert missing == []
