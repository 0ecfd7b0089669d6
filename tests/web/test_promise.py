"""The page of promises: what is observed beside what was promised, and the part that does not keep it taken back."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pyoxigraph import NamedNode

from enrich.answering.run import run as answer_gaps
from enrich.ontology.terms import ENR
from enrich.runs.part import taken_back
from enrich.runs.promise_table import LEVELS, table
from enrich.runs.register import Register
from enrich.runs.reviewing import Judgement, Reviewer
from enrich.web import drawing
from enrich.web.index.asked import Filters
from enrich.web.site import Site
from enrich.web.who import Doors
from tests.web.serving import client, site
from tests.web.test_judging import asking, cards, reviews, sent

TIME = Filters({"property": ("time",), "outcome": ("Predicted",)})


@contextmanager
def judged(folder: Path) -> Iterator[Site]:
    """A museum whose model promises that nine answers in ten are right; of its centuries a curator found a third to be."""
    places = {"index": str(folder / "index.sqlite"), "tokens": str(folder / "t.json")}
    with site(folder, 60, web=places) as found:
        with found.workspace() as workspace:
            for shard in Register(workspace.store, workspace.names).all_shards():
                graph = f"GRAPH <{shard}>"
                workspace.store.update(
                    f"INSERT {{ {graph} {{ ?p {ENR.promised} 0.9 }} }} WHERE {{ {graph} {{ ?p {ENR.outcome} {ENR.Predicted} }} }}"
                )
        for file in folder.glob("index.sqlite*"):  # shards are never read twice
            file.unlink()
        judge(found)
        yield found


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One that is only looked at."""
    with judged(tmp_path_factory.mktemp("museum")) as found:
        yield found


@pytest.fixture
def museum(tmp_path: Path) -> Iterator[Site]:
    """One of which something is taken back."""
    with judged(tmp_path) as found:
        yield found


def judge(found: Site) -> None:
    rows = found.index.page(TIME, limit=200).rows
    assert len(rows) > 20
    judgements = [
        Judgement(
            NamedNode(row.prediction),
            "Rejected" if n % 3 else "Accepted",
            drawn="Random",
            probability=1 / (len(rows) - n),
        )
        for n, row in enumerate(rows)
    ]
    with found.workspace() as workspace:
        assert (
            not Reviewer(workspace, "Ana").write(judgements, datetime.now(UTC) + timedelta(minutes=1)).refused
        )
    found.index.refresh()


def timed(found: Site) -> int:
    return found.index.total(TIME)


