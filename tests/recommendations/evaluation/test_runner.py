"""The feed of actors at a moment in the past."""

import numpy as np
import pytest

from recommendations.evaluation.runner import run_for_each
from recommendations.feed.pipeline import FeedContext, build_feed
from recommendations.retrieval.filters import Filters
from recommendations.taste.profile import read_profile
from tests.recommendations.past import listings_of
from tests.recommendations.small_world import model


class TestRunForEach:
    @pytest.fixture
    def world(self, past):
        """Bob likes the first two, Charlie sells, and co-visitation leads from the first to the fifth."""
        past.sofas = [past.listing(direction=number % 3, hours=-48 + number) for number in range(8)]
        past.own = past.listing(seller=past.actor("bob"))
        past.event("bob", past.sofas[0], "favourite", hours=-2)
        past.event("bob", past.sofas[1], hours=-1)
        past.event("charlie", past.sofas[3], hours=-1)
        ids = [sofa.pk for sofa in past.sofas]
        factors = {pk: (1.0, place / 10) for place, pk in enumerate(ids)}
        leads = {ids[0]: {ids[4]: 1.0, ids[5]: 0.5}}
        return past.world().with_collaborative(model(factors, leads, encoder_version=past.encoder.version))

    def context_of(self, past, view) -> FeedContext:
        return next(run_for_each(view, past.moment, [past.actor("bob")], lambda context: context))

    def test_the_feed_of_a_past_moment_is_what_would_have_been_served_then(self, past, world, still_replica):
        still_replica.snapshot = world
        page = build_feed(actor=past.actor("bob"), filters=Filters(), limit=50, now=past.moment)
        served = [item.listing.pk for item in page.items]
        assert listings_of(world, self.context_of(past, world).feed) == served
        assert set(served) == {sofa.pk for sofa in past.sofas[2:]}

    def test_later_events_do_not_change_the_feed_of_a_past_moment(self, past, world):
        before = self.context_of(past, world)
        past.event("bob", past.sofas[6], "message", hours=1)
        past.event("bob", past.sofas[2], "hide", hours=1)
        past.event("charlie", past.sofas[7], "favourite", hours=1)
        later = past.world().with_collaborative(world.collaborative)
        after = self.context_of(past, later)
        assert after.profile.weights.tolist() == before.profile.weights.tolist()
        assert after.feed.tolist() == before.feed.tolist()
        np.testing.assert_array_equal(after.by_source, before.by_source)

    def test_the_feed_of_a_past_moment_allows_neither_seen_nor_own_listings(self, past, world):
        allowed = listings_of(world, np.flatnonzero(self.context_of(past, world).allowed))
        assert allowed == [sofa.pk for sofa in past.sofas[2:]]

    def test_answers_for_many_actors_keep_their_order_and_report_progress(self, past, world, monkeypatch):
        monkeypatch.setattr("recommendations.evaluation.runner.BATCH", 2)
        actors = [past.actor(name) for name in ("charlie", "bob", "dora", "emil", "frida")]
        steps = []
        answers = run_for_each(
            world,
            past.moment,
            actors,
            lambda context: context.profile.actor_id,
            lambda *step: steps.append(step),
        )
        assert list(answers) == [actor.pk for actor in actors]
        assert steps == [(2, 5), (4, 5), (5, 5)]

    def test_the_profile_of_a_past_moment_is_that_of_serving(self, past, world):
        own = read_profile(past.actor("bob"), world, now=past.moment)
        assert self.context_of(past, world).profile.covisited.tolist() == own.covisited.tolist()
