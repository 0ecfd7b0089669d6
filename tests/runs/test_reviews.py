"""Reviews: the latest word on a value counts, by time and not by how the time is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import NamedNode

from enrich.graph.stores import Store, open_store
from enrich.ontology.terms import Names
from enrich.runs.reviews import Reviews, moment
from tests.runs.made_reviews import Review, add_review

NAMES = Names("https://data.example.org/enrich/")
CHAIR, OAK = "https://museum.example.org/chair", "https://c.example/oak"


def review(store: Store, decision: str, time: datetime, value: str = OAK) -> NamedNode:
    node = NamedNode(CHAIR)
    made = Review(
        NamedNode("https://p.example/1"), node, "material", node, NamedNode("https://m.example/made-of"),
        NamedNode(value), decision, NamedNode("https://museum.example.org/curator"), time,
    )  # fmt: skip
    return add_review(store, NAMES, made)


def test_a_value_rejected_an_hour_after_it_was_accepted_in_another_zone_is_rejected(store: Store) -> None:
    review(store, "Accepted", datetime(2026, 6, 1, 10, 0, tzinfo=timezone(timedelta(hours=2))))
    review(store, "Rejected", datetime(2026, 6, 1, 9, 0, tzinfo=UTC))

    found = Reviews.read(store, NAMES, ())

    assert (found.settled(CHAIR, "material"), found.rejected(CHAIR, "material")) == (False, {OAK})


@given(st.lists(st.datetimes(timezones=st.timezones()), min_size=2, max_size=4, unique=True))
def test_of_any_times_the_latest_counts(times: list[datetime]) -> None:
    store = open_store()
    for number, time in enumerate(times):
        decision = "Rejected" if time.astimezone(UTC) == max(t.astimezone(UTC) for t in times) else "Accepted"
        review(store, decision, time, f"https://c.example/{number % 1}")

    assert Reviews.read(store, NAMES, ()).rejected(CHAIR, "material") == {"https://c.example/0"}


def test_a_time_without_a_zone_is_taken_as_utc_and_nonsense_is_before_all() -> None:
    assert (
        moment("2026-06-01T10:00:00")
        == moment("2026-06-01T12:00:00+02:00")
        == moment("2026-06-01T10:00:00.000Z")
    )
    assert moment("yesterday") < moment("0001-01-02T00:00:00Z")


def test_the_same_review_twice_is_one(store: Store) -> None:
    time = datetime(2026, 6, 1, tzinfo=UTC)

    assert review(store, "Accepted", time) == review(store, "Accepted", time)
    assert Reviews.read(store, NAMES, ()).settled(CHAIR, "material")
