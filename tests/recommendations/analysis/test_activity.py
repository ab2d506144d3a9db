"""What went on lately, by day and by reason."""

import pytest
from django.utils.timezone import localdate

from listings.models import Listing
from recommendations.analysis.activity import Rate, events_by_day, read_activity
from recommendations.interactions.recording import Event, record
from recommendations.slates import store
from tests import factories
from tests.recommendations.slates.drafts import draft


def test_listings_events_and_feeds_are_counted_by_day(alice, bob, now, ago):
    sofa = factories.listing(alice, created_at=ago(days=3))
    factories.listing(alice, created_at=ago(days=30))
    factories.event(bob, sofa, at=ago(days=2))
    factories.event(bob, sofa, at=ago(days=20))
    store.write(draft([sofa.pk], bob), now=ago(days=1))
    store.write(draft([sofa.pk], bob, surface="search"), now=ago(days=1))
    activity = read_activity(now)
    assert activity.listings == [(localdate(ago(days=3)), 1)]
    assert activity.events == [(localdate(ago(days=2)), 1)]
    assert activity.feeds == [(localdate(ago(days=1)), 1)]


def test_rates_are_of_the_places_that_were_served(bob, sofas, now):
    reasons = ["new", "new", "trending", *["more"] * 3]
    slate = store.write(draft([sofa.pk for sofa in sofas], bob, reasons=reasons), now=now)
    store.log_impression(slate, offset=0, count=3, now=now)
    done = [(0, "click"), (0, "favourite"), (2, "view")]
    events = [
        Event(f"e-{place}-{kind}", bob, sofas[place].external_id, kind, now, slate=slate, position=place)
        for place, kind in done
    ]
    record(source="tests", events=events, now=now)
    assert read_activity(now).rates == [Rate("new", 2, 1, 1), Rate("trending", 1, 1, 0)]


def test_activity_takes_four_queries(db, now, django_assert_num_queries):
    with django_assert_num_queries(4):
        assert read_activity(now).rates == []


@pytest.fixture
def viewed(alice, bob, ago) -> Listing:
    sofa = factories.listing(alice)
    for days in (1, 1, 3):
        factories.event(bob, sofa, "view", ago(days=days))
    return sofa


def test_events_of_a_listing_are_counted_by_kind_and_day(viewed, bob, ago):
    factories.event(bob, viewed, "favourite", ago(days=1))
    assert events_by_day(viewed) == {
        "view": [(localdate(ago(days=3)), 1), (localdate(ago(days=1)), 2)],
        "favourite": [(localdate(ago(days=1)), 1)],
    }
