"""A backup restored elsewhere gives the same recommendations."""

import shutil
from datetime import timedelta

import pytest
from django.utils import timezone

from listings.models import Actor, Listing, Photo
from marketplace.backups.backup import back_up, restore
from recommendations.collaborative import store
from recommendations.feed import experiments
from recommendations.feed.pipeline import build_feed
from recommendations.indexing import compaction
from recommendations.interactions import watermark
from recommendations.interactions.simulation import simulate
from recommendations.models.events import Interaction
from recommendations.models.slates import Slate
from recommendations.models.trained_models import TrainedModel
from recommendations.popularity import impression_counts, trending
from recommendations.ranking import boosts
from recommendations.replica import follower
from recommendations.retrieval.filters import Filters
from recommendations.training.collaborative import train_collaborative
from tests import factories
from tests.marketplace.backups.living import living, stored

SEED = 7


def feed(actor_name: str, now) -> list[tuple[str, float]]:
    """The feed of a newly started process: listings and scores in order."""
    for kept in (boosts, experiments, impression_counts):
        kept.forget()
    trending.roll_up(now=now)
    impression_counts.roll_up(now=now)
    process = follower._replica
    process.snapshot = None
    process._looked_at = ("", 0)
    process._models.__init__(store)
    process.refresh()
    actor = Actor.objects.get(external_id=actor_name)
    page = build_feed(actor=actor, filters=Filters(), limit=20, now=now, is_kept=False, seed=SEED)
    assert not set(page.degraded) - {"ranker"}
    return [(item.listing.external_id, round(float(item.score), 5)) for item in page.items]


@pytest.fixture
def world(alice, bob, follow, now):
    """A catalogue of sofas and bicycles with a trained model; Bob is one of the shoppers."""
    for number in range(12):
        title, path = f"Mountain bike {number}", "Sports / Bicycles"
        factories.listing(alice, f"Blue sofa {number}", price=20 + number, external_id=f"sofa-{number:02}")
        factories.listing(alice, title, path=path, price=80 + number, external_id=f"bike-{number:02}")
    factories.photo(Listing.objects.get(external_id="sofa-00"))
    follow()
    simulate(shopper_count=30, seed=2, now=now)
    train_collaborative(now=now, force=True)
    for number in range(3):
        factories.event(
            bob, Listing.objects.get(external_id=f"sofa-{number:02}"), at=now - timedelta(hours=1)
        )
    return now


class TestRoundTrip:
    def test_a_restored_system_gives_the_same_feed(self, world, elsewhere, settings, tmp_path):
        now = world
        here, photos = feed("bob", now), stored(settings.MEDIA_ROOT)
        before = {model: model.objects.count() for model in (Interaction, Slate, Photo, TrainedModel)}
        back_up(tmp_path / "backup", now=now)
        Interaction.objects.all().delete()  # changes after the backup are not in it
        shutil.rmtree(settings.MEDIA_ROOT)
        trending.client().set("keep", "me")
        with living(elsewhere, settings, tmp_path / "there"):
            restore(tmp_path / "backup", database=elsewhere)
            there = feed("bob", now)
            assert there == here
            assert len(here) == 20
            assert follower.snapshot().collaborative is not None
            assert {model: model.objects.count() for model in before} == before
            assert stored(settings.MEDIA_ROOT) == photos
            assert compaction.verify().agrees
            self.goes_on(now)
        assert trending.client().get("keep") == b"me"

    def goes_on(self, now) -> None:
        """Transaction ids are below those of this server, and keep their order around reader positions."""
        newest = max(Interaction.objects.values_list("transaction_id", flat=True))
        assert newest < 100 < watermark.horizon()
        model = TrainedModel.objects.get(kind="collaborative", status="active")
        unread = Interaction.objects.filter(transaction_id__gte=model.horizon)
        assert {event.actor.external_id for event in unread} == {"bob"}
        carol = Actor.objects.create(external_id="carol")  # sequences continue, too
        factories.event(carol, Listing.objects.get(external_id="bike-00"))
        assert trending.roll_up(now=timezone.now()) == 1
