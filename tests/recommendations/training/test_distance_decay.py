"""Distance decay per root category, learned from shoppers who go far for a car but not for a lamp."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from listings.models import Actor, Listing
from ml.ranking.geography import LEAST_NEARNESS, distances_km
from recommendations.collaborative import store
from recommendations.collaborative.config import TrainingConfig
from recommendations.collaborative.history import read_history
from recommendations.core.progress import unwatched_steps
from recommendations.models.events import Interaction
from recommendations.taste.location import DEFAULT_DECAY_KM, OTHER_ROOT_WEIGHT, LocationProfile
from recommendations.training import collaborative
from recommendations.training.distance_decay import learn_decays
from tests import factories
from tests.recommendations.small_world import load, model

ROOTS = {"Lamps": 8.0, "Motors": 60.0}  # kilometres by which the chance that somebody goes there falls
LEEDS, YORK, BATH = (53.8, -1.55), (53.96, -1.08), (51.38, -2.36)
COUNT, SHOPPERS, TOUCHES = 400, 120, 6


def open_shop(seller: Actor, root: str, places: np.ndarray, since: datetime, **content) -> list[Listing]:
    """One listing at each of the places, (n, 2) degrees."""
    category = factories.category(f"{root} / Used")
    return Listing.objects.bulk_create(
        Listing(
            external_id=f"{root}-{number}-{len(content)}",
            created_at=since,
            seller=seller,
            title=root,
            price=10,
            category=category,
            latitude=place[0],
            longitude=place[1],
            **{"status": "active"} | content,
        )
        for number, place in enumerate(places.tolist())
    )


@pytest.fixture
def shops(alice, now) -> dict[str, list[Listing]]:
    """Listings per root category, spread over the middle of England and on the market for a month."""
    places = np.random.default_rng(8).uniform((52.0, -2.5), (54.0, 0.0), (COUNT, 2))
    return {root: open_shop(alice, root, places, now - timedelta(days=30)) for root in ROOTS}


@pytest.fixture
def shopped(shops, now) -> None:
    """Each shopper views a listing anywhere, and then listings near enough to those viewed before."""
    rng = np.random.default_rng(9)
    places = np.array([(lamp.latitude, lamp.longitude) for lamp in shops["Lamps"]])
    events = []
    for number in range(SHOPPERS):
        who = Actor.objects.create(external_id=f"shopper {number}")
        root = list(ROOTS)[number % 2]
        for step, place in enumerate(walk(places, ROOTS[root], rng)):
            happened = now - timedelta(hours=10 * number / SHOPPERS + 1 - step / 100)
            events.append((who, shops[root][place], happened))
    bulk(events)


def walk(places: np.ndarray, scale_km: float, rng: np.random.Generator) -> list[int]:
    """Positions of the listings that a shopper touches, each once."""
    touched = [int(rng.integers(COUNT))]
    while len(touched) < TOUCHES:
        near = np.exp(-distances_km(places, places[touched]) / scale_km).mean(axis=1) + LEAST_NEARNESS
        near[touched] = 0
        touched.append(int(rng.choice(COUNT, p=near / near.sum())))
    return touched


def bulk(events) -> None:
    Interaction.objects.bulk_create(
        Interaction(
            source="tests",
            event_id=f"bulk {number}",
            actor=who,
            listing=what,
            kind="view",
            occurred_at=at,
            received_at=at,
        )
        for number, (who, what, at) in enumerate(events)
    )


class TestLearning:
    def test_each_root_category_learns_the_decay_by_which_people_chose(self, shopped, now):
        decays = learn_decays(read_history(until=now))
        assert decays.keys() == ROOTS.keys()
        assert decays["Lamps"] == pytest.approx(ROOTS["Lamps"], rel=0.5)
        assert decays["Motors"] == pytest.approx(ROOTS["Motors"], rel=0.5)

    def test_distance_decay_is_learned_from_choices_among_what_was_on_the_market_then(self, alice, now):
        """Forty shoppers stay in their own towns; listings there for a minute have no alternatives."""
        rng = np.random.default_rng(4)
        towns = np.repeat(rng.uniform((52.0, -2.5), (54.0, 0.0), (40, 2)), 4, axis=0)
        antiques = open_shop(alice, "Antiques", towns, now - timedelta(days=30))
        shoppers = [Actor.objects.create(external_id=f"shopper {number}") for number in range(40)]
        times = [now - timedelta(minutes=200 - number) for number in range(160)]
        bulk((shoppers[place // 4], antique, times[place]) for place, antique in enumerate(antiques))
        assert learn_decays(read_history(until=now)).keys() == {"Antiques"}
        for antique, at in zip(antiques, times, strict=True):
            antique.created_at, antique.sold_at = at - timedelta(seconds=20), at + timedelta(seconds=20)
        Listing.objects.bulk_update(antiques, ["created_at"])
        assert learn_decays(read_history(until=now)).keys() == {"Antiques"}, "those before are still there"
        for place, antique in enumerate(antiques):
            antique.status, antique.updated_at = ("sold", "withdrawn")[place % 2], antique.sold_at
            antique.sold_at = antique.sold_at if antique.status == "sold" else None
        Listing.objects.bulk_update(antiques, ["status", "sold_at", "updated_at"])
        assert learn_decays(read_history(until=now)) == {}

    def test_a_root_category_with_few_choices_learns_no_distance_decay(self, shopped, now):
        Interaction.objects.filter(listing__category__path__startswith="Motors").exclude(
            actor__external_id__in=[f"shopper {number}" for number in range(30)]
        ).delete()
        assert learn_decays(read_history(until=now)).keys() == {"Lamps"}

    def test_new_decays_go_half_the_way_from_those_of_the_training_before(self, shopped, now):
        found = learn_decays(read_history(until=now))
        again = learn_decays(read_history(until=now), {"Lamps": 4 * found["Lamps"]})
        assert again["Lamps"] == pytest.approx(2 * found["Lamps"], rel=0.05)
        assert again["Motors"] == found["Motors"]

    def test_without_events_or_locations_no_distance_decay_is_learned(self, shopped, now):
        assert learn_decays(read_history(until=now - timedelta(days=9))) == {}
        Listing.objects.update(latitude=None, longitude=None)
        assert learn_decays(read_history(until=now)) == {}


class TestTraining:
    def test_a_trained_model_holds_the_learned_distance_decays(self, shopped, now):
        row = collaborative.train_collaborative(now=now)
        decays = store.load(row).recipe.decays
        assert decays == row.metrics["decays_km"] == learn_decays(read_history(until=now))
        assert decays.keys() == ROOTS.keys()

    def test_a_model_that_differs_only_in_distance_decays_is_not_refitted_for_comparison(self, shopped, now):
        collaborative.train_collaborative(now=now)
        steps = []
        collaborative.train_collaborative(
            now=now + timedelta(seconds=1), steps=lambda step: steps.append(step) or unwatched_steps(step)
        )
        assert "Learning distance decays" in steps
        assert "Fitting with the configuration of the active model" not in steps


class TestPlaceScores:
    @pytest.fixture
    def roots(self, db) -> dict[str, int]:
        return {root: factories.category(root).pk for root in (*ROOTS, "Toys")}

    @pytest.fixture
    def view(self, roots):
        """A lamp, a car and a toy in York."""
        view = load((1, 0), (2, 0), (3, 0))
        attributes = view.attributes.copy()
        attributes["category_id"] = list(roots.values())
        attributes["latitude"], attributes["longitude"] = YORK
        trained = model(
            {1: (1, 0)}, recipe=TrainingConfig(decays={"Lamps": 6.0, "Motors": 120.0, "Gone": 9.0})
        )
        return replace(view, attributes=attributes).with_collaborative(trained)

    def near(self, place, scale_km: float) -> float:
        return float(np.exp(-distances_km(np.array([YORK]), np.array([place]))[0, 0] / scale_km)) + 0.02

    def test_nearness_falls_by_the_learned_decay_and_by_the_default_where_none_was_learned(self, view):
        expected = [self.near(LEEDS, scale) for scale in (6, 120, DEFAULT_DECAY_KM)]
        scores = LocationProfile.none().place_scores(view, np.arange(3), location=LEEDS)
        assert np.exp(scores) == pytest.approx(expected, rel=1e-3)
        alone = view.with_collaborative(None)
        scores = LocationProfile.none().place_scores(alone, np.arange(3), location=LEEDS)
        assert np.exp(scores) == pytest.approx([self.near(LEEDS, DEFAULT_DECAY_KM)] * 3, rel=1e-3)

    def test_a_stated_location_overrides_where_the_shopper_looked(self, view, roots):
        habits = LocationProfile.of(np.ones(1), np.array([BATH]), np.array([roots["Toys"]]))
        assert habits.place_scores(view, np.arange(3), location=YORK) == pytest.approx(np.log([1.02] * 3))
        assert (habits.place_scores(view, np.arange(3)) < np.log(0.5)).all()

    def test_places_looked_at_in_a_root_category_count_most_for_that_category(self, view, roots):
        touched = np.array([roots["Lamps"], roots["Motors"]])
        habits = LocationProfile.of(np.ones(2), np.array([YORK, BATH]), touched)
        lamp, car, _ = np.exp(habits.place_scores(view, np.arange(3)))
        here, there = self.near(YORK, 6) - 0.02, self.near(BATH, 6) - 0.02
        assert lamp == pytest.approx(
            (here + OTHER_ROOT_WEIGHT * there) / (1 + OTHER_ROOT_WEIGHT) + 0.02, rel=1e-3
        )
        here, there = self.near(YORK, 120) - 0.02, self.near(BATH, 120) - 0.02
        assert car == pytest.approx(
            (OTHER_ROOT_WEIGHT * here + there) / (1 + OTHER_ROOT_WEIGHT) + 0.02, rel=1e-3
        )
