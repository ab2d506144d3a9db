"""Scores of the feed by a trained collaborative model: its factors and its co-visitation."""

import pytest
from django.utils import timezone

from listings import services
from recommendations.collaborative import model
from recommendations.interactions.simulation import simulate
from recommendations.model_registry.publication import activate
from recommendations.models.events import Interaction
from recommendations.models.trained_models import TrainedModel
from recommendations.replica import follower
from recommendations.training import collaborative
from tests import factories
from tests.recommendations.feed.items import scores_of
from tests.recommendations.published import publish_collaborative


class TestCollaborative:
    @pytest.fixture
    def shopped(self, catalogue, now):
        """Forty simulated shoppers have looked around. None bought: they would be shown no more of a kind."""
        simulate(shopper_count=40, seed=5, now=now)
        Interaction.objects.filter(kind="purchase").delete()

    @pytest.mark.parametrize("source", ["collaborative", "covisitation"])
    def test_an_untouched_listing_has_a_score_by_the_trained_prior(
        self, as_service, alice, shopped, feed_of, now, monkeypatch, source
    ):
        monkeypatch.setattr(model, "LEAST_FOR_PRIOR", 10)
        publish_collaborative(now=timezone.now())
        newcomer = factories.listing(alice, "Blue three seater sofa 11", path="Home & Garden / Sofas")
        scores = scores_of(feed_of(as_service, actor="shopper-5-3", limit=100), source)
        assert scores[newcomer.external_id] is not None
        assert None not in scores.values()

    def test_an_untouched_listing_has_no_collaborative_score_without_a_prior(
        self, as_service, alice, shopped, feed_of, now, monkeypatch
    ):
        monkeypatch.setattr(model, "LEAST_FOR_PRIOR", 1000)
        publish_collaborative(now=timezone.now())
        newcomer = factories.listing(alice, "Blue three seater sofa 11", path="Home & Garden / Sofas")
        scores = scores_of(feed_of(as_service, actor="shopper-5-3", limit=100), "collaborative")
        assert scores.pop(newcomer.external_id) is None
        assert any(score is not None for score in scores.values())

    def test_a_new_listing_like_what_others_viewed_next_outscores_one_unlike_it(
        self, as_service, alice, shopped, feed_of, now, bob, as_bob, catalogue
    ):
        publish_collaborative(now=timezone.now())
        factories.event(bob, catalogue[1], "favourite")  # a bike
        bike = factories.listing(alice, "Mountain bike with gears 11", path="Sports / Bicycles")
        coat = factories.listing(alice, "Winter coat for women 11", path="Clothing / Coats")
        scores = scores_of(feed_of(as_bob, limit=100), "covisitation")
        assert scores[bike.external_id] > (scores[coat.external_id] or 0)

    def test_a_damaged_model_leaves_the_previous_one_serving(
        self, as_service, shopped, feed_of, now, settings
    ):
        first = publish_collaborative(now=timezone.now())
        assert feed_of(as_service, actor="shopper-5-3")
        second = publish_collaborative(now=timezone.now())
        (settings.MODEL_ROOT / second.path / "als.npz").write_bytes(b"not a model")
        assert feed_of(as_service, actor="shopper-5-3")
        assert follower.snapshot().collaborative.version == first.version
        activate(TrainedModel.objects.get(pk=first.pk))
        assert TrainedModel.objects.filter(kind="collaborative", status="active").get() == first


class TestCovisitation:
    """A handful of people, each of whom goes from the sofa to the bike and from the coat to the sofa."""

    @pytest.fixture
    def trained(self, catalogue, follow, now, ago, monkeypatch):
        monkeypatch.setattr(collaborative, "LEAST_EVENTS", 1)
        monkeypatch.setattr(collaborative, "LEAST_ACTORS", 1)
        monkeypatch.setattr(model, "LEAST_FOR_PRIOR", 1)
        sofa, bike, coat, phone = catalogue[:4]
        for number in range(3):
            person = factories.actor(f"person-{number}")
            for hours, what in enumerate([phone, coat, sofa, bike]):
                factories.event(person, what, at=ago(hours=48 - hours))
        publish_collaborative(now=timezone.now())

    @pytest.fixture
    def covisited(self, bob, as_bob, catalogue, trained, feed_of):
        """covisited() is what co-visitation says to Bob, who looked at the sofa."""
        factories.event(bob, catalogue[0])
        return lambda **query: scores_of(feed_of(as_bob, limit=100, **query), "covisitation")

    def test_listings_touched_after_the_viewed_one_outscore_those_touched_before(self, catalogue, covisited):
        _, bike, coat, phone = (each.external_id for each in catalogue[:4])
        scores = covisited()
        assert scores[bike] > scores[coat] > scores[phone] > 0, "the nearer the more"

    def test_a_listing_touched_after_the_viewed_one_comes_first_in_its_category(
        self, catalogue, as_bob, covisited, feed_of
    ):
        assert covisited()
        items = feed_of(as_bob, category="Sports", limit=100)
        assert items[0]["listing"]["id"] == catalogue[1].external_id

    def test_a_sold_listing_still_scores_its_covisited_neighbours(self, catalogue, covisited):
        services.mark_sold(listing=catalogue[0], buyer=None, now=timezone.now())
        scores = covisited()
        assert catalogue[0].external_id not in scores
        assert scores[catalogue[1].external_id] > 0

    def test_a_sold_covisited_listing_is_not_shown(self, catalogue, covisited):
        services.mark_sold(listing=catalogue[1], buyer=None, now=timezone.now())
        assert catalogue[1].external_id not in covisited()

    def test_untouched_listings_like_a_covisited_one_have_lower_scores_than_it(self, catalogue, covisited):
        """No bike but the first was ever touched."""
        scores = covisited(category="Sports")
        assert len(scores) == 10
        first = scores.pop(catalogue[1].external_id)
        assert all(0 < score < first for score in scores.values())

    def test_a_new_favourite_changes_the_covisitation_scores_at_once(self, bob, catalogue, covisited):
        before = covisited()[catalogue[2].external_id]
        factories.event(bob, catalogue[3], "favourite")  # the phone, from which people went on to the coat
        assert covisited()[catalogue[2].external_id] > before
