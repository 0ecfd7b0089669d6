"""The report: one page that needs nothing else, shows everything, and trusts no text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.errors import InputError, ModelError
from enrich.learn.evaluation import evaluate
from enrich.learn.measures import measure
from enrich.learn.report.page import page
from enrich.learn.report.verdict import answers, verdict
from enrich.learn.training import train
from tests.browser import DESK, PHONE, faults_at, faults_in_print
from tests.classifiers.museum import BASE, PROPERTIES
from tests.learn.test_training import PROFILE, FakeWorkspace, property_profile, write_splits
from tests.two_modalities import FAST, fused_model, told

RECORDS = told(240, seed=1)
RARE = BASE + "time/<rare>"
OWN = replace(PROFILE, properties=(*PROFILE.properties, property_profile("colour")))
OPTIONS = {"tabular": FAST, "fusion": {"rounds": 8, "depth": 2, "folds": 2}}


def workspace_of(records: list[Record]) -> Any:
    """A museum of these records that learns from values and texts; nobody states a colour."""
    made = FakeWorkspace(records, modalities=("tabular", "text"), folds=2, options=OPTIONS)
    made.profile = OWN
    return made


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "model"
    rare = [Record(f"{BASE}object/rare-{i}", {"time": (RARE,)}) for i in range(3)]
    train(workspace_of([*told(200), *rare]), None, folder)
    return folder


@pytest.fixture(scope="module")
def report(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    run(model, folder, report=folder / "report", leave_out=True)
    return folder / "report"


def run(model: Path, folder: Path, **rest: Any) -> dict[str, Any]:
    return evaluate(workspace_of(RECORDS), model, write_splits(folder, RECORDS, dev=160), "dev", **rest)


class Page(HTMLParser):
    """Tags that are open in the end, addresses of what it loads, links, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [v or "" for k, v in attrs if k in ("src", "srcset", "data", "action")]
        self.links += [v or "" for k, v in attrs if k == "href"]
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(report: Path) -> None:
    html = (report / "report.html").read_text()
    found = Page(html)
    assert found.open == []
    assert all(address.startswith("data:image/svg+xml;base64,") for address in found.addresses)
    assert len(found.addresses) == 1 + 3 * 2 + 3 * 3
    assert all(link.startswith(("#", f"{BASE}object/")) for link in found.links)
    assert all(f'id="{link[1:]}"' in html for link in found.links if link.startswith("#"))
    assert not re.search(r"<script|@import|url\(|<link", html)
    assert sorted(p.name for p in report.iterdir()) == ["report.html", "report.json"]


def test_every_class_is_in_the_page_and_those_left_out_are_named(report: Path) -> None:
    html = (report / "report.html").read_text()
    for prop in PROPERTIES:
        for iri in prop.classes:
            assert f'title="{iri}"' in html
    assert "Left out of training, with fewer than 5 values: 1" in html
    assert "time/&lt;rare&gt;" in html
    assert "<rare>" not in html
    assert "nothing was learnt of: colour" in html


def test_the_page_has_every_part(report: Path) -> None:
    words = Page((report / "report.html").read_text()).words
    for heading in (
        "By property and modality",
        "On the same records",
        "The fusion without each modality",
        "Leaving out one museum at a time",
        "Reliability",
        "Precision of the most confident answers",
        "Confusions of the fusion",
        "Confusions of text alone",
    ):
        assert heading in words, heading
    assert "without tabular" in words


def test_the_page_begins_with_what_a_curator_asks_and_can_be_cited(report: Path) -> None:
    data = json.loads((report / "report.json").read_text())
    said = [r for p in data["properties"].values() for r in p["regimes"].values()]
    asked, answered, asserted, right = (
        sum(r[key] for r in said) for key in ("records", "answered", "asserted", "right")
    )
    html = (report / "report.html").read_text()
    (first,) = re.findall(r'<p class="verdict">(.*?)</p>', html)
    assert first == (
        f"Of 100 gaps it answers {100 * answered / asked:.0f}; "
        f"of 100 answers {100 * right / asserted:.0f} are right."
    )
    (title,) = re.findall(r"<title>(.*?)</title>", html)
    assert title == f"Evaluation of the model {data['model'][:12]} on dev, made-up, {data['made']}"
    words = Page(html).words
    assert f"To cite this page: {title} (160 records of dev, sha256 {data['data']})." in words
    assert "Expected calibration error" in words


def test_a_page_without_an_answer_says_so(report: Path) -> None:
    data = json.loads((report / "report.json").read_text())
    for said in data["properties"].values():
        said["wrong"] = []
        for regime in said["regimes"].values():
            regime.update(answered=0, asserted=0, right=0, precision=None)
    words = Page(page(data, {})).words
    assert "gaps: it is not sure enough of any." in words
    assert "None: whatever it would answer here is right." in words


def test_gaps_that_it_cannot_look_at_are_gaps_that_it_does_not_answer() -> None:
    """Given a model of texts alone and records of which some have none, then these stay among the gaps; where none has
    a text, then it says that, and not that no record states a value."""
    model = fit_model(
        Dataset(told(200), PROPERTIES), ModelSpec((MemberSpec("tfidf"),), folds=2, target_precision=0.4)
    )
    found = measure(model, RECORDS)
    asked, looked_at, answered = 0, 0, 0
    for said in found["properties"].values():
        asked += said["records"]
        looked_at += sum(r["records"] for r in said["regimes"].values())
        answered += sum(r["answered"] for r in said["regimes"].values())
    assert 0 < answered <= looked_at < 0.8 * asked
    assert verdict(found).startswith(f"Of 100 gaps it answers {100 * answered / asked:.0f};")
    silent = measure(model, RECORDS, without=("texts",))
    assert verdict(silent) == f"It answers none of {asked} gaps: no record has what it looks at."
    assert {answers(said) for said in silent["properties"].values()} == {"0"}


