"""The first page, the runs, and the page of a value: what is there, and facts and suggestions counted apart."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest
from pyoxigraph import Literal
from starlette.testclient import TestClient

from enrich.demo.museum import class_iri
from enrich.runs.register import retract
from enrich.web.gaps import GapCounts
from enrich.web.index.asked import Filters
from enrich.web.site import Site
from tests.web.serving import PAGE, client, counted, site


def waited(gaps: GapCounts) -> None:
    """Wait until the gaps are counted."""
    end = time.monotonic() + 20
    while gaps.latest() is None:
        assert time.monotonic() < end
        time.sleep(0.01)


def table(text: str) -> dict[str, list[str]]:
    """The rows of the first table of a page, by their heads, without markup."""
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', text.partition("</table>")[0], re.DOTALL)
    return {
        re.sub("<.*?>", "", head).strip(): [
            re.sub("<.*?>", "", cell).strip() for cell in re.findall(r"<td.*?>(.*?)</td>", cells, re.DOTALL)
        ]
        for head, cells in rows
    }


def test_the_first_page_counts_what_is_missing_and_what_is_suggested_apart(
    shared: Site, web: TestClient
) -> None:
    """Given a museum; then each property has the number of records without it, of suggestions, and of gaps left open."""
    waited(shared.gaps)
    with shared.workspace() as workspace:
        missing = Counter(name for s in workspace.reader.read_all() for name in s.missing)
    found = table(web.get("/", headers=PAGE).text)
    assert set(found) == set(shared.called.values())
    for name, label in shared.called.items():
        suggested = shared.index.total(Filters({"property": (name,), "outcome": ("Predicted",)}))
        left = shared.index.total(Filters({"property": (name,), "outcome": ("Abstained", "Failed")}))
        assert found[label][0] == str(missing[name])
        assert found[label][1] == found[label][2] == str(suggested)
        assert found[label][-1] == str(left)


def test_the_first_page_does_not_wait_for_a_count(shared: Site, web: TestClient) -> None:
    """Given gaps that are not counted yet; then the page comes at once, after one question, and says that they are."""
    gaps, shared.gaps = shared.gaps, GapCounts(shared.workspace)
    shared.gaps._ended = True
    try:
        with counted(shared) as counting:
            assert "are being counted" in web.get("/", headers=PAGE).text
            assert counting.asked == 1
    finally:
        shared.gaps = gaps


def test_the_gaps_are_counted_again_when_the_facts_change(shared: Site) -> None:
    gaps = GapCounts(shared.workspace)
    waited(gaps)
    first = gaps.latest()
    assert gaps.latest() is first
    gaps.forget()
    end = time.monotonic() + 20
    while gaps.latest() is first:
        assert time.monotonic() < end
        time.sleep(0.01)
    gaps.close()


def test_runs_are_listed_with_their_state(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        site(tmp_path_factory.mktemp("own"), 12) as museum,
        client(museum) as web,
        museum.workspace() as workspace,
    ):
        (run,) = museum.index.facets(Filters())["run"]
        assert "state-active" in web.get("/runs", headers=PAGE).text
        retract(workspace, run.value)
        museum.index.refresh()
        text = web.get("/runs", headers=PAGE).text
        assert "state-retracted" in text
        assert f'href="/run/{run.value.rpartition("/")[2]}"' in text
        assert "No model has answered yet" in web.get("/", headers=PAGE).text


def test_a_value_has_its_facts_and_its_suggestions_apart(shared: Site, web: TestClient) -> None:
    """Given each value of the museum; then its page counts the records that state it and, elsewhere, the suggestions."""
    with shared.workspace() as workspace:
        stated = Counter(
            v for s in workspace.reader.read_all() for values in s.record.known.values() for v in values
        )
    suggested = {v.value: v.count for v in shared.index.facets(Filters())["value"] if v.value}
    assert set(suggested) <= set(stated)
    for value, records in stated.items():
        text = web.get("/value", params={"iri": value}, headers=PAGE).text
        facts, _, guesses = text.partition('id="guesses"')
        assert f": {records} records" in facts
        assert (
            (f">{suggested[value]} suggestions" in guesses)
            if value in suggested
            else "No current answer" in guesses
        )


def test_a_value_is_named_in_the_reader_s_language(web: TestClient) -> None:
    text = web.get(
        "/value", params={"iri": class_iri("material", "silk").value}, headers={"Accept-Language": "es"}
    ).text
    assert "<h1>seda</h1>" in text
    assert "silk" in text


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"iri": "https://museum.example.org/none"}, 404),
        ({"value": "nothing <b>of</b> the kind"}, 404),
        ({"value": str(Literal("none", language="en"))}, 404),
        ({}, 400),
        ({"iri": "no iri"}, 400),
    ],
)
def test_a_value_that_nobody_knows_is_a_page_that_says_so(
    web: TestClient, params: dict[str, str], status: int
) -> None:
    found = web.get("/value", params=params, headers=PAGE)
    assert found.status_code == status
    assert "<b>of" not in found.text