class Tags(HTMLParser):
    """The tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(text: str, name: str) -> list[dict[str, str | None]]:
    parser = Tags()
    parser.feed(text)
    return [attributes for tag, attributes in parser.found if tag == name]


def test_the_page_says_what_was_promised_what_was_found_and_what_to_do(shown: Site) -> None:
    """Given centuries that are right in a third; when anybody looks; then the row says that the promise is not kept, the
    figure shows it, the setting is there to copy, and only a lead is offered to take it back."""
    with client(shown) as anybody:
        text = anybody.get("/promise").text
    row = next(
        r for r in re.findall(r"<tr>.*?</tr>", text, re.S) if ">century" in r.lower() or "century" in r
    )
    assert "not kept" in row
    assert "0.90" in row
    assert tags(text, "circle")
    assert len(tags(text, "circle")) == len(re.findall(r'<g class="point', text))
    assert "floors = { time = 1.0 }" in text
    assert "/promise/part" not in text
    with asking(shown, "Ida", "lead") as ida:
        assert any("/promise/part" in (a["href"] or "") for a in tags(ida.get("/promise").text, "a"))


@pytest.mark.parametrize("by", LEVELS)
@pytest.mark.parametrize("language", ["en", "es", "fr", "it"])
def test_every_level_is_shown_in_every_language(shown: Site, by: str, language: str) -> None:
    with client(shown) as anybody:
        answer = anybody.get("/promise", params={"by": by, "lang": language})
    assert answer.status_code == 200
    assert answer.headers["content-language"] == language
    assert len(tags(answer.text, "tr")) > 1
    assert not tags(answer.text, "script") + tags(answer.text, "style")
    assert 'style="' not in answer.text


def test_a_museum_alone_is_measured(shown: Site) -> None:
    with client(shown) as anybody:
        text = anybody.get("/promise", params={"by": "museum"}).text
        chosen = [
            o["value"]
            for o in tags(text, "option")
            if (o["value"] or "").startswith("http") and "museum" in (o["value"] or "")
        ]
        one = anybody.get("/promise", params={"museum": chosen[-1]})
        none = anybody.get(
            "/promise", params={"museum": 'https://nowhere.example/"><script>alert(1)</script>'}
        )
    assert one.status_code == 200
    assert len(tags(one.text, "tr")) < len(tags(text, "tr"))
    assert none.status_code == 200
    assert not tags(none.text, "script")


def test_a_lead_looks_first_and_then_takes_the_part_back(museum: Site, tmp_path: Path) -> None:
    """Given centuries that do not keep the promise; when a lead looks, nothing changes; when they take them back, then no
    century is suggested, the rest stands, the register says who did it, and the page too; done twice it is done once."""
    before, whole = timed(museum), museum.index.total(Filters({"outcome": ("Predicted",)}))
    with asking(museum, "Ida", "lead") as ida:
        (link,) = {
            a["href"] or ""
            for a in tags(ida.get("/promise").text, "a")
            if "/promise/part" in (a["href"] or "")
        }
        looked = ida.get(link)
        assert str(before) in looked.text
        assert timed(museum) == before
        said = {i["name"] or "": i["value"] or "" for i in tags(looked.text, "input")}

        done = ida.post("/promise/part", data=said)

        assert (done.status_code, done.headers["location"]) == (303, "/promise#gone")
        assert timed(museum) == 0
        assert museum.index.total(Filters({"outcome": ("Predicted",)})) == whole - before
        after = ida.get("/promise").text
        assert "Taken back so far" in after
        assert "not kept" not in after
        assert ida.post("/promise/part", data=said).status_code == 303
        assert "No run has such values" in ida.get(link).text
    with museum.workspace() as workspace:
        (noted,) = taken_back(workspace.store, workspace.names)
        assert (noted.answers, noted.part.property, noted.by) == (
            before,
            "time",
            f"{workspace.names.base}curator/ida",
        )
        assert answer_gaps(workspace, tmp_path / "model").records > 0


def test_the_audit_has_what_was_taken_back_and_what_should_have_been(museum: Site) -> None:
    (model,) = {told.model for told in museum.index.promises().sizes}
    with museum.workspace() as workspace:
        (run,) = Register(workspace.store, workspace.names).runs()
    with asking(museum, "Ida", "lead") as ida:
        for said in ({"model": model, "below": "0.9"}, {"model": "none", "museum": "https://m.example/none"}):
            ida.post("/promise/part", data={"property": "time", **said})
        ida.post("/retract", data={"run": "no such run"})
    lines = map(json.loads, museum.index.path.with_name("audit.jsonl").read_text().splitlines())
    done, refused, retracting = lines
    assert (done["outcome"], done["model"], done["property"], done["below"]) == (303, model, "time", 0.9)
    assert done["runs"] == [run.run]
    assert (refused["outcome"], refused["model"], refused["museum"]) == (
        400,
        "none",
        "https://m.example/none",
    )
    assert refused["runs"] == []
    assert (retracting["outcome"], retracting["run"]) == (404, "no such run")


def test_only_a_lead_takes_back_and_only_from_our_own_page(museum: Site) -> None:
    (model,) = {told.model for told in museum.index.promises().sizes}
    said = {"model": model, "property": "time"}
    before = timed(museum)
    with asking(museum, "Ana") as ana, client(museum) as anybody:
        assert [who.post("/promise/part", data=said).status_code for who in (ana, anybody)] == [403, 403]
        assert ana.get("/promise/part", params=said).status_code == 403
    doors = Doors(museum.settings, "Ida")
    with client(museum, doors) as ida:
        ida.get(doors.invitation())
        assert ida.get("/promise/part", params=said).status_code == 200
        for headers in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}, {}):
            assert ida.post("/promise/part", data=said, headers=headers).status_code == 403
    assert timed(museum) == before


def test_what_is_no_part_is_refused(shown: Site) -> None:
    (model,) = {told.model for told in shown.index.promises().sizes}
    before = timed(shown)
    wrong = (
        {"model": "none", "property": "time"},
        {"property": "colour"},
        {"property": "time", "below": "2"},
        {"property": "time", "below": "high"},
        {"property": "time", "below": "nan"},
        {"property": "time", "museum": "no iri"},
    )
    with asking(shown, "Ines", "lead") as ines:
        for said in wrong:
            assert ines.post("/promise/part", data={"model": model, **said}).status_code == 400, said
            assert ines.get("/promise/part", params={"model": model, **said}).status_code == 400, said
        assert ines.get("/promise", params={"by": "colour"}).status_code == 400
    assert timed(shown) == before


def test_what_the_queue_draws_at_random_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a queue of which half is drawn at random; when a curator judges some cards; then as many draws are measured as
    were random, each with its probability, and the others are known."""
    monkeypatch.setattr(drawing, "AT_RANDOM", 0.5)
    places = {"index": str(tmp_path / "index.sqlite"), "tokens": str(tmp_path / "t.json")}
    with site(tmp_path, 60, web=places) as found, asking(found, "Ana") as ana:
        for _ in range(3):
            for card in cards(ana.post("/queue/cards")):
                assert sent(ana, card, "Rejected").status_code == 200
        drawn_as = Counter(review.drawn for review in reviews(found))

        told = found.index.promises()

        assert drawn_as["Random"] > 0
        assert [a.right for a in told.judged] == [False] * drawn_as.total()
        drawn = [a for a in told.judged if a.random]
        assert len(drawn) == drawn_as["Random"]
        assert all(a.probability is not None and 0 < a.probability <= 1 for a in drawn)
        assert told.left_out == Counter({"Uncertain": drawn_as["Uncertain"]})
        assert sum(row.observed.draws for row in table(told)) == len(drawn)


def test_a_site_without_judgements_says_that_it_is_not_enough_yet(tmp_path: Path) -> None:
    with site(tmp_path, 40) as found, client(found) as anybody:
        text = anybody.get("/promise", params={"by": "band"}).text
    assert "not enough yet" in text
    assert not tags(text, "circle")
