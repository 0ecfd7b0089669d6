"""The API: the explorer's powers as JSON, described by OpenAPI, with its faults as problems."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from enrich.errors import StoreUnavailable
from enrich.ontology.terms import ENR
from enrich.settings.loading import Settings
from enrich.web.index.asked import FACETS
from enrich.web.site import Site
from enrich.web.who import Doors
from tests.servers import free_port
from tests.web.serving import client, site

V1 = "/api/v1"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for all of these tests: each takes back what it judged."""
    folder: Path = tmp_path_factory.mktemp("api")
    with site(folder) as found:
        yield found


@pytest.fixture(scope="module")
def asking(here: Site) -> Iterator[TestClient]:
    with client(here) as found:
        yield found


@pytest.fixture(scope="module")
def bearer(here: Site) -> dict[str, str]:
    """What a curator's script sends along."""
    token = Doors(here.settings).tokens.add("Ana Ruiz", "curator")
    return {"Authorization": f"Bearer {token}"}


def got(asking: TestClient, path: str, **params: Any) -> Any:
    answer = asking.get(f"{V1}/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def predicted(asking: TestClient, **params: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = got(asking, "answers", outcome="Predicted", limit=500, **params)["rows"]
    return rows


def test_a_list_goes_on_where_it_stopped_until_all_is_told(asking: TestClient) -> None:
    first = got(asking, "answers", limit=7)
    seen, after = [row["prediction"] for row in first["rows"]], first["after"]
    while after:
        page = got(asking, "answers", limit=7, after=after)
        seen += [row["prediction"] for row in page["rows"]]
        after = page["after"]
    assert len(seen) == len(set(seen)) == first["total"] > 7


def test_every_facet_is_described(asking: TestClient) -> None:
    paths = got(asking, "openapi.json")["paths"]
    for path in ("/answers", "/facets"):
        assert {one["name"] for one in paths[path]["get"]["parameters"]} >= {*FACETS, "q"}


def test_the_counts_of_a_facet_are_what_is_listed(asking: TestClient) -> None:
    for facet in got(asking, "facets")["property"]:
        assert got(asking, "answers", property=facet["value"])["total"] == facet["count"]


def test_a_record_a_run_and_the_gaps_are_told(asking: TestClient) -> None:
    row = predicted(asking)[0]
    record = got(asking, "record", iri=row["record"])
    assert row["prediction"] in [p["prediction"] for p in record["predictions"]]
    (run,) = got(asking, "runs")
    assert got(asking, f"runs/{run['run'].rpartition('/')[2]}")["citation"]["text"]
    assert set(got(asking, "gaps")["properties"]) == {p["value"] for p in got(asking, "facets")["property"]}


def test_a_judgement_is_written_once_seen_at_once_and_taken_back(
    asking: TestClient, bearer: dict[str, str]
) -> None:
    """Given a curator's token, when a prediction is accepted twice, then there is one review, and it can be undone."""
    row = predicted(asking)[0]
    said = {"judgements": [{"prediction": row["prediction"], "decision": "Accepted"}]}
    done = asking.post(f"{V1}/reviews", json=said, headers=bearer)
    assert done.status_code == 201, done.text
    assert len(done.json()["reviews"]) == 1
    again = asking.post(f"{V1}/reviews", json=said, headers=bearer).json()
    assert (again["reviews"], again["unchanged"]) == ([], 1)
    assert [r["prediction"] for r in predicted(asking, state="Accepted")] == [row["prediction"]]
    (review,) = [r for r in got(asking, "reviews") if r["review"] in done.json()["reviews"]]
    assert review["actor"].endswith("ana-ruiz")

    back = asking.post(f"{V1}/reviews/withdrawals", json={"named": done.json()["batch"]}, headers=bearer)
    assert back.status_code == 201
    assert predicted(asking, state="Accepted") == []


def test_what_was_written_is_told_though_the_lists_follow_later(
    asking: TestClient, here: Site, bearer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a store that goes away when the review has been written, then the answer is that it was."""

    def away(*_: object) -> None:
        raise StoreUnavailable("the store is away")

    said = {"judgements": [{"prediction": predicted(asking)[0]["prediction"], "decision": "Rejected"}]}
    with monkeypatch.context() as patch:
        patch.setattr(here.index, "refresh", away)
        patch.setattr(here.index, "judged", away)
        done = asking.post(f"{V1}/reviews", json=said, headers=bearer)
    assert done.status_code == 201, done.text
    asking.post(f"{V1}/reviews/withdrawals", json={"named": done.json()["batch"]}, headers=bearer)


def test_what_cannot_be_judged_is_refused_by_name_and_costs_no_other(
    asking: TestClient, bearer: dict[str, str]
) -> None:
    row = predicted(asking)[0]
    said = [
        {"prediction": "https://m.example/nothing", "decision": "Accepted"},
        {"prediction": row["prediction"], "decision": "Rejected", "objection": "TooBroad"},
    ]
    done = asking.post(f"{V1}/reviews", json={"judgements": said}, headers=bearer).json()
    assert [r["what"] for r in done["refused"]] == ["https://m.example/nothing"]
    assert len(done["reviews"]) == 1
    asking.post(f"{V1}/reviews/withdrawals", json={"named": done["batch"]}, headers=bearer)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}])
def test_nobody_judges_without_a_name(asking: TestClient, headers: dict[str, str]) -> None:
    row, before = predicted(asking)[0], got(asking, "reviews")
    said = {"judgements": [{"prediction": row["prediction"], "decision": "Accepted"}]}
    answer = asking.post(f"{V1}/reviews", json=said, headers=headers)
    assert answer.status_code in (401, 403)
    assert answer.headers["content-type"] == "application/problem+json"
    assert got(asking, "reviews") == before


def test_a_fault_is_a_problem_that_says_what_to_do(asking: TestClient) -> None:
    answer = asking.get(f"{V1}/record", params={"iri": "not an IRI"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["status"] == 400
    assert "IRI" in answer.json()["detail"]
    assert asking.get(f"{V1}/runs/nonesuch").status_code == 404
    assert asking.get(f"{V1}/answers", params={"limit": 0}).status_code == 400
    assert asking.get(f"{V1}/answers", params={"q": 501 * "a"}).status_code == 400
    assert asking.get(f"{V1}/nothing").headers["content-type"] == "application/problem+json"


def test_openrefine_matches_values_and_fetches_what_was_predicted(asking: TestClient) -> None:
    """Given the reconciliation service, then its manifest, its matches and its columns are those of version 0.2."""
    manifest = got(asking, "reconcile")
    assert manifest["versions"] == ["0.2"]
    row = predicted(asking, property="place")[0]
    queries = {
        "q0": {"query": row["value_name"].upper(), "type": "place", "limit": 3},
        "q1": {"query": "zzz"},
    }
    found = asking.post(f"{V1}/reconcile", data={"queries": json.dumps(queries)}).json()
    best = found["q0"]["result"][0]
    assert (best["id"], best["match"], best["score"]) == (row["value"], True, 100.0)
    assert best["type"] == [{"id": "place", "name": "place"}]
    assert found["q1"]["result"] == []

    asked = {
        "ids": [row["record"], "https://m.example/x"],
        "properties": [{"id": "place"}, {"id": "place.confidence"}],
    }
    told = got(asking, "reconcile", extend=json.dumps(asked))
    assert told["rows"][row["record"]] == {
        "place": [{"id": row["value"], "name": row["value_name"]}],
        "place.confidence": [{"float": row["confidence"]}],
    }
    assert told["rows"]["https://m.example/x"] == {"place": [], "place.confidence": []}
    for said in (
        {"queries": "{"},
        {"queries": "[" * 50_000},
        {"queries": '{"q": {"query": "half a character \\ud83d"}}'},
        {"queries": f'{{"q": {{"query": "a", "limit": {"7" * 5000}}}}}'},
        {"extend": '{"ids": ["https://m.example/\\udc00"], "properties": []}'},
    ):
        assert asking.post(f"{V1}/reconcile", data=said).status_code == 400, said
    prefix = row["record_name"].split()[0]
    entities = got(asking, "reconcile/suggest/entity", prefix=prefix)["result"]
    assert any(e["type"][0]["id"] == "record" for e in entities)
    assert {"id": "place", "name": "place"} in got(asking, "reconcile/properties")["properties"]
    types, columns = (
        got(asking, f"reconcile/suggest/{what}", prefix="PLACE") for what in ("type", "property")
    )
    assert types["result"] == [{"id": "place", "name": "place"}]
    assert columns["result"] == columns["properties"]
    assert [(c["id"], c["name"]) for c in columns["result"][1:]] == [
        ("place.confidence", "place: confidence"),
        ("place.state", "place: state"),
    ]


def test_names_are_scored_by_how_near_they_are(here: Site, asking: TestClient) -> None:
    """Given a record's name, whole, and its first word alone, then the whole comes first and is matched, the word is not."""
    name = predicted(asking)[0]["record_name"]
    first = {text: here.index.named(text, ["record"], 5) for text in (name.upper(), name.split()[0])}
    whole, word = first.values()
    assert (whole[0].name, whole[0].likeness) == (name, 1.0)
    assert [one.likeness for one in whole] == sorted((one.likeness for one in whole), reverse=True)
    assert 0 < word[0].likeness < 1


def test_a_hundred_long_texts_are_matched_in_moments(asking: TestClient) -> None:
    """Given as many queries as a request may have, each as long as may be, with words that many names have, then they cost
    no more than their beginnings."""
    words = Counter(w for row in predicted(asking) for w in row["record_name"].split() if len(w) > 3)
    text = f"{words.most_common(1)[0][0]} " * 8
    text = f"{text:<200}" + "chintz percale organza " * 34
    long, short = ({f"q{n}": {"query": text[:end]} for n in range(100)} for end in (1_000, 200))
    began = time.process_time()
    found = asking.post(f"{V1}/reconcile", data={"queries": json.dumps(long)}).json()
    took = time.process_time() - began
    assert found == asking.post(f"{V1}/reconcile", data={"queries": json.dumps(short)}).json()
    assert took < 3


def test_what_was_matched_leads_to_its_own_page(asking: TestClient) -> None:
    """Given a link by which OpenRefine shows what it matched, then that of a record leads to the record, of a value to it."""
    row = predicted(asking, property="place")[0]
    view = got(asking, "reconcile")["view"]["url"]
    for found, path in ((row["record"], "/record"), (row["value"], "/value")):
        shown = asking.get(view.replace("{{id}}", quote(found, safe="")), follow_redirects=True)
        assert shown.status_code == 200
        assert (shown.url.path, shown.url.params["iri"]) == (path, found)
        assert shown.text.count("<h1") == 1


def test_predictions_are_annotations_of_the_pictures(asking: TestClient) -> None:
    row = next(r for r in predicted(asking) if r["picture"])
    page = got(asking, "annotations", record=row["record"])
    assert page["type"] == "AnnotationPage"
    mine = [a for a in page["items"] if a["id"].startswith(row["prediction"])]
    assert mine
    assert row["picture"] in [annotation["target"] for annotation in mine]
    for annotation in mine:
        assert annotation["body"][0] == {
            "type": "SpecificResource",
            "source": row["value"],
            "purpose": "classifying",
        }


@pytest.mark.parametrize("decision", ["Rejected", "Corrected", "Accepted", "Undecided"])
def test_what_was_turned_down_goes_on_to_nobody_as_a_suggestion(
    here: Site, asking: TestClient, bearer: dict[str, str], decision: str
) -> None:
    """Given a suggestion with a picture, when it is turned down, then neither viewers nor OpenRefine get it; judged
    otherwise, they do, and viewers are told how."""
    rows = [r for r in predicted(asking, property="place") if r["picture"]]
    row = next(r for r in rows if r["state"] == "Pending")
    said = {"prediction": row["prediction"], "decision": decision}
    if decision == "Corrected":
        with here.workspace() as workspace:
            places = {v for s in workspace.reader.read_all() for v in s.record.known.get("place", ())}
        said["value"] = min(places - {row["value"]})
    made = asking.post(f"{V1}/reviews", json={"judgements": [said]}, headers=bearer).json()
    try:
        items = got(asking, "annotations", record=row["record"])["items"]
        told = [a["enr:decision"]["id"] for a in items if a["id"].startswith(row["prediction"])]
        columns = {"ids": [row["record"]], "properties": [{"id": "place"}, {"id": "place.state"}]}
        fetched = got(asking, "reconcile", extend=json.dumps(columns))["rows"][row["record"]]
    finally:
        asking.post(f"{V1}/reviews/withdrawals", json={"named": made["batch"]}, headers=bearer)
    if decision in ("Rejected", "Corrected"):
        assert (told, fetched) == ([], {"place": [], "place.state": []})
    else:
        assert set(told) == {str(ENR[decision])}
        assert fetched["place.state"] == [{"str": decision}]
    again = got(asking, "annotations", record=row["record"])["items"]
    assert {"enr:decision" in a for a in again if a["id"].startswith(row["prediction"])} == {False}


def test_behind_a_proxy_addresses_are_those_that_browsers_know(here: Site, asking: TestClient) -> None:
    record, own = predicted(asking)[0]["record"], "https://silk.museum.example"
    said = {"address": f"{own}/", "user_header": "X-User", "trusted_proxies": ("10.0.0.0/8",)}
    settings = here.settings.model_copy(update={"web": here.settings.web.model_copy(update=said)})
    with client(here, Doors(settings)) as behind:
        manifest = got(behind, "reconcile")
        page = got(behind, "annotations", record=record)
    assert manifest["suggest"]["entity"]["service_url"] == f"{own}{V1}/reconcile"
    assert manifest["view"]["url"].startswith(f"{own}/value")
    assert page["id"].startswith(f"{own}{V1}/annotations?record=")


def test_health_and_metrics(asking: TestClient) -> None:
    well = asking.get("/health")
    assert (well.status_code, well.json()["ok"]) == (200, True)
    asking.get(f"{V1}/runs/anybody-may-ask-this")
    asking.head("/health")
    told = asking.get("/metrics").text
    assert 'enrich_web_requests_total{method="HEAD",route="/health",status="200"} 1.0' in told
    assert 'route="/api/v1/runs/{name}",status="404"}' in told
    assert 'enrich_web_requests_total{method="GET",route="/health",status="200"} 1.0' in told
    assert "anybody-may-ask-this" not in told


def test_health_does_not_tell_strangers_where_the_store_is(tmp_path: Path) -> None:
    port = free_port()
    store = {"query_url": f"http://127.0.0.1:{port}/query"}
    down = Site(Settings(store=store, web={"index": str(tmp_path / "index.sqlite")}))  # type: ignore[arg-type]
    with client(down) as asking:
        found = asking.get("/health")
    down.close()
    assert found.status_code == 503
    assert found.json()["problems"] == ["the store cannot be read", "the store cannot be written"]
    assert str(port) not in found.text
