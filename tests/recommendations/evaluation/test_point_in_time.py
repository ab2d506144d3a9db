from datetime import timedelta

import numpy as np
import pytest

from listings.models import Actor, Listing
from recommendations.evaluation import point_in_time
from recommendations.evaluation.point_in_time import SnapshotUnavailable
from recommendations.models.trained_models import TrainedModel
from recommendations.popularity import trending
from recommendations.popularity.trending import HALF_LIFE
from tests import factories
from tests.recommendations.past import listings_of


def published_at(view, listing) -> float:
    return float(view.attributes["created_at"][view.rows_of(np.array([listing.pk]))[0]])


class TestSplitTime:
    def test_the_split_time_leaves_the_given_share_of_events_before_it(self, past):
        sofa = past.listing()
        for hour in range(10):
            past.event(f"actor {hour}", sofa, hours=hour)
        assert point_in_time.split_time(0.9) == past.at(8)
        assert point_in_time.split_time(0.5) == past.at(4)
        assert point_in_time.last_event() == past.at(9)

    def test_the_split_time_may_be_of_the_events_up_to_a_time(self, past):
        sofa = past.listing()
        for hour in range(10):
            past.event(f"actor {hour}", sofa, hours=hour)
        assert point_in_time.split_time(0.5, until=past.at(3)) == past.at(1)

    def test_without_events_there_is_no_split_time(self, db):
        assert point_in_time.split_time() is None
        assert point_in_time.last_event() is None


class TestWhatWasOnTheMarket:
    def test_a_past_snapshot_lacks_listings_sold_before_and_holds_those_sold_later(self, past):
        earlier, later, unsold = past.listing(), past.listing(), past.listing()
        past.sell(earlier, hours=-1)
        past.sell(later, hours=1)
        assert listings_of(past.world()) == [later.pk, unsold.pk]

    def test_a_purchase_ends_a_listing_that_nobody_marked_sold(self, past):
        earlier, later = past.listing(), past.listing()
        past.event("bob", earlier, "purchase", hours=-1)
        past.event("bob", later, "purchase", hours=1)
        assert listings_of(past.world()) == [later.pk]

    def test_a_past_snapshot_lacks_listings_withdrawn_before(self, past):
        earlier, later = past.listing(), past.listing()
        past.withdraw(earlier, hours=-1)
        past.withdraw(later, hours=1)
        assert listings_of(past.world()) == [later.pk]

    def test_a_past_snapshot_holds_listings_published_until_the_end_with_their_age_unknown(self, past):
        between = past.listing(hours=9)
        past.listing(hours=11)
        view = past.world()
        assert listings_of(view) == [between.pk]
        assert np.isnan(published_at(view, between)), (
            "of the later ones nothing says at the moment that they are new"
        )

    def test_a_past_snapshot_lacks_drafts(self, past):
        shown, draft = past.listing(), past.listing()
        Listing.objects.filter(pk=draft.pk).update(status="draft")
        assert listings_of(past.world()) == [shown.pk]

    def test_a_past_snapshot_holds_reserved_listings(self, past):
        reserved = past.listing()
        Listing.objects.filter(pk=reserved.pk).update(status="reserved")
        assert listings_of(past.world()) == [reserved.pk]

    def test_a_listing_imported_later_is_on_the_market_from_its_first_event(self, past):
        imported = past.listing(hours=20)
        past.event("bob", imported, "hide", hours=-5)
        past.event("bob", imported, hours=-3)
        assert published_at(past.world(), imported) == past.at(-5).timestamp()

    def test_a_listing_imported_later_and_not_touched_before_is_of_unknown_age(self, past):
        """If it counted as new, the newest listings would be the ones that are touched next."""
        imported, older = past.listing(hours=20), past.listing(hours=-30)
        past.event("bob", imported, hours=5)
        view = past.world()
        assert listings_of(view) == [imported.pk, older.pk]
        assert np.isnan(published_at(view, imported))
        assert listings_of(view, view.newest(1, view.alive)) == [older.pk]

    def test_a_past_snapshot_holds_only_listings_embedded_by_the_active_encoder(self, past, alice):
        seen, by_another = past.listing(), factories.listing(alice, created_at=past.at(-48))
        past.embed(by_another, version="another")
        factories.listing(alice, created_at=past.at(-48))
        assert listings_of(past.world()) == [seen.pk]


