"""Replays in a synthetic world, where a policy can be run to find out what it really earns."""

from datetime import timedelta

import numpy as np
import pytest

from recommendations.analysis import off_policy_report
from recommendations.models.events import Interaction
from recommendations.models.experiments import Experiment, Variant
from recommendations.ranker import store
from tests.recommendations.analysis.replayed_world import BY_CONTENT, World
from tests.recommendations.logged_feeds import ranker_by


class TestTruth:
    def test_replay_intervals_cover_what_the_policies_really_earn(self, world, ask):
        result = ask(BY_CONTENT)
        for earned, by in ((result.asked, "content"), (result.served, "blend")):
            for estimate in (earned.self_normalised, earned.doubly_robust):
                assert estimate.low < world.earns(by) < estimate.high
        assert result.gain.low < world.earns("content") - world.earns("blend") < result.gain.high
        assert result.gain.low > 0, "it is seen to be better"
        assert result.drawn.high < world.earns("content"), "what was drawn earned something else"
        assert (result.slot_count, result.slate_count, result.actor_count) == (700, 350, 60)
        assert 50 < result.asked.self_normalised.effective_sample_size < result.asked.same_count < 350
        assert list(off_policy_report.warnings_of(result)) == []

    def test_a_replay_judges_a_ranker_by_the_logged_features(self, world, ask):
        store.publish(ranker_by("content"), "of-content", metrics={}, verdict="")
        result = ask({"ranker": "active"})
        assert result.asked.doubly_robust.low < world.earns("content") < result.asked.doubly_robust.high
        assert result.gain.low > 0
        assert ask({"ranker": "of-content"}).to_json() == result.to_json()

    def test_replaying_the_policy_that_served_gains_nothing(self, small_world, ask):
        result = ask({})
        assert result.asked == result.served
        assert (result.gain.value, result.gain.low, result.gain.high) == (0, 0, 0)

    def test_a_policy_that_too_few_slots_agree_with_is_not_estimated(self, alice, now, ask):
        World(alice, now, slate_count=15)
        result = ask(BY_CONTENT)
        assert result.asked.same_count < 20
        estimates = (result.asked.self_normalised, result.asked.doubly_robust, result.gain)
        assert np.isnan([estimate.value for estimate in estimates]).all()
        assert result.drawn.low <= result.drawn.value <= result.drawn.high

    def test_a_replay_reward_may_be_graded_by_kind_of_event(self, small_world, ask):
        clicks = ask(BY_CONTENT).drawn.value
        assert ask(BY_CONTENT, "graded").drawn.value == pytest.approx(clicks), "clicks are all there is"
        Interaction.objects.update(kind="favourite")
        assert ask(BY_CONTENT, "graded").drawn.value == pytest.approx(3 * clicks)
        assert ask(BY_CONTENT, "click").drawn.value == pytest.approx(clicks)
        Interaction.objects.update(kind="hide")
        assert ask(BY_CONTENT, "graded").drawn.value == pytest.approx(-clicks)


class TestExperiments:
    @pytest.fixture
    def variant(self, db, now) -> Variant:
        experiment = Experiment.objects.create(
            name="bolder", status="stopped", starts_at=now - timedelta(days=20), ends_at=now
        )
        return Variant.objects.create(
            experiment=experiment, name="bold", parameters={"source_weights": {"content": 5, "fresh": 0.5}}
        )

    def test_a_replay_takes_the_multipliers_of_a_variant_out_of_the_logged_weights(
        self, variant, alice, now, ask
    ):
        World(alice, now, slate_count=150, experiment="bolder", variant="bold")
        same = ask({"parameters": variant.parameters})
        assert same.gain.value == same.gain.low == 0, "the weights that were logged have the multipliers in"
        assert ask({}).gain.value != 0
