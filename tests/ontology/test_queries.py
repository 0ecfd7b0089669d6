"""The named queries answer as they say, on the pattern's fixture; tokens are bound only where they stand."""

from __future__ import annotations

import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode

from enrich.ontology.queries import named_query, parse_query, query_names
from enrich.ontology.terms import ENR, OntologyError
from tests.ontology.pattern import NAMES, answers, loaded, object_, prediction

STORE = loaded()


def columns(rows: list[dict[str, str | None]], *names: str) -> set[tuple[str | None, ...]]:
    return {tuple(row[name] for name in names) for row in rows}


def test_the_names_are_these() -> None:
    assert query_names() == (
        "abstentions", "by-model", "candidates", "conflicts", "current", "evidence",
        "lineage", "overtaken", "predictions", "promises", "provenance", "reviews", "runs",
    )  # fmt: skip


@pytest.mark.parametrize("name", query_names())
def test_every_query_is_valid_unbound_too_and_says_what_it_answers(name: str) -> None:
    query = named_query(name)

    assert len(query.description) > 40
    assert isinstance(STORE.query(query.text), ox.QuerySolutions)
    assert ("#PAGE#" in query.text) == (query.key is not None)
    assert query.key is None or f"?{query.key}" in query.text.split("WHERE")[0]


def test_predictions_are_those_of_active_runs_that_none_supersedes() -> None:
    rows = answers(STORE, "predictions")

    assert columns(rows, "record", "property", "value", "run") == {
        ("1", "technique", "lampas", "r2"),
        ("2", "technique", "velvet", "r1"),
        ("2", "technique", "embroidery", "r1"),
        ("2", "time", "eighteenth-century", "r1"),
    }


def test_the_value_is_the_class_and_not_the_node_between() -> None:
    (row,) = [row for row in answers(STORE, "predictions") if row["property"] == "time"]

    assert row["value"] == "eighteenth-century"
    assert (row["node"], row["predicate"], row["confidence"]) == ("2", "P4_has_time-span", "0.93")


def test_the_state_is_that_of_the_latest_review() -> None:
    assert columns(answers(STORE, "predictions"), "value", "state") == {
        ("lampas", "Pending"), ("velvet", "Rejected"), ("embroidery", "Pending"), ("eighteenth-century", "Accepted"),
    }  # fmt: skip


def test_an_open_run_is_seen_by_nobody_until_it_is_active() -> None:
    store = loaded()
    assert "r4" not in {row["run"] for row in answers(store, "current")}

    state(store, "r4", "Open", "Active")

    assert columns(answers(store, "predictions"), "property", "value", "run") >= {
        ("technique", "damask", "r4")
    }


def test_retracting_a_run_brings_the_earlier_answer_back() -> None:
    store = loaded()

    state(store, "r2", "Active", "Retracted")

    assert ("technique", "damask", "r1") in columns(answers(store, "predictions"), "property", "value", "run")


def state(store: ox.Store, run: str, old: str, new: str) -> None:
    enr = "https://w3id.org/enrich/ns#"
    triple = f"{NAMES.run(run)} <{enr}runState>"
    store.update(
        f"DELETE DATA {{ GRAPH {NAMES.runs} {{ {triple} <{enr}{old}> }} }} ; "
        f"INSERT DATA {{ GRAPH {NAMES.runs} {{ {triple} <{enr}{new}> }} }}"
    )


def test_current_has_the_abstentions_and_failures_too() -> None:
    rows = answers(STORE, "current")

    assert columns(rows, "prediction", "outcome") == {
        ("p2", "Abstained"), ("p3", "Predicted"), ("p4a", "Predicted"), ("p4b", "Predicted"),
        ("p5", "Failed"), ("p6", "Predicted"),
    }  # fmt: skip
    assert next(row for row in rows if row["prediction"] == "p2")["value"] is None


