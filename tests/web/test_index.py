"""The index: what it counts and lists is what the store says, whatever is chosen, and whatever happens to runs, reviews
and facts."""

from __future__ import annotations

import base64
import json
import random
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyoxigraph import NamedNode, Quad

from enrich.errors import InputError
from enrich.ontology.terms import CRM
from enrich.runs import register
from enrich.runs.reviewing import Judgement, Reviewer
from enrich.web.index.asked import FACETS, ORDERS, Filters
from enrich.web.index.index import Index
from enrich.workspace import Workspace
from tests.web.indexed import (
    BASE,
    Fact,
    agrees,
    answered,
    counted,
    current,
    facets_of,
    index_of,
    listed,
    term,
)


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A museum with answers of two models, some of them judged."""
    workspace = answered(tmp_path_factory.mktemp("museum"))
    judge(workspace, ["Accepted", "Rejected", "Undecided"] * 3)
    return workspace


@pytest.fixture(scope="module")
def index(looked_at: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Index:
    return index_of(looked_at, tmp_path_factory.mktemp("index") / "index.sqlite")


@pytest.fixture(scope="module")
def facts(looked_at: Workspace) -> list[Fact]:
    return current(looked_at)


def judge(workspace: Workspace, decisions: list[str], skip: int = 0) -> list[tuple[str, str]]:
    """Judge some predictions, one each. Returns their gaps."""
    some = [fact for fact in current(workspace) if fact.facets["value"]][skip : skip + len(decisions)]
    judgements = [Judgement(NamedNode(f.prediction), d) for f, d in zip(some, decisions, strict=True)]
    done = Reviewer(workspace, "Ana Ruiz").write(judgements, datetime.now(UTC))
    assert not done.refused, done.refused
    return [(fact.record, fact.facets["property"]) for fact in some]


def random_filters(dice: random.Random, facts: list[Fact]) -> Filters:
    chosen = {}
    for facet in dice.sample(FACETS, dice.randint(0, 3)):
        values = sorted({fact.facets[facet] for fact in facts})
        if facet == "value":
            values += [term("material/fibre").value, term("material/animal-fibre").value]
        chosen[facet] = tuple(dice.sample(values, dice.randint(1, min(3, len(values)))))
    text = dice.choice(["", "", "", "SEDA", "soie", "lino", "aux", "curt", "fragment silk", "nothing-at-all"])
    return Filters(chosen, text, exact=dice.random() < 0.2)


@pytest.mark.parametrize("seed", range(200))
def test_any_filters_count_and_list_what_the_store_says(index: Index, facts: list[Fact], seed: int) -> None:
    """Given filters at random, when facets and pages are asked for, then they are what `current` holds."""
    dice = random.Random(seed)
    filters = random_filters(dice, facts)
    fitting = sorted(fact.prediction for fact in facts if fact.fits(filters))
    assert facets_of(index, filters) == counted(facts, filters)
    assert index.total(filters) == len(fitting)
    found = listed(index, filters, order=dice.choice(ORDERS), limit=dice.choice([1, 7, 50]))
    assert sorted(found) == fitting


@pytest.mark.parametrize("order", ORDERS)
def test_pages_follow_each_other_in_order(index: Index, order: str) -> None:
    rows = list(index.rows(Filters(), order))  # type: ignore[arg-type]
    assert [row.prediction for row in rows] == listed(index, Filters(), order=order, limit=9)
    keys: dict[str, list[Any]] = {
        "-confidence": [-row.confidence for row in rows],
        "confidence": [row.confidence for row in rows],
        "margin": [row.margin for row in rows],
        "record": [row.record_name.casefold() for row in rows],
        "-time": [0 for row in rows],
    }
    assert keys[order] == sorted(keys[order])


def test_a_retraction_brings_the_earlier_answers_back(tmp_path: Path) -> None:
    """Given two runs that answered the same gaps, when the later is taken back, then the earlier counts again."""
    workspace = answered(tmp_path)
    index = index_of(workspace, tmp_path / "index.sqlite")
    agrees(index, workspace)
    earlier, later = register.Register(workspace.store, workspace.names).runs()
    assert facets_of(index, Filters())["run"].keys() == {earlier.run, later.run}
    register.retract(workspace, later.run)
    assert index.refresh()
    agrees(index, workspace)
    assert facets_of(index, Filters())["run"].keys() == {earlier.run}
    assert not index.refresh(), "nothing has changed since"


def test_what_the_facts_state_since_is_no_answer_any_more(tmp_path: Path) -> None:
    """Given answers, when the museum puts values in and takes one out, then the answers to those gaps go and come."""
    told: list[int] = []
    workspace = answered(tmp_path)
    index = index_of(workspace, tmp_path / "index.sqlite", when_facts_change=lambda: told.append(1))
    fact = next(f for f in current(workspace) if f.facets["property"] == "material")
    stated = Quad(
        NamedNode(fact.record),
        CRM.P45_consists_of,
        term("material/silk"),
        NamedNode(BASE + "graph/" + fact.record.rpartition("/")[2].partition("-")[0]),
    )
    agrees(index, workspace)
    workspace.store.insert([stated])
    assert index.refresh(facts=True)
    assert told
    agrees(index, workspace)
    assert fact.prediction not in listed(index, Filters())
    workspace.store.update(
        f"DELETE DATA {{ GRAPH {stated.graph_name} {{ {stated.subject} {stated.predicate} {stated.object} }} }}"
    )
    assert index.refresh(facts=True)
    agrees(index, workspace)
    assert fact.prediction in listed(index, Filters())


def test_reviews_are_seen_at_once_and_undone(tmp_path: Path) -> None:
    """Given an index, when a curator judges and takes it back, then states follow: at once where it is told so."""
    workspace = answered(tmp_path)
    index = index_of(workspace, tmp_path / "index.sqlite")
    index.refresh()
    index.judged(judge(workspace, ["Accepted", "Rejected"]))
    assert {"Accepted", "Rejected", "Pending"} == facets_of(index, Filters())["state"].keys()
    agrees(index, workspace)
    judge(workspace, ["Undecided"], skip=5)
    assert index.refresh()
    agrees(index, workspace)
    reviewer = Reviewer(workspace, "Ana Ruiz")
    batch = next(
        b for (b,) in workspace.store.select(
            "SELECT DISTINCT ?b WHERE { GRAPH ?g { ?r <https://w3id.org/enrich/ns#reviewedWith> ?b } }"
        )
    )  # fmt: skip
    assert isinstance(batch, NamedNode)
    reviewer.withdraw(batch, datetime.now(UTC))
    index.refresh()
    agrees(index, workspace)


def test_what_was_counted_after_a_judgement_is_kept_when_the_index_is_brought_up_to_date(
    tmp_path: Path,
) -> None:
    """Given a judgement that the index was told of, when it is brought up to date, then nothing is counted anew."""
    workspace = answered(tmp_path, 24)
    index = index_of(workspace, tmp_path / "index.sqlite")
    index.refresh()
    index.judged(judge(workspace, ["Accepted"]))
    page = index.page(Filters())
    assert not index.refresh()
    assert index.page(Filters()) is page


def test_lists_and_counts_ask_the_store_nothing(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an index that is built, when lists and counts are asked for, then no workspace is opened."""
    index.refresh()

    def opened() -> AbstractContextManager[Workspace]:
        pytest.fail("the store was asked")

    monkeypatch.setattr(index, "workspaces", opened)
    filters = Filters({"outcome": ("Predicted",)}, "s")
    assert index.facets(filters)
    assert index.page(filters, limit=3) == index.page(filters, limit=3)
    assert list(index.rows(filters, "record"))
    assert index.sample(filters, 3, seed=1)
    assert index.cross(filters, "museum", "band")
    assert index.together(Filters(), "material", "time")
    assert index.grouped(Filters())
    assert index.held().complete


