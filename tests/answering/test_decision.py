"""What is said of a gap: a value when sure, several where there may be, else an abstention."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import NamedNode

from enrich.answering.decision import decide
from enrich.classifiers.data import Record
from enrich.graph.records import Subject
from enrich.ontology.profiles import PropertyProfile
from enrich.ontology.terms import ENR, Names
from enrich.runs.provenance import RunContext, answer_triples
from tests.museums import answer


def iris(*numbers: int) -> list[str]:
    return [f"https://c.example/{n}" for n in numbers]


def test_a_sure_value_is_asserted_with_its_candidates() -> None:
    decision = decide(answer([0.1, 0.86, 0.04], reach=0.7), 0)

    assert decision.outcome == ENR.Predicted
    assert [c.value for c in decision.asserted] == iris(1)
    assert [(c.rank, c.value) for c in decision.candidates] == list(enumerate(iris(1, 0, 2), 1))
    assert (decision.confidence, decision.threshold) == (0.86, 0.7)


def test_below_the_threshold_it_abstains_and_keeps_its_candidates() -> None:
    decision = decide(answer([0.6, 0.4], reach=0.7), 0)

    assert (decision.outcome, decision.reason) == (ENR.Abstained, ENR.BelowThreshold)
    assert decision.asserted == ()
    assert [c.probability for c in decision.candidates] == [0.6, 0.4]


def test_a_threshold_above_one_is_never_reached_and_not_written() -> None:
    decision = decide(answer([1.0, 0.0], reach=1.1), 0)

    assert decision.outcome == ENR.Abstained
    assert decision.threshold is None


def test_with_no_modality_there_is_no_evidence() -> None:
    decision = decide(answer([np.nan, np.nan], present=False, reach=0.1), 0)

    assert (decision.outcome, decision.reason, decision.candidates) == (ENR.Abstained, ENR.NoEvidence, ())


def test_numbers_that_are_none_fail_the_record() -> None:
    decision = decide(answer([np.nan, 0.5], reach=0.1), 0)

    assert (decision.outcome, decision.reason) == (ENR.Failed, ENR.ClassifierFailure)


def test_a_rejected_value_is_not_proposed_again() -> None:
    decision = decide(answer([0.9, 0.08, 0.02], reach=0.5), 0, rejected=frozenset(iris(0)))

    assert (decision.outcome, decision.reason) == (ENR.Abstained, ENR.RejectedBefore)
    assert [c.value for c in decision.candidates] == iris(1, 2)


def test_with_every_value_rejected_nothing_is_left_to_say() -> None:
    decision = decide(answer([0.9, 0.1], reach=0.5), 0, rejected=frozenset(iris(0, 1)))

    assert (decision.reason, decision.candidates) == (ENR.RejectedBefore, ())


def test_a_property_with_many_values_asserts_all_that_reach_their_own_threshold() -> None:
    decision = decide(answer([0.5, 0.9, 0.4], many=True, reach=[0.6, 0.8, 0.3]), 0)

    assert [c.value for c in decision.asserted] == iris(1, 2)
    assert [c.threshold for c in decision.asserted] == [0.8, 0.3]


def test_each_value_is_written_with_the_threshold_that_it_reached() -> None:
    """The first candidate is the one that fell short: its threshold says nothing of the values asserted."""
    decision = decide(answer([0.5, 0.7, 0.45], many=True, order=[0, 1, 2], reach=[0.9, 0.6, 0.4]), 0)
    run = Names("https://data.example.org/").run("r")
    context = RunContext(Names("https://data.example.org/"), run, {})
    record = NamedNode("https://museum.example.org/1")
    prop = PropertyProfile("place", NamedNode("https://m.example.org/place"), many=True)

    triples = answer_triples(context, Subject(record, Record(record.value)), prop, decision, {})
    said = {(s, p): o for s, p, o in triples}
    confident = {s: float(o[1:].partition('"')[0]) for (s, p), o in said.items() if p == str(ENR.confidence)}
    below = {s: float(o[1:].partition('"')[0]) for (s, p), o in said.items() if p == str(ENR.abstainBelow)}

    assert sorted(confident.values()) == [0.45, 0.7]
    assert all(confident[s] >= below[s] for s in confident)


def test_a_property_with_one_value_asserts_only_its_first_candidate() -> None:
    decision = decide(answer([0.5, 0.45, 0.05], order=[1, 0, 2], reach=0.4), 0)

    assert [c.value for c in decision.asserted] == iris(1)


def test_the_conformal_set_is_kept_whole_even_when_long() -> None:
    decision = decide(answer([0.4, 0.3, 0.2, 0.1], inside=[True, True, True, False], reach=0.9), 0, most=1)

    assert len(decision.candidates) == 3
    assert decision.coverage == 0.9


def test_what_is_promised_is_said_of_the_answer_and_its_regime() -> None:
    decision = decide(answer([0.9, 0.1], reach=0.7, regime=2), 0)
    assert (decision.regime, decision.promised) == (ENR.UnseenGroup, 0.9)
    assert decide(answer([0.6, 0.4], reach=0.7), 0).promised is None
    own = decide(answer([0.6, 0.4], reach=0.7), 0, 0.5)  # a threshold of the museum's own promises nothing
    assert (own.outcome, own.threshold, own.promised) == (ENR.Predicted, 0.5, None)


def test_below_a_floor_nothing_is_answered_and_above_it_the_promise_stands() -> None:
    assert decide(answer([0.86, 0.14], reach=0.7), 0, floor=0.9).outcome == ENR.Abstained
    sure = decide(answer([0.95, 0.05], reach=0.7), 0, floor=0.9)
    assert (sure.outcome, sure.threshold, sure.promised) == (ENR.Predicted, 0.9, 0.9)
    assert decide(answer([0.95, 0.05], reach=0.97), 0, floor=0.9).outcome == ENR.Abstained


def test_where_nothing_can_be_reached_it_says_that_it_has_no_experience() -> None:
    decision = decide(answer([1.0, 0.0], reach=2.0, promised=np.nan, regime=2), 0)
    assert (decision.outcome, decision.reason) == (ENR.Abstained, ENR.OutsideExperience)
    assert len(decision.candidates) == 2
    assert decision.coverage is None


def test_a_broader_concept_is_said_to_be_one() -> None:
    made = answer([0.9, 0.1])
    broad = replace(made.property, broader={"https://c.example/narrow": made.property.classes[0]})
    decision = decide(replace(made, property=broad), 0)
    assert [c.broader for c in decision.candidates] == [True, False]


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=8),
    st.floats(0, 1.2),
    st.booleans(),
    st.sets(st.integers(0, 7)),
    st.integers(1, 5),
)
def test_whatever_is_asserted_was_sure_enough_and_not_rejected(
    probabilities: list[float], threshold: float, many: bool, rejected: set[int], most: int
) -> None:
    denied = frozenset(iris(*rejected))
    decision = decide(answer(probabilities, many=many, reach=threshold), 0, rejected=denied, most=most)

    assert all(c.probability >= threshold - 1e-6 and c.value not in denied for c in decision.asserted)
    assert [c.rank for c in decision.candidates] == list(range(1, len(decision.candidates) + 1))
    assert not {c.value for c in decision.candidates} & denied
    assert (decision.outcome == ENR.Predicted) == bool(decision.asserted)
    assert (decision.reason is None) == bool(decision.asserted)
    assert {c.value for c in decision.asserted} <= {c.value for c in decision.candidates}
