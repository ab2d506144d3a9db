"""Retractions: interactions that were taken back count nowhere."""

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone

from listings.models import Actor
from recommendations.collaborative import refresh
from recommendations.collaborative.history import read_history
from recommendations.evaluation import point_in_time
from recommendations.interactions import retractions
from recommendations.interactions.recording import Event, record
from recommendations.interactions.retractions import unwanted_by
from recommendations.models.events import Interaction
from recommendations.popularity import trending
from tests import factories

PAIRS = sorted((str(after), str(before)) for after, before in retractions.RETRACTS.items())


@pytest.fixture
def sofa(sofas):
    return sofas[0]


@pytest.fixture
def did(ago):
    """did(bob, sofa, "hide", minutes=5) records an event of five minutes ago."""
    return lambda actor, listing, kind, **span: factories.event(actor, listing, kind, at=ago(**span))


@pytest.fixture
def visitor(bob):
    return Actor.objects.create(external_id="visitor-1", kind="visitor", merged_into=bob)


def by_queryset(*actors, until=None) -> list[tuple[int, str]]:
    interactions = retractions.not_retracted_of([actor.pk for actor in actors], until=until)
    return sorted(interactions.values_list("listing_id", "kind"))


def by_sql(*actors, until=None) -> list[tuple[int, str]]:
    known_retractions = "retraction.occurred_at <= %(until)s"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT listing_id, interaction.kind FROM recommendations_interaction interaction "
            "JOIN listings_actor actor ON actor.id = actor_id "
            "WHERE actor_id = ANY(%(actors)s) AND occurred_at <= %(until)s AND "
            + retractions.is_not_retracted(known_retractions),
            {"until": until or "infinity", "actors": [actor.pk for actor in actors]},
        )
        return sorted(cursor.fetchall())


@pytest.mark.parametrize("not_retracted", [by_queryset, by_sql])
class TestWhatStands:
    @pytest.mark.parametrize(("after", "before"), PAIRS)
    def test_each_retraction_takes_back_its_own_kind_and_no_other(
        self, not_retracted, did, bob, sofa, after, before
    ):
        for kind in ("view", *retractions.RETRACTS.values(), "purchase"):
            did(bob, sofa, kind, minutes=9)
        did(bob, sofa, after, minutes=5)
        left = {kind for _, kind in not_retracted(bob)}
        assert left == {"view", "purchase", *retractions.RETRACTS.values()} - {before}

    def test_a_retraction_takes_back_all_earlier_interactions_and_no_later_ones(
        self, not_retracted, did, bob, sofa
    ):
        did(bob, sofa, "favourite", minutes=9)
        did(bob, sofa, "favourite", minutes=7)
        did(bob, sofa, "unfavourite", minutes=5)
        assert not_retracted(bob) == []
        did(bob, sofa, "favourite", minutes=3)
        assert not_retracted(bob) == [(sofa.pk, "favourite")]

    def test_a_retraction_counts_in_whatever_order_events_arrive(self, not_retracted, did, bob, sofa):
        did(bob, sofa, "unhide", minutes=5)
        did(bob, sofa, "hide", minutes=9)
        assert not_retracted(bob) == []

    def test_an_interaction_of_the_moment_of_its_retraction_is_taken_back(
        self, not_retracted, bob, sofa, now
    ):
        events = [Event(str(n), bob, sofa.external_id, kind) for n, kind in enumerate(["hide", "unhide"])]
        record(source="tests", events=events, now=now)
        assert not_retracted(bob) == []

    def test_a_retraction_touches_no_other_listings_and_no_other_actors(
        self, not_retracted, did, bob, charlie, sofas
    ):
        did(bob, sofas[0], "hide", minutes=9)
        did(bob, sofas[1], "unhide", minutes=5)
        did(charlie, sofas[0], "unhide", minutes=5)
        assert not_retracted(bob) == [(sofas[0].pk, "hide")]

    def test_a_member_takes_back_what_they_did_as_a_visitor_and_the_other_way(
        self, not_retracted, did, bob, visitor, sofas
    ):
        did(visitor, sofas[0], "favourite", minutes=9)
        did(bob, sofas[0], "unfavourite", minutes=5)
        did(bob, sofas[1], "offer", minutes=9)
        did(visitor, sofas[1], "unoffer", minutes=5)
        assert not_retracted(bob, visitor) == []

    def test_an_interaction_counts_at_a_time_before_its_retraction(self, not_retracted, did, ago, bob, sofa):
        did(bob, sofa, "favourite", minutes=9)
        did(bob, sofa, "unfavourite", minutes=5)
        assert not_retracted(bob, until=ago(minutes=6)) == [(sofa.pk, "favourite")]
        assert not_retracted(bob, until=ago(minutes=10)) == []


class TestTheIndex:
    def test_retractions_are_looked_up_in_a_partial_index(self, did, bob, sofa):
        did(bob, sofa, "favourite", minutes=9)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
        assert "interaction_taken_back" in retractions.not_retracted_of([bob.pk]).explain()


