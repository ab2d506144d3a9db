from datetime import UTC, datetime

import pytest
from django.utils import timezone

from listings import models
from recommendations.collaborative.history import read_history
from recommendations.interactions.weights import TRAINING_HALF_LIFE, WEIGHT_CAP
from recommendations.training import collaborative
from tests import factories


@pytest.fixture
def few_are_enough(monkeypatch):
    monkeypatch.setattr(collaborative, "LEAST_EVENTS", 1)
    monkeypatch.setattr(collaborative, "LEAST_ACTORS", 1)


class TestBehaviour:
    def test_the_interaction_history_weighs_kinds_decays_with_age_and_is_capped(
        self, bob, sofas, now, ago, few_are_enough
    ):
        half_life = TRAINING_HALF_LIFE
        factories.event(bob, sofas[0], "view", at=now)
        factories.event(bob, sofas[1], "favourite", at=now)
        factories.event(bob, sofas[2], "view", at=now - half_life)
        for _ in range(30):
            factories.event(bob, sofas[3], "view", at=now)
        factories.event(bob, sofas[4], "hide", at=now)
        history = read_history(until=now)
        weights = dict(zip(history.listing_ids.tolist(), history.weights, strict=True))
        expected = {sofas[0].pk: 1, sofas[1].pk: 4, sofas[2].pk: 0.5, sofas[3].pk: WEIGHT_CAP}
        assert weights == pytest.approx(expected, rel=1e-3)

    def test_an_event_of_another_century_still_counts_in_the_interaction_history(
        self, bob, sofas, few_are_enough
    ):
        factories.event(bob, sofas[0], "view", at=datetime(1900, 1, 1, tzinfo=UTC))
        assert read_history(until=timezone.now()).weights.tolist() == pytest.approx([1e-6])

    def test_a_merged_visitor_is_one_actor_with_the_member_in_the_interaction_history(
        self, bob, sofas, now, few_are_enough
    ):
        visitor = models.Actor.objects.create(external_id="visitor-1", kind="visitor", merged_into=bob)
        factories.event(visitor, sofas[0])
        factories.event(bob, sofas[1])
        assert read_history(until=timezone.now()).actors.tolist() == [bob.pk]

    def test_sold_listings_stay_in_the_interaction_history(self, bob, sofas, now, few_are_enough):
        factories.event(bob, sofas[0])
        factories.services.mark_sold(listing=sofas[0], buyer=bob, now=now)
        assert read_history(until=timezone.now()).listing_ids.tolist() == [sofas[0].pk]
