"""Agreement of curators: Cohen's kappa, and which differences wait for a lead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from enrich.runs.reviews import Review
from enrich.web.agreement import agreements, conflicts, controlled, counts, kappa, known_truth, pairs

ANA, LEO, IDA = "https://m.example/ana", "https://m.example/leo", "https://m.example/ida"


def said(
    number: int,
    by: str,
    decision: str,
    drawn: str = "Uncertain",
    about: int = 1,
    value: str = "https://v.example/silk",
) -> Review:
    """A review made in the given minute."""
    at = datetime(2026, 11, 26, tzinfo=UTC) + timedelta(minutes=number)
    return Review(
        f"https://r.example/{number}",
        f"https://o.example/{about}",
        "material",
        decision,
        at,
        value,
        curator=by,
        prediction=f"https://p.example/{about}",
        drawn=drawn,
    )


def test_kappa_is_what_is_printed_of_two_readers_of_fifty_proposals() -> None:
    """Twenty both accept, fifteen both turn down, five one way and ten the other: .4 (agreement .7, by chance .5)."""
    both = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert kappa(both) == pytest.approx(0.4)
    assert kappa([("y", "y")] * 5) is None, "chance alone explains it"
    assert kappa([]) is None
    assert kappa([("y", "n"), ("n", "y")]) == pytest.approx(-1)


def test_two_differ_until_somebody_looks_again() -> None:
    first, second = said(1, ANA, "Rejected"), said(2, LEO, "Accepted", "Second")
    (pair,) = pairs([first, second])
    assert not pair.agree
    assert conflicts([pair]) == [pair]
    assert conflicts(pairs([first, second, said(3, IDA, "Rejected", "Chosen")])) == []


def test_a_review_that_was_taken_back_is_no_opinion() -> None:
    first, second = said(1, ANA, "Rejected"), said(2, LEO, "Accepted", "Second")
    gone = Review(
        "https://r.example/9", first.record, "material", "Withdrawn", second.at, withdraws=second.iri
    )
    assert pairs([first, second, gone]) == []
    assert counts([first, second, gone]).keys() == {ANA}


def test_two_corrections_agree_when_they_name_the_same_value() -> None:
    wool = "https://v.example/wool"
    one = pairs([said(1, ANA, "Corrected", value=wool), said(2, LEO, "Corrected", "Second", value=wool)])
    other = pairs([said(1, ANA, "Corrected", value=wool), said(2, LEO, "Corrected", "Second")])
    assert [p.agree for p in (*one, *other)] == [True, False]


def test_agreement_is_counted_by_pair_and_property() -> None:
    made = [said(n, ANA, "Accepted", about=n) for n in range(10)]
    made += [said(20 + n, LEO, "Rejected" if n < 2 else "Accepted", "Second", about=n) for n in range(10)]
    (found,) = agreements(pairs(made))
    assert (found.curators, found.property, found.n, found.agree) == ((ANA, LEO), "material", 10, 0.8)
    assert found.kappa == pytest.approx(0.0)


def test_a_truth_is_known_where_two_say_the_same_and_nobody_otherwise_since() -> None:
    ana, leo, ida = (ANA, "Accepted"), (LEO, "Rejected"), (IDA, "Corrected")
    assert known_truth([ana]) is None
    assert known_truth([ana, leo]) is None
    assert known_truth([ana, leo, ida]) == "wrong"
    assert known_truth([ana, (LEO, "Accepted")]) == "right"
    assert known_truth([ana, (LEO, "Accepted"), (IDA, "Rejected")]) is None
    assert known_truth([ana, (ANA, "Accepted")]) is None, "one who says it twice is one"
    assert known_truth([(ANA, "Undecided"), (LEO, "Undecided")]) is None


def test_controls_count_by_what_the_others_say_now() -> None:
    """Given three answers of which two say the same, when Ida has one right, one wrong and cannot tell the third, then
    it is one of two; and none of one once somebody took back what they said of the one she had right."""
    made = [said(n, ANA, "Accepted", about=n) for n in range(3)]
    made += [said(10 + n, LEO, "Accepted", "Second", about=n) for n in range(3)]
    given = [
        said(20 + n, IDA, d, "Control", about=n) for n, d in enumerate(["Accepted", "Rejected", "Undecided"])
    ]
    (found,) = controlled([*made, *given])
    assert (found.curator, found.n, found.right) == (IDA, 2, 1)
    low, high = found.interval
    assert low < 0.5 < high
    gone = Review(
        "https://r.example/99", made[0].record, "material", "Withdrawn", given[-1].at, withdraws=made[0].iri
    )
    (found,) = controlled([*made, *given, gone])
    assert (found.n, found.right) == (1, 0)
    assert counts([*made, *given]).keys() == {ANA, LEO}, "a control decides nothing"
    assert controlled(made) == []