class TestWorld:
    def test_trending_scores_of_a_past_snapshot_are_those_of_its_moment(self, past):
        warm, cool, later = past.listing(), past.listing(), past.listing()
        past.event("bob", warm, "favourite", hours=0)
        past.event("bob", cool, "favourite", hours=-HALF_LIFE / timedelta(hours=1))
        past.event("bob", later, "favourite", hours=1)
        assert past.world().trending.tolist() == pytest.approx([1.0, 0.5, 0.0])

    def test_past_trending_scores_equal_those_of_the_roll_up(self, past, alice):
        sofas = [past.listing() for _ in range(4)]
        for number, kind in enumerate(["view", "purchase", "message", "hide"]):
            past.event("bob", sofas[number], kind, hours=-number)
        past.event(alice, sofas[0], "favourite", hours=-1)  # her own: counts for nothing
        trending.roll_up(now=past.moment)
        ids, scores = trending.top()
        rolled_up = dict(zip(ids.tolist(), scores.tolist(), strict=True))
        top_then = trending.top_at(past.moment)
        assert dict(zip(top_then[0].tolist(), top_then[1].tolist(), strict=True)) == pytest.approx(rolled_up)

    def test_a_past_snapshot_without_an_encoder_names_the_command_that_helps(self, past):
        past.listing()
        TrainedModel.objects.all().delete()
        with pytest.raises(SnapshotUnavailable, match="manage.py embed"):
            past.world()

    def test_a_past_snapshot_without_embedded_listings_names_the_command_that_helps(self, past, alice):
        factories.listing(alice, created_at=past.at(-48))
        with pytest.raises(SnapshotUnavailable, match="manage.py embed"):
            past.world()


class TestAftermath:
    def relevant(self, past, **how) -> dict[str, list[int]]:
        view = past.world()
        after = past.aftermath(view, **how)
        names = [actor.external_id for actor in after.actors]
        return {name: listings_of(view, after.relevant[row].indices) for row, name in enumerate(names)}

    def test_held_out_listings_are_those_touched_later_and_not_before(self, past):
        known, new, again = (past.listing() for _ in range(3))
        past.event("bob", known, hours=-1)
        past.event("bob", again, hours=-1)
        past.event("bob", again, "favourite", hours=1)
        past.event("bob", new, hours=1)
        assert self.relevant(past) == {"bob": [new.pk]}

    def test_held_out_listings_are_neither_hidden_nor_the_actors_own(self, past):
        hidden, before = past.listing(), past.listing()
        own, wanted = past.listing(seller=past.actor("bob")), past.listing()
        past.event("bob", hidden, hours=1)
        past.event("bob", hidden, "hide", hours=2)
        past.event("bob", before, "hide", hours=-1)
        past.event("bob", before, hours=1)
        past.event("bob", own, hours=1)
        past.event("bob", wanted, hours=1)
        assert self.relevant(past) == {"bob": [wanted.pk]}

    def test_held_out_listings_were_on_the_market_and_touched_before_the_end(self, past):
        sold, sofa, late = past.listing(), past.listing(), past.listing()
        past.sell(sold, hours=-1)
        past.event("bob", sold, hours=1)
        past.event("charlie", late, hours=11)
        past.event("dora", sofa, hours=1)
        assert self.relevant(past) == {"dora": [sofa.pk]}

    def test_events_of_a_visitor_who_logged_in_are_held_out_with_the_members(self, past):
        seen, new = past.listing(), past.listing()
        visitor = Actor.objects.create(external_id="v", kind="visitor", merged_into=past.actor("bob"))
        past.event(visitor, seen, hours=-1)
        past.event("bob", seen, hours=1)
        past.event(visitor, new, hours=1)
        assert self.relevant(past) == {"bob": [new.pk]}
        assert not past.aftermath().is_cold_actor.any()

    def test_cold_are_listings_that_nobody_touched_before_and_actors_who_touched_nothing(self, past):
        warm, cold = past.listing(), past.listing()
        past.event("charlie", warm, "hide", hours=-1)
        past.event("bob", cold, hours=1)
        past.event("charlie", cold, hours=1)
        view = past.world()
        after = past.aftermath(view)
        assert listings_of(view, np.flatnonzero(after.is_cold_row)) == [cold.pk]
        cold_actors = {
            actor.external_id: bool(is_cold)
            for actor, is_cold in zip(after.actors, after.is_cold_actor, strict=True)
        }
        assert cold_actors == {"bob": True, "charlie": False}

    def test_a_sample_of_held_out_actors_is_drawn_by_its_seed(self, past):
        sofa = past.listing()
        for number in range(20):
            past.event(f"actor {number}", sofa, hours=1)
        first, again, other = (self.relevant(past, max_actors=5, seed=seed) for seed in (1, 1, 2))
        assert len(first) == 5
        assert first == again
        assert first.keys() != other.keys()
        assert past.aftermath(max_actors=5).actor_count == 20

    def test_without_later_events_nothing_is_held_out(self, past):
        past.event("bob", past.listing(), hours=-1)
        assert len(past.aftermath()) == 0