def test_candidates_are_ranked_for_the_gap_as_a_whole() -> None:
    rows = answers(STORE, "candidates")

    assert columns(rows, "record", "property", "rank", "value", "outcome") == {
        ("1", "technique", "1", "lampas", "Predicted"), ("1", "technique", "2", "damask", "Predicted"),
        ("2", "technique", "1", "velvet", "Predicted"), ("2", "technique", "2", "embroidery", "Predicted"),
        ("2", "technique", "3", "twill", "Predicted"), ("2", "time", "1", "eighteenth-century", "Predicted"),
        ("1", "place", "1", "lyon", "Abstained"), ("1", "place", "2", "tours", "Abstained"),
    }  # fmt: skip


def test_abstentions_give_their_reason() -> None:
    assert columns(answers(STORE, "abstentions"), "record", "property", "outcome", "reason") == {
        ("1", "place", "Abstained", "BelowThreshold"),
        ("3", "technique", "Failed", "UnreadableRecord"),
    }


def test_promises_say_the_regime_of_every_prediction_and_what_is_promised_there() -> None:
    found = columns(answers(STORE, "promises"), "record", "property", "regime", "promised", "broader")
    assert ("2", "time", "UnseenGroup", "0.9", "true") in found
    assert ("1", "technique", None, None, None) in found  # of an earlier version
    assert len(found) == len(columns(answers(STORE, "predictions"), "record", "property"))


def test_runs_are_all_there_with_their_state_and_model() -> None:
    assert columns(answers(STORE, "runs"), "run", "state", "software", "model") == {
        ("r1", "Active", "0.1.0", "fusion-1"), ("r2", "Active", "0.1.0", "fusion-2"),
        ("r3", "Retracted", "0.1.0", "fusion-2"), ("r4", "Open", "0.1.0", "fusion-2"),
    }  # fmt: skip


def test_reviews_are_all_there() -> None:
    assert columns(answers(STORE, "reviews"), "prediction", "decision", "value", "actor") == {
        ("p4a", "Accepted", "velvet", "ana"), ("p4a", "Rejected", "velvet", "ana"), ("p3", "Accepted", "eighteenth-century", "ana"),
    }  # fmt: skip


def test_provenance_reaches_candidates_usages_and_evidence_in_any_run() -> None:
    rows = answers(STORE, "provenance", record=object_(1))

    assert columns(rows, "prediction", "state") == {
        ("p1", "Active"), ("p2", "Active"), ("p6", "Active"), ("p8", "Open"),
    }  # fmt: skip
    said = columns(rows, "prediction", "subject", "predicate", "object")
    assert ("p6", "p6-2", "value", "damask") in said
    assert ("p1", "p1", "hadRole", "ImageModality") in said
    assert ("p6", "p6", "modality", "ImageModality") in said
    assert ("p6", "p6", "wasDerivedFrom", "default.jpg") in said


def test_evidence_tells_what_each_modality_alone_said() -> None:
    rows = answers(STORE, "evidence", record=object_(1))

    assert columns(rows, "prediction", "modality", "model", "value", "probability", "source") == {
        ("p6", "ImageModality", "image-1", "lampas", "0.74", "default.jpg"),
        ("p2", "TextModality", "text-1", "lyon", "0.91", "1"),
    }


def test_evidence_that_a_modality_saw_and_said_nothing_of_is_told_too() -> None:
    store = loaded()
    usage = f"<{NAMES.base}usage/p6>"
    store.update(f"DELETE WHERE {{ GRAPH ?g {{ {usage} <https://w3id.org/enrich/ns#value> ?v }} }}")

    rows = answers(store, "evidence", record=object_(1))

    assert ("p6", "ImageModality", None) in columns(rows, "prediction", "modality", "value")


def test_lineage_leads_from_a_prediction_to_the_ingredients_of_its_model() -> None:
    rows = answers(STORE, "lineage", prediction=prediction("p6"))

    assert columns(rows, "model", "ingredient", "type") == {
        ("fusion-2", "fusion-2", "Model"), ("fusion-2", "image-1", "Model"), ("fusion-2", "text-1", "Model"),
        ("fusion-2", "epoch-7", "Model"), ("fusion-2", "epoch-9", "Model"),
    }  # fmt: skip
    assert all(len(str(row["digest"])) == 64 for row in rows)