class TestReaders:
    def test_the_history_for_training_leaves_out_retracted_interactions(self, did, ago, bob, sofas, now):
        did(bob, sofas[0], "favourite", minutes=9)
        did(bob, sofas[0], "unfavourite", minutes=5)
        did(bob, sofas[1], "favourite", minutes=5)
        history = read_history(until=now)
        assert (history.listings.tolist(), history.event_count) == ([sofas[1].pk], 1)
        assert read_history(until=ago(minutes=6)).listings.tolist() == [sofas[0].pk]

    def test_the_history_for_training_ignores_retractions_after_its_position(self, did, bob, sofa, now):
        """Events after a position count neither as interactions nor as retractions."""
        did(bob, sofa, "favourite", minutes=9)
        did(bob, sofa, "unfavourite", minutes=5)
        Interaction.objects.filter(kind="favourite").update(transaction_id=3)
        Interaction.objects.filter(kind="unfavourite").update(transaction_id=5)
        assert len(read_history(until=now, before=4)) == 1
        assert len(read_history(until=now, before=6)) == 0

    def test_a_listing_that_was_unhidden_is_wanted_again(self, did, bob, visitor, sofas):
        for sofa in sofas[:2]:
            did(visitor, sofa, "hide", minutes=9)
        did(bob, sofas[0], "unhide", minutes=5)
        assert unwanted_by(bob) == {sofas[1].pk}

    def test_newly_touched_listings_leave_out_retracted_interactions(
        self, did, ago, bob, charlie, sofas, now
    ):
        moment = ago(hours=1)
        did(bob, sofas[0], "favourite", minutes=9)
        did(bob, sofas[0], "unfavourite", minutes=5)
        did(bob, sofas[1], "view", minutes=9)
        did(bob, sofas[1], "hide", minutes=8)
        did(bob, sofas[1], "unhide", minutes=5)
        did(charlie, sofas[2], "favourite", hours=3)
        did(charlie, sofas[2], "unfavourite", hours=2)
        did(charlie, sofas[2], "favourite", minutes=5)  # no news: it was touched before
        actor_ids, listing_ids = point_in_time._newly_touched(moment, now)
        assert (actor_ids.tolist(), listing_ids.tolist()) == ([bob.pk], [sofas[1].pk])

    @pytest.mark.django_db(transaction=True)
    def test_a_refresh_reads_retractions_of_preferences(self, did, bob, sofa, now):
        did(bob, sofa, "favourite", minutes=9)
        since = refresh.read_delta(since=0, now=now).horizon
        did(bob, sofa, "unhide", minutes=5)
        assert refresh.read_delta(since=since, now=now) is None  # tells nothing of taste
        did(bob, sofa, "unfavourite", minutes=5)
        news = refresh.read_delta(since=since, now=now)
        assert (news.actor_ids.tolist(), news.listing_ids.tolist()) == ([bob.pk], [sofa.pk])


@pytest.mark.django_db(transaction=True)
class TestTrending:
    def rolled(self) -> dict[int, float]:
        """The state in Redis after a roll-up, and after counting again from nothing."""
        trending.roll_up(now=timezone.now())
        kept = self.scores()
        trending.client().flushdb()
        trending.roll_up(now=timezone.now())
        assert kept.keys() == self.scores().keys()
        np.testing.assert_allclose(
            list(kept.values()), [self.scores()[pk] for pk in kept], rtol=1e-4, err_msg="not as counted anew"
        )
        return kept

    def scores(self) -> dict[int, float]:
        ids, scores = trending.top()
        return dict(zip(ids.tolist(), scores.tolist(), strict=True))

    def test_an_interaction_retracted_twice_is_taken_from_trending_once(self, did, bob, charlie, sofas):
        did(bob, sofas[0], "favourite", minutes=9)
        did(charlie, sofas[0], "favourite", minutes=9)
        did(bob, sofas[1], "message", minutes=9)
        trending.roll_up(now=timezone.now())
        assert list(self.scores()) == [sofas[0].pk, sofas[1].pk]
        did(bob, sofas[0], "unfavourite", minutes=5)
        trending.roll_up(now=timezone.now())
        did(bob, sofas[0], "unfavourite", minutes=4)
        assert list(self.rolled()) == [sofas[1].pk, sofas[0].pk]

    def test_a_listing_of_which_all_was_retracted_is_not_trending(self, did, bob, sofas):
        did(bob, sofas[0], "favourite", minutes=9)
        trending.roll_up(now=timezone.now())
        did(bob, sofas[0], "unfavourite", minutes=5)
        assert self.rolled() == {}

    def test_an_interaction_that_arrives_after_its_retraction_is_never_trending(self, did, bob, sofas):
        did(bob, sofas[0], "unfavourite", minutes=5)
        trending.roll_up(now=timezone.now())
        did(bob, sofas[0], "favourite", minutes=9)
        did(bob, sofas[1], "view", minutes=9)
        assert list(self.rolled()) == [sofas[1].pk]

    def test_trending_in_the_past_counts_what_was_retracted_later(self, did, ago, bob, sofas):
        did(bob, sofas[0], "favourite", minutes=9)
        did(bob, sofas[0], "unfavourite", minutes=5)
        assert trending.top_at(ago(minutes=6))[0].tolist() == [sofas[0].pk]
        assert trending.top_at(ago(minutes=4))[0].tolist() == []


class TestOverRest:
    def test_the_api_accepts_every_kind_of_retraction(self, as_bob, bob, sofa):
        of_sofa = {"listing": sofa.external_id}
        events = [{"event_id": kind, "kind": kind} | of_sofa for kind, _ in PAIRS]
        results = as_bob.post("/api/v1/interactions/", {"events": events}).json()["results"]
        assert {result["outcome"] for result in results} == {"accepted"}
        assert not retractions.not_retracted_of([bob.pk]).exists()