def test_the_title_names_the_museum(report: Path) -> None:
    data = json.loads((report / "report.json").read_text())
    data |= {"creator": "Museum of <Silk>", "training": {**data["training"], "records": None, "seed": None}}
    html = page(data, {})
    assert f"on dev, Museum of &lt;Silk&gt;, made-up, {data['made']}</title>" in html
    assert "<dd>– records, seed –</dd>" in html


def test_wrong_answers_are_listed_the_surest_first_and_lead_to_their_records(report: Path) -> None:
    data = json.loads((report / "report.json").read_text())
    stated = {r.id: r for r in RECORDS[:160]}
    found = Page((report / "report.html").read_text())
    listed = 0
    for name, said in data["properties"].items():
        sure = [w["confidence"] for w in said["wrong"]]
        assert sure == sorted(sure, reverse=True)
        wrong = sum(r["asserted"] - r["right"] for r in said["regimes"].values())
        assert len(said["wrong"]) == min(wrong, 10)
        for w in said["wrong"]:
            assert w["answered"] not in stated[w["record"]].known[name]
            assert set(w["stated"]) <= set(stated[w["record"]].known[name])
            assert w["record"] in found.links
            listed += 1
    assert listed > 0


def test_a_record_that_is_no_web_address_is_no_link(report: Path) -> None:
    data = json.loads((report / "report.json").read_text())
    for said in data["properties"].values():
        for w in said["wrong"]:
            w["record"] = "javascript:alert(1)"
    assert all(link.startswith("#") for link in Page(page(data, {})).links)


@pytest.mark.slow
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_nothing_is_wider_than_the_screen_but_tables_that_show_that_they_scroll(
    report: Path, browser: Browser, width: int
) -> None:
    assert faults_at(browser, report / "report.html", width) == []


def test_nothing_is_cut_off_on_paper(report: Path, browser: Browser) -> None:
    assert faults_in_print(browser, report / "report.html") == []


def test_the_json_holds_the_same_figures(report: Path) -> None:
    data = json.loads((report / "report.json").read_text())
    assert {"properties", "same", "ablation", "left_out", "names", "training"} <= set(data)
    html = (report / "report.html").read_text()
    assert f"{data['mean_macro_f1']['fusion']:.3f}" in html
    assert f"{data['ablation']['mean_macro_f1']['without text']:.3f}" in html


def test_each_museum_is_left_out_in_turn(report: Path) -> None:
    rows = json.loads((report / "report.json").read_text())["left_out"]
    assert [row["records"] for row in rows] == sorted((row["records"] for row in rows), reverse=True)
    for row in rows:
        house = sum(r.context["museum"] == (row["value"],) for r in RECORDS[:160])
        assert row["records"] == house >= 50
        assert 0 <= row["trained_without"]["macro_f1"] <= 1


def test_what_is_hidden_is_hidden_where_a_museum_is_left_out(
    model: Path, report: Path, tmp_path: Path
) -> None:
    """Without texts and museum the model says less of each museum, trained with it or without."""
    run(model, tmp_path, report=tmp_path / "r", leave_out=True, without=("texts", "museum"))
    open_rows, hidden = (
        json.loads((f / "report.json").read_text())["left_out"] for f in (report, tmp_path / "r")
    )
    for part in ("trained_with", "trained_without"):
        assert [r[part]["macro_f1"] for r in hidden] != [r[part]["macro_f1"] for r in open_rows]


def test_without_leaving_out_the_page_says_how(model: Path, tmp_path: Path) -> None:
    run(model, tmp_path, report=tmp_path / "r", without=("museum",), hide_known=True)
    html = (tmp_path / "r" / "report.html").read_text()
    assert "<code>--leave-out</code>" in html
    assert "the property asked for, all known values, museum" in html


def test_leaving_out_needs_a_report_and_a_model_that_says_what_it_is(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it needs --report"):
        run(model, tmp_path, leave_out=True)
    bare = tmp_path / "bare"
    fused_model(60).save(bare)
    with pytest.raises(ModelError, match="does not say what it was made of"):
        run(bare, tmp_path, report=tmp_path / "r", leave_out=True)


def test_labels_of_the_graph_cannot_break_the_page(report: Path) -> None:
    data = json.loads((report / "report.json").read_text())
    hostile = "<script>alert('x')</script>\"'&"
    html = page(data, dict.fromkeys(PROPERTIES[0].classes, hostile))
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert Page(html).open == []


def test_one_modality_is_not_shown_twice(report: Path) -> None:
    data = json.loads((report / "report.json").read_text())
    data["fusion"]["name"] = "pass-through"
    data["ablation"] = {}
    for said in data["properties"].values():
        del said["by"]["text"]
    data["mean_macro_f1"].pop("text")
    words = Page(page(data, {})).words
    assert "there is nothing to compare" in words
    assert "fusion" not in words.split("By property and modality")[1].split("On the same")[0]
