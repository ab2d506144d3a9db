import pytest
from django.utils import timezone

from listings.announcing import catalogue_transaction
from listings.models import Actor
from recommendations.analysis.off_policy import evaluate_policy
from recommendations.analysis.off_policy_candidates import Policy
from recommendations.analysis.off_policy_slots import NoExplorationSlots
from recommendations.models.slates import Slate
from tests import factories
from tests.recommendations.analysis.replayed_world import BY_CONTENT, PLACES, POOL, World
from tests.recommendations.logged_feeds import followed


class TestFeeds:
    def test_a_replay_reads_the_slates_that_the_feed_logs(self, bob, as_bob, follow):
        sellers = Actor.objects.bulk_create([Actor(external_id=f"seller-{n}") for n in range(30)])
        with catalogue_transaction():
            for number, seller in enumerate(sellers):
                factories.listing(seller, f"Blue sofa {number}", external_id=f"sofa-{number}")
        follow()
        slate = Slate.objects.get(pk=as_bob.get("/api/v1/feed/?limit=20").json()["slate_id"])
        place = slate.parameters["explored"]["places"][0]
        followed(slate.pk.hex, bob, slate.listing_ids[place], timezone.now()).save()
        result = evaluate_policy(Policy.from_json(BY_CONTENT), reward="click", now=timezone.now())
        assert (result.slate_count, result.untold_count) == (1, 0)
        assert (result.slot_count, result.drawn.value) == (2, 0.5)


class TestDeletedVariants:
    def test_a_replay_leaves_out_and_counts_slates_of_a_deleted_variant(self, small_world, alice, now, ask):
        before = ask(BY_CONTENT)
        Slate.objects.filter(pk__in=Slate.objects.values("pk")[:7]).update(
            parameters={"explored": {"places": PLACES, "pool": POOL}, "experiment": "gone", "variant": "bold"}
        )
        result = ask(BY_CONTENT)
        assert (result.untold_count, result.slate_count) == (7, before.slate_count - 7)

    def test_a_replay_of_slates_of_deleted_variants_alone_says_so(self, alice, now, ask):
        World(alice, now, slate_count=5, experiment="gone", variant="gone")
        with pytest.raises(NoExplorationSlots, match="None of the 5 slates .* experiment was deleted"):
            ask({})
