"""What an actor did, and the profile in words."""

from django.utils import timezone

from listings.models import Place
from recommendations.taste.description import describe
from recommendations.taste.profile import read_profile
from recommendations.taste.timeline import read_timeline
from tests import factories


def test_the_timeline_is_newest_first_and_says_what_was_taken_back(bob, sofas, ago):
    factories.event(bob, sofas[0], "view", ago(hours=3))
    factories.event(bob, sofas[0], "favourite", ago(hours=2))
    factories.event(bob, sofas[0], "unfavourite", ago(hours=1))
    told = [(event.interaction.kind, event.counts) for event in read_timeline(bob, limit=10)]
    assert told == [("unfavourite", False), ("favourite", False), ("view", True)]
    assert len(read_timeline(bob, limit=2)) == 2


def test_a_profile_is_described_by_its_interests_prices_and_place(follow, alice, bob):
    Place.objects.create(name="Leeds", country="GB", latitude=53.8, longitude=-1.55, population=500_000)
    sofa = factories.listing(alice, "Blue sofa", price=40, latitude=53.8, longitude=-1.5)
    bike = factories.listing(alice, "Bike", path="Sports / Bicycles", price=90, latitude=53.8, longitude=-1.5)
    for listing in (sofa, bike):
        factories.event(bob, listing, "favourite")
    taste = describe(read_profile(bob, follow(), now=timezone.now()))
    assert {interest.listing for interest in taste.interests} <= {sofa, bike} and taste.interests
    assert max(interest.weight for interest in taste.interests) == 1
    assert {path for path, _ in taste.categories} == {"Home & Garden / Sofas", "Sports / Bicycles"}
    assert taste.prices is not None and [round(price) for price in (taste.prices[0], taste.prices[2])] == [
        40,
        90,
    ]
    assert taste.place is not None and taste.place.name == "Leeds"


def test_of_somebody_new_nothing_is_said(follow, bob):
    taste = describe(read_profile(bob, follow(), now=timezone.now()))
    assert (taste.interests, taste.categories, taste.prices, taste.place) == ([], [], None, None)
    assert taste.event_weight == 0