def test_names_are_those_of_the_readers_language(index: Index) -> None:
    silk = term("material/silk").value
    for language, name in (("en", "silk"), ("es", "seda"), ("fr", "soie"), ("it", "silk")):
        found = {v.value: v for v in index.facets(Filters(), 100, language)["value"]}
        assert found[silk].name == name
        assert found[silk].broader == term("material/animal-fibre").value
    assert {v.value: v.name for v in index.facets(Filters(), 100, "it")["value"]}[
        term("material/animal-fibre").value
    ] == "animal fibre"


def test_a_sample_is_the_same_for_a_seed_and_within_the_group(index: Index, facts: list[Fact]) -> None:
    groups = index.grouped(Filters())
    assert [g.count for g in groups] == sorted((g.count for g in groups), reverse=True)
    pending = [f for f in facts if f.facets["state"] == "Pending" and f.facets["outcome"] == "Predicted"]
    assert sum(g.count for g in groups) == len(pending)
    group = groups[0]
    members = [f.prediction for f in pending if f.fits(group.members())]
    assert len(members) == group.count
    some = [row.prediction for row in index.sample(group.members(), 4, seed=1)]
    assert len(set(some)) == 4
    assert set(some) <= set(members)
    assert some == [row.prediction for row in index.sample(group.members(), 4, seed=1)]
    assert {row.prediction for row in index.sample(group.members(), 10_000, seed=2)} == set(members)


