"""What ADASilk shows of the silk graph, shown here of the same graph: the rows of the table in docs/explorer.md."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from html import unescape
from itertools import islice
from pathlib import Path

import pyoxigraph as ox
import pytest
from starlette.testclient import TestClient

from enrich.answering.run import run
from enrich.graph.stores import open_store
from enrich.learn.training import train
from enrich.settings.loading import Settings
from enrich.web.index.asked import Filters
from enrich.web.site import Site
from enrich.workspace import Workspace
from tests.web.serving import PAGE, client

THESAURUS = ox.NamedNode("http://data.silknow.org/graph/thesaurus")
PROPERTIES = ("place", "time", "technique", "material")
pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture(scope="module")
def silk(museum_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The silk graph with its thesaurus, some hundred records of which have answers by class priors."""
    folder = tmp_path_factory.mktemp("silk")
    store = open_store()
    with gzip.open(museum_data / "silknow" / "records.nq.gz") as file:
        store.insert(ox.parse(file, ox.RdfFormat.N_QUADS))
    with gzip.open(museum_data / "silknow" / "thesaurus.ttl.gz") as file:
        triples = (quad.triple for quad in ox.parse(file, ox.RdfFormat.TURTLE))
        store.insert(ox.Quad(t.subject, t.predicate, t.object, THESAURUS) for t in triples)
    thresholds = dict.fromkeys(PROPERTIES, 0.2)
    settings = Settings(
        profile="silknow", decision={"thresholds": thresholds}, web={"index": str(folder / "index")}
    )  # type: ignore[arg-type]
    workspace = Workspace(settings, store)
    taught = [s.iri.value for s in islice(workspace.reader.read_all(), 3000) if len(s.record.known) >= 2][
        :400
    ]
    splits = folder / "splits.tsv"
    splits.write_text("record\tsplit\n" + "".join(f"{iri}\ttrain\n" for iri in taught))
    train(workspace, splits, folder / "model", modalities=("dummy",))
    run(workspace, folder / "model", limit=400)
    found = Site(settings, store)
    found.index.refresh(facts=True)
    yield found
    found.close()


@pytest.fixture(scope="module")
def web(silk: Site) -> Iterator[TestClient]:
    with client(silk) as found:
        yield found


def test_facets(silk: Site, web: TestClient) -> None:
    """Given the silk graph; then answers are narrowed by museum, place, time, technique and material, with counts."""
    for facet in ("museum", "property", "value"):
        for value in silk.index.facets(Filters(), 5)[facet]:
            text = web.get("/browse", params={facet: value.value}, headers=PAGE).text
            assert f"<strong>{value.count} of " in text


def test_full_text(silk: Site, web: TestClient) -> None:
    """Given the thesaurus in four languages; then a value is found by its name in any of them, without its accents."""
    value = (
        silk.index.page(Filters({"property": ("material",), "outcome": ("Predicted",)}), limit=1)
        .rows[0]
        .value
    )
    assert value is not None
    for language in ("en", "es", "fr", "it"):
        name = silk.index.names([value], language)[value]
        assert silk.index.total(Filters(text=name.upper())) > 0
        assert web.get("/browse", params={"q": name}, headers=PAGE).status_code == 200


def test_vocabulary_pages(silk: Site, web: TestClient) -> None:
    """Given values of the thesaurus; then each has a page with its other names, what is near it, facts and suggestions."""
    for found in silk.index.facets(Filters({"property": ("technique",)}))["value"][:3]:
        text = web.get("/value", params={"iri": found.value}, headers=PAGE).text
        assert "Broader" in text or "Narrower" in text
        assert f">{found.count} suggestions" in text
    value = (
        silk.index.page(Filters({"property": ("material",), "outcome": ("Predicted",)}), limit=1)
        .rows[0]
        .value
    )
    assert "Also called" in web.get("/value", params={"iri": value}, headers=PAGE).text


def test_a_prediction_has_its_colour_score_and_evidence(silk: Site, web: TestClient) -> None:
    row = silk.index.page(Filters({"outcome": ("Predicted",)}), limit=1).rows[0]
    text = web.get("/record", params={"iri": row.record}, headers=PAGE).text
    guesses = text.partition('id="suggests"')[2]
    assert 'class="guess"' in guesses
    assert f"{row.confidence:.2f}" in guesses
    assert "What each kind of evidence says alone" in guesses
    assert 'href="/why?' in guesses


def test_pictures(silk: Site, web: TestClient) -> None:
    """Given records with pictures elsewhere; then their page asks for them here, by record and number."""
    row = next(r for r in silk.index.rows(Filters()) if r.picture)
    text = web.get("/record", params={"iri": row.record}, headers=PAGE).text
    assert re.findall(r'<img src="(/picture\?record=[^"]*n=1)"', text)
    assert not re.findall(r'<img src="http', text)


def test_places_and_centuries(silk: Site, web: TestClient) -> None:
    text = web.get("/cross", headers=PAGE).text
    counts = [int(n) for n in re.findall(r'class="shade-[1-5] number">(\d+)<', text)]
    left_out = sum(map(int, re.findall(r"(\d+) of \d+ are in rows", text)))
    assert (
        sum(counts) + left_out
        == sum(pair.count for pair in silk.index.together(Filters(), "place", "time"))
        > 0
    )


def test_permalinks_and_the_query_of_each_page(silk: Site, web: TestClient) -> None:
    """Given a list and a record; then their lasting address shows the same, and their query is one click away and runs."""
    row = silk.index.page(Filters(), limit=1).rows[0]
    for path in ("/browse?property=technique&order=record", f"/record?iri={row.record}"):
        text = web.get(path, headers=PAGE).text
        (ask,) = re.findall(r'href="(/sparql\?[^"]*)"', text)
        asked = web.get(unescape(ask), headers=PAGE)
        assert asked.status_code == 200
        (again,) = re.findall(r'href="([^"]*)">Lasting address', text)
        assert web.get(unescape(again), headers=PAGE).status_code == 200


def test_export(silk: Site, web: TestClient) -> None:
    total = silk.index.total(Filters({"property": ("place",)}))
    assert len(web.get("/browse.json?property=place").json()) == total
    assert len(web.get("/browse.csv?property=place").text.splitlines()) == total + 1
    assert web.get("/browse.ttl?property=place").status_code == 200


def test_four_languages(silk: Site, web: TestClient) -> None:
    row = silk.index.page(Filters({"property": ("material",), "outcome": ("Predicted",)}), limit=1).rows[0]
    assert row.value is not None
    texts = {
        code: web.get("/value", params={"iri": row.value}, headers={**PAGE, "Accept-Language": code}).text
        for code in ("en", "es", "fr", "it")
    }
    names = {code: re.findall(r"<h1>(.*?)</h1>", text)[0] for code, text in texts.items()}
    assert names == {code: silk.index.names([row.value], code)[row.value] for code in names}
    assert len(set(names.values())) > 1


def test_what_it_lacks(silk: Site, web: TestClient) -> None:
    """Given what its users missed: counts by state, an order by confidence, guesses apart from facts, and few questions."""
    text = web.get("/browse?state=Pending&order=margin", headers=PAGE).text
    assert f"<strong>{silk.index.held().answers} of {silk.index.held().answers} answers" in text
    assert "closest calls first" in text
