"""What followed a slate, and how often a listing was shown."""

import pytest

from recommendations.interactions.recording import Event, record
from recommendations.slates import store
from recommendations.slates.outcomes import last_outcomes, outcomes_of, showings_of, shown_to
from tests.recommendations.slates.drafts import draft


@pytest.fixture
def slate(bob, sofas, now):
    """Bob got six sofas and was served the first two."""
    made = store.write(draft([sofa.pk for sofa in sofas], bob), now=now)
    store.log_impression(made, offset=0, count=2, now=now)
    return store.find(made)


def clicks(bob, sofa, slate, now) -> None:
    event = Event("e-1", bob, sofa.external_id, "click", occurred_at=now, slate=slate.pk.hex, position=1)
    record(source="tests", events=[event], now=now)


def test_an_outcome_counts_what_was_served_and_names_what_was_done(bob, sofas, slate, now):
    clicks(bob, sofas[1], slate, now)
    (outcome,) = outcomes_of([slate])
    assert (outcome.served_count, dict(outcome.events), outcome.event_count) == (
        2,
        {sofas[1].pk: ["click"]},
        1,
    )


def test_the_last_slates_of_an_actor_come_newest_first(bob, charlie, sofas, slate, ago):
    store.write(draft([sofas[0].pk], charlie), now=ago(hours=1))
    older = store.write(draft([sofas[0].pk], bob), now=ago(hours=1))
    assert [outcome.slate.pk.hex for outcome in last_outcomes(bob, limit=5)] == [slate.pk.hex, older]
    assert len(last_outcomes(bob, limit=1)) == 1


def test_outcomes_take_as_many_queries_for_many_slates_as_for_one(
    bob, sofas, now, django_assert_max_num_queries
):
    for _ in range(5):
        store.write(draft([sofa.pk for sofa in sofas], bob), now=now)
    with django_assert_max_num_queries(4):
        assert len(last_outcomes(bob, limit=10)) == 5


def test_only_places_that_were_served_count_as_showings(bob, charlie, sofas, slate):
    assert [count for _, count in showings_of(sofas[1].pk)] == [1]
    assert showings_of(sofas[2].pk) == []
    ((key, _, place),) = shown_to(bob, sofas[1].pk)
    assert (key, place) == (slate.pk, 2)
    assert shown_to(charlie, sofas[1].pk) == [] == shown_to(bob, sofas[2].pk)