def test_a_sample_of_a_text_is_of_what_has_it(index: Index, facts: list[Fact]) -> None:
    filters = Filters(text="seda")
    found = {row.prediction for row in index.sample(filters, 10_000, seed=2)}
    assert found == {f.prediction for f in facts if f.fits(filters)}
    assert found


def test_two_facets_against_each_other(index: Index, facts: list[Fact]) -> None:
    filters = Filters({"outcome": ("Predicted",)})
    found = {(c.a, c.b): c.count for c in index.cross(filters, "museum", "value")}
    expected: dict[tuple[str, str], int] = {}
    for fact in facts:
        if fact.fits(filters):
            key = (fact.facets["museum"], fact.facets["value"])
            expected[key] = expected.get(key, 0) + 1
    assert found == expected


@pytest.mark.parametrize(
    "after", ["", "x", "é", "WyJyZWNvcmQiXQ", "WzFd", "bnVsbA", "W10", "9" * 5000, "W1tb" * 9000]
)
def test_an_address_that_is_not_whole_is_refused(index: Index, after: str) -> None:
    with pytest.raises(InputError):
        index.page(Filters(), after=after)


@pytest.mark.parametrize(
    "key",
    [
        ["confidence", 10**30, 3],
        ["margin", 4, 10**30],
        ["confidence", True, 3],
        ["record", "half a character \udc00", 2, 3],
        ["-time", "2020", "\ud83d", 3],
        ["-time", "2020", {"a": ["\ud83d"]}, 3],
    ],
)
def test_a_place_that_the_index_never_names_is_refused(index: Index, key: list[Any]) -> None:
    after = base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")
    with pytest.raises(InputError):
        index.page(Filters(), order=key[0], after=after)


def test_what_is_no_facet_is_refused(index: Index) -> None:
    for ask in (index.facets, index.page, index.total, index.grouped):
        with pytest.raises(InputError, match="no facet"):
            ask(Filters({"later": ("0",)}))
    with pytest.raises(InputError, match="no facet"):
        index.cross(Filters(), "museum", "n; DROP TABLE answer")
    with pytest.raises(InputError, match="no order"):
        index.page(Filters(), "id; DROP TABLE answer")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ['"', "' OR 1=1 --", "a* OR b", "NEAR(a b)", "\0", "(", "-", "\ud800", "name:silk", "x" * 9000],
)
def test_whatever_is_looked_for_is_text(index: Index, text: str) -> None:
    """Given text in the search engine's own language, when it is looked for, then it is words and nothing else."""
    filters = Filters(text=text)
    assert index.total(filters) == len(listed(index, filters)) == 0


def test_accents_and_case_do_not_matter(index: Index, facts: list[Fact]) -> None:
    linen = {f.prediction for f in facts if f.facets["value"] == term("material/linen").value}
    for text in ("lino", "LÍNO", "li\u0301no"):
        assert linen <= set(listed(index, Filters(text=text)))
    assert linen