def test_lineage_reaches_the_snapshot_that_was_learned_from() -> None:
    rows = answers(STORE, "lineage", prediction=prediction("p1"))

    assert ("facts", "Dataset") in columns(rows, "ingredient", "type")


def test_by_model_counts_current_answers() -> None:
    assert columns(answers(STORE, "by-model"), "model", "property", "outcome", "answers") == {
        ("fusion-1", "place", "Abstained", "1"), ("fusion-1", "technique", "Failed", "1"),
        ("fusion-1", "technique", "Predicted", "2"), ("fusion-1", "time", "Predicted", "1"),
        ("fusion-2", "technique", "Predicted", "1"),
    }  # fmt: skip


def test_conflicts_are_between_active_runs() -> None:
    assert columns(answers(STORE, "conflicts"), "record", "property", "run1", "value1", "run2", "value2") == {
        ("1", "technique", "r1", "damask", "r2", "lampas"),
    }  # fmt: skip


def test_a_token_is_bound_only_where_it_is_one() -> None:
    query = parse_query(
        "q", "# of $runs\n# key: s\nSELECT ?s { GRAPH $runs { ?s ?p '$runs', \"a\\\"$runs\", '''$runs''' . "
        "?s <https://a.org/$runs> $other } } # $runs"
    )  # fmt: skip

    assert (query.description, query.key, query.parameters) == ("of $runs", "s", ("runs", "other"))
    bound = query.bind(runs=NAMES.runs, other=Literal('"$runs'))
    assert bound.count(str(NAMES.runs)) == 1
    assert bound.count("$runs") == 7


def test_a_line_is_a_comment_until_its_parameters_are_given() -> None:
    """Given a query with conditions that may be left out, then each counts when its parameters are given, and only then."""
    query = parse_query(
        "q", "SELECT ?v { VALUES ?v { 1 2 3 }\n  #? FILTER(?v > $least)\n#? FILTER(?v < $most || $none)\n}"
    )
    assert (query.parameters, query.options) == ((), ("least", "most", "none"))

    def found(**terms: Literal) -> list[str]:
        return [row["v"].value for row in STORE.query(query.bind(**terms))]

    assert found() == ["1", "2", "3"]
    assert found(least=Literal(1)) == ["2", "3"]
    assert found(least=Literal(1), most=Literal(3)) == ["2", "3"]
    assert found(most=Literal(3), none=Literal(False)) == ["1", "2"]


@pytest.mark.parametrize("name", [n for n in query_names() if named_query(n).options])
def test_every_condition_that_may_be_left_out_is_sparql(name: str) -> None:
    query = named_query(name)
    terms = {
        "property": Literal("technique"), "value": object_(1), "confidence": Literal(0.5), "state": ENR.Pending,
    }  # fmt: skip
    assert set(query.options) <= set(terms)
    for some in [{key: terms[key]} for key in query.options] + [{k: terms[k] for k in query.options}]:
        own = {"runs": NAMES.runs, "reviews": NAMES.reviews, "accepted": NAMES.accepted}
        asked = {**{key: object_(1) for key in query.parameters}, **own, **some}
        assert isinstance(STORE.query(query.bind(**asked)), ox.QuerySolutions)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60))
def test_a_bound_literal_cannot_leave_its_place(text: str) -> None:
    query = parse_query("q", "SELECT ?v { VALUES ?v { $text } }")

    assert [row["v"].value for row in STORE.query(query.bind(text=Literal(text)))] == [text]


def test_what_is_missing_or_is_no_term_is_refused() -> None:
    with pytest.raises(OntologyError, match="evidence needs a term for \\$record"):
        named_query("evidence").bind(runs=NAMES.runs)
    with pytest.raises(OntologyError, match="cannot stand in a query"):
        named_query("runs").bind(runs="<https://a.org>")  # type: ignore[arg-type]
    with pytest.raises(OntologyError, match="no query is called 'nonesuch'; there are: abstentions"):
        named_query("nonesuch")


def test_terms_that_are_not_asked_for_are_left_out() -> None:
    assert named_query("runs").bind(runs=NAMES.runs, record=NamedNode("https://a.org/")).count("a.org") == 0
