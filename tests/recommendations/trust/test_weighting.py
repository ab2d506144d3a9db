"""Trust weighting: the weight of events in training, in trending and in the actor's own feed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from listings.announcing import catalogue_transaction
from listings.models import Actor
from recommendations.collaborative.history import read_history
from recommendations.interactions.recording import Event, record
from recommendations.interactions.weights import WEIGHT_CAP
from recommendations.models.doubts import Doubt
from recommendations.popularity import trending
from recommendations.popularity.trending import top_at
from recommendations.slates import store
from recommendations.taste.profile import read_profile
from recommendations.trust import weighting
from tests import factories
from tests.recommendations.slates.drafts import draft
from tests.recommendations.small_world import load

NOON = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture
def many(alice):
    with catalogue_transaction():
        return [factories.listing(alice, f"Blue sofa {number}") for number in range(8)]


def record_events(actor, listing, kind="view", *, source="tests", at=NOON, slate=None, times=1):
    """Record `times` events of one kind at one time."""
    first = timezone.now().timestamp()
    events = [
        Event(
            f"{actor.pk}-{listing.pk}-{kind}-{source}-{first}-{number}",
            actor,
            listing.external_id,
            kind,
            at,
            slate,
        )
        for number in range(times)
    ]
    assert {result.outcome for result in record(source=source, events=events, now=timezone.now())} == {
        "accepted"
    }


def weights_of(actor) -> dict[int, float]:
    history = read_history(until=timezone.now())
    own = history.actor_ids == actor.pk
    return dict(zip(history.listing_ids[own].tolist(), history.undecayed_weights[own].tolist(), strict=True))


def with_source_weights(settings, weights):
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"source_weights": weights})


class TestCaps:
    def test_the_events_of_an_actor_in_a_day_are_scaled_down_to_the_day_cap(self, bob, many):
        for listing in many:
            record_events(bob, listing, "purchase", times=3)
        weights = weights_of(bob)
        assert len(weights) == 8 and sum(weights.values()) == pytest.approx(weighting.DAY_CAP, rel=1e-3)
        assert max(weights.values()) == pytest.approx(min(weights.values()))

    def test_events_on_one_listing_do_not_use_up_the_day_cap(self, bob, many):
        record_events(bob, many[0], times=500)
        record_events(bob, many[1])
        assert weights_of(bob) == pytest.approx({many[0].pk: WEIGHT_CAP, many[1].pk: 1})

    def test_each_day_has_a_day_cap_of_its_own(self, bob, many):
        for listing in many[:4]:
            record_events(bob, listing, "purchase", times=3)
        for listing in many[4:]:
            record_events(bob, listing, "purchase", times=3, at=NOON - timedelta(days=1))
        assert set(weights_of(bob).values()) == {WEIGHT_CAP}

    def test_a_merged_visitor_and_the_member_share_one_day_cap(self, bob, many):
        visitor = Actor.objects.create(external_id="visitor-1", kind="visitor", merged_into=bob)
        for place, listing in enumerate(many):
            record_events(bob if place % 2 else visitor, listing, "purchase", times=3)
        assert sum(weights_of(bob).values()) == pytest.approx(weighting.DAY_CAP, rel=1e-3)

    def test_events_of_sellers_on_their_own_listings_do_not_count(self, alice, bob, many):
        record_events(alice, many[0], "purchase")
        visitor = Actor.objects.create(external_id="visitor-1", kind="visitor", merged_into=alice)
        record_events(visitor, many[0])
        assert not len(read_history(until=timezone.now()))


@pytest.mark.django_db(transaction=True)
class TestTrendingIsCapped:
    @pytest.fixture
    def scores(self):
        def read():
            trending.roll_up(now=NOON + timedelta(hours=1))
            ids, scores = trending.top()
            return dict(zip(ids.tolist(), scores.tolist(), strict=True))

        return read

    def test_trending_caps_a_listing_by_day_whether_rolled_up_at_once_or_step_by_step(
        self, bob, charlie, many, scores
    ):
        record_events(charlie, many[1], "purchase")
        for _ in range(4):
            record_events(bob, many[0], "purchase")
            scores()
        assert scores() == pytest.approx({many[0].pk: 1, many[1].pk: 8 / WEIGHT_CAP}, rel=1e-3)
        trending.client().flushdb()
        assert scores() == pytest.approx({many[0].pk: 1, many[1].pk: 8 / WEIGHT_CAP}, rel=1e-3)

    def test_trending_caps_the_events_of_an_actor_by_day(self, bob, charlie, many, scores):
        record_events(charlie, many[7], "purchase", times=2)
        for listing in many[:7]:
            record_events(bob, listing, "purchase", times=2)
            scores()
        score = scores()
        total = sum(score.get(listing.pk, 0) for listing in many[:7]) / score[many[7].pk] * WEIGHT_CAP
        assert total == pytest.approx(weighting.DAY_CAP, rel=1e-3)

    def test_a_retracted_event_frees_its_part_of_the_cap_in_trending(self, bob, charlie, many, scores):
        record_events(charlie, many[1], "offer")
        record_events(bob, many[0], "favourite", times=3)
        assert scores()[many[0].pk] == 1
        record_events(bob, many[0], "unfavourite")
        assert many[0].pk not in scores()
        record_events(bob, many[0], "favourite", at=NOON + timedelta(minutes=1), times=3)
        assert scores() == pytest.approx({many[0].pk: 1, many[1].pk: 7 / WEIGHT_CAP}, rel=1e-2)

    def test_trending_at_an_earlier_time_is_capped_too(self, bob, charlie, many):
        record_events(bob, many[0], times=100)
        record_events(charlie, many[1], "favourite")
        ids, scores = top_at(NOON + timedelta(hours=1))
        assert ids.tolist() == [many[0].pk, many[1].pk]
        assert scores.tolist() == pytest.approx([1, 4 / WEIGHT_CAP])


class TestEventsOfVisitors:
    @pytest.mark.parametrize(("kind", "weight"), [("purchase", 1.5), ("offer", 1.5), ("message", 1.5)])
    def test_what_a_visitor_says_they_did_elsewhere_counts_as_a_click_at_most(self, many, kind, weight):
        visitor = Actor.objects.create(external_id="visitor-1", kind="visitor")
        record_events(visitor, many[0], kind)
        assert weights_of(visitor) == pytest.approx({many[0].pk: weight})

    @pytest.mark.parametrize(("kind", "weight"), [("view", 1), ("click", 1.5), ("favourite", 4)])
    def test_what_a_visitor_does_here_counts_in_full(self, many, kind, weight):
        visitor = Actor.objects.create(external_id="visitor-1", kind="visitor")
        record_events(visitor, many[0], kind)
        assert weights_of(visitor) == pytest.approx({many[0].pk: weight})

    def test_what_a_visitor_said_counts_in_full_once_they_log_in(self, bob, many):
        visitor = Actor.objects.create(external_id="visitor-1", kind="visitor", merged_into=bob)
        record_events(visitor, many[0], "offer")
        assert weights_of(bob) == pytest.approx({many[0].pk: 7})


class TestSources:
    def test_sources_are_weighted_by_name_or_by_kind_and_others_count_fully(self, bob, many, settings):
        with_source_weights(settings, {"service:newsletter": 0.5, "actor": 0.25, "service:spam": 0})
        for listing, source in zip(
            many, ("service:newsletter", "actor:bob", "service:shop", "service:spam"), strict=False
        ):
            record_events(bob, listing, source=source)
        expected = {many[0].pk: 0.5, many[1].pk: 0.25, many[2].pk: 1}
        assert weights_of(bob) == pytest.approx(expected)
        profile = read_profile(bob, load(), now=NOON)
        assert dict(
            zip(profile.listing_ids.tolist(), profile.weights.tolist(), strict=True)
        ) == pytest.approx(expected)

    def test_the_weight_of_a_named_source_comes_before_that_of_its_kind(self, bob, many, settings):
        with_source_weights(settings, {"service": 0.5, "service:shop": 2})
        record_events(bob, many[0], source="service:shop")
        record_events(bob, many[1], source="service:other")
        assert weights_of(bob) == pytest.approx({many[0].pk: 2, many[1].pk: 0.5})


class TestFalseClaims:
    def test_events_with_false_claims_weigh_next_to_nothing_however_many(self, bob, many):
        record_events(bob, many[0], "purchase", slate="no slate", times=900)
        record_events(bob, many[1], slate="no slate")
        record_events(bob, many[2])
        expected = {many[0].pk: WEIGHT_CAP / 100, many[1].pk: 0.01, many[2].pk: 1}
        assert weights_of(bob) == pytest.approx(expected)

    def test_false_claims_weigh_next_to_nothing_in_trending_and_in_the_profile(self, bob, charlie, many, now):
        record_events(bob, many[0], "purchase", slate="no slate", at=now)
        record_events(charlie, many[1], at=now)
        trending.roll_up(now=now)
        assert trending.top()[0].tolist() == [many[1].pk, many[0].pk]
        profile = read_profile(bob, load(), now=now)
        assert profile.weights.tolist() == pytest.approx([0.08])
        assert profile.seen == {many[0].pk}

    def test_events_with_true_claims_count_fully(self, bob, many, now):
        shown = store.write(draft([listing.pk for listing in many], bob), now=now)
        store.log_impression(shown, offset=0, count=8, now=now)
        record_events(bob, many[0], slate=shown)
        assert weights_of(bob) == pytest.approx({many[0].pk: 1})


class TestDoubts:
    def test_the_share_of_a_doubt_is_taken_of_the_capped_weight(self, bob, many):
        Doubt.objects.create(actor=bob, reason="likeness", share=0.1)
        for days in range(5):
            record_events(bob, many[0], "purchase", times=9, at=NOON - timedelta(days=days))
        assert weights_of(bob) == pytest.approx({many[0].pk: WEIGHT_CAP / 10})
