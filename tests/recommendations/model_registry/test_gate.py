import numpy as np
import pytest

from recommendations.model_registry.gate import LEAST_CASES, LEAST_CLUSTERS, judge, judge_order

RNG = np.random.default_rng(1)
NDCG = RNG.uniform(0.1, 0.5, 200)


def shifted(by: float) -> np.ndarray:
    """The same actors, each a little otherwise."""
    return NDCG + by + RNG.normal(0, 0.01, len(NDCG))


class TestJudge:
    def test_a_candidate_worse_than_the_active_model_beyond_chance_is_refused(self):
        verdict = judge(candidate=shifted(-0.05), active=NDCG, popularity=NDCG - 0.1)
        assert not verdict.accepted
        assert verdict.reason.startswith("Worse than the active model: NDCG@20 ")
        assert verdict.metrics["gain_over_active"][1] < 0 < verdict.metrics["gain_over_popularity"][0]

    def test_a_candidate_worse_by_chance_is_accepted(self):
        noisy = NDCG + RNG.normal(0, 0.2, len(NDCG)) - 0.002
        assert judge(candidate=noisy, active=NDCG, popularity=NDCG - 0.1).accepted

    def test_a_candidate_equal_to_the_active_model_is_accepted(self):
        verdict = judge(candidate=NDCG, active=NDCG, popularity=NDCG - 0.1)
        assert verdict.accepted
        assert verdict.metrics["gain_over_active"] == [0, 0]

    def test_the_last_bit_of_a_sum_does_not_decide_whether_a_candidate_is_refused(self):
        beneath = np.nextafter(NDCG, 0)
        assert judge(candidate=beneath, active=NDCG, popularity=NDCG - 0.1).accepted
        assert not judge(candidate=NDCG - 1e-3, active=NDCG, popularity=NDCG - 0.1).accepted

    def test_a_candidate_worse_than_popularity_is_refused_without_an_active_model_too(self):
        verdict = judge(candidate=shifted(-0.05), popularity=NDCG)
        assert not verdict.accepted
        assert "what is popular" in verdict.reason
        assert "ndcg_active" not in verdict.metrics

    @pytest.mark.parametrize("count", [0, 1, LEAST_CASES - 1])
    def test_a_candidate_with_too_few_test_cases_is_accepted_unjudged(self, count):
        verdict = judge(candidate=np.zeros(count), active=np.ones(count), popularity=np.ones(count))
        assert verdict.accepted
        assert verdict.reason == f"Not judged: {count} test cases are fewer than {LEAST_CASES}."
        assert verdict.metrics == {"test_cases": count}

    def test_actors_with_unknown_ndcg_are_no_test_cases(self):
        with_nothing = np.concatenate([NDCG, np.full(50, np.nan)])
        assert judge(candidate=with_nothing, popularity=with_nothing).metrics["test_cases"] == len(NDCG)

    def test_the_metrics_of_a_verdict_can_be_written_as_json(self):
        import json

        json.dumps(judge(candidate=NDCG, active=NDCG, popularity=NDCG).metrics)


class TestJudgeOrder:
    ACTORS = np.arange(len(NDCG)) // 4
    ALIKE = np.ones(len(NDCG))

    def judged(self, candidate: np.ndarray, **changes):
        arguments = {"blend": NDCG, "weights": self.ALIKE, "actors": self.ACTORS} | changes
        return judge_order(candidate=candidate, **arguments)

    def test_a_ranker_better_than_the_blend_beyond_chance_is_accepted_with_its_figures(self):
        verdict = self.judged(shifted(0.05))
        assert verdict.accepted
        assert verdict.reason.startswith("NDCG@20 0.")
        assert "on 200 held-back slates of 50 actors" in verdict.reason
        low, high = verdict.metrics["gain_over_blend"]
        assert 0.04 < low < 0.05 < high < 0.06

    def test_a_ranker_as_good_as_the_blend_is_refused(self):
        verdict = self.judged(NDCG)
        assert not verdict.accepted
        assert verdict.reason.startswith("Not better than the blend by more than chance: NDCG@20 ")

    def test_the_last_bit_of_a_sum_does_not_make_a_ranker_better(self):
        assert not self.judged(np.nextafter(NDCG, 1)).accepted
        assert self.judged(NDCG + 1e-3).accepted

    def test_a_ranker_better_by_chance_is_refused(self):
        assert not self.judged(NDCG + RNG.normal(0.01, 0.5, len(NDCG))).accepted

    def test_the_gate_of_rankers_resamples_whole_actors(self):
        """What a single actor gains in many slates is the luck of one."""
        by_one = NDCG + np.where(self.ACTORS < 1, 0.5, -0.001)
        by_many = NDCG + np.where(np.arange(len(NDCG)) % 50 == 0, 0.5, -0.001)
        wide, narrow = (self.judged(each).metrics["gain_over_blend"] for each in (by_one, by_many))
        assert wide[1] - wide[0] > 1.5 * (narrow[1] - narrow[0])

    def test_the_gate_of_rankers_counts_slates_by_their_weights(self):
        better = NDCG + np.where(np.arange(len(NDCG)) % 2 == 0, 0.1, -0.1)
        heavy = np.where(np.arange(len(NDCG)) % 2 == 0, 9.0, 1.0)
        assert not self.judged(better).accepted
        assert self.judged(better, weights=heavy).accepted

    def test_a_ranker_judged_by_too_few_actors_is_refused(self):
        verdict = self.judged(shifted(0.05), actors=np.arange(len(NDCG)) % (LEAST_CLUSTERS - 1))
        assert not verdict.accepted
        assert verdict.reason.startswith("Held-back slates of fewer than 10 actors decide nothing: ")
