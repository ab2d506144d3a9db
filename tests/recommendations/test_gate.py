import numpy as np
import pytest

from recommendations.gate import LEAST_CASES, judge

RNG = np.random.default_rng(1)
NDCG = RNG.uniform(0.1, 0.5, 200)


def shifted(by: float) -> np.ndarray:
    """The same actors, each a little otherwise."""
    return NDCG + by + RNG.normal(0, 0.01, len(NDCG))


class TestJudge:
    def test_what_is_worse_beyond_chance_is_refused(self):
        verdict = judge(candidate=shifted(-0.05), active=NDCG, popularity=NDCG - 0.1)
        assert not verdict.accepted
        assert verdict.reason.startswith("Worse than the active model: NDCG@20 ")
        assert verdict.metrics["gain_over_active"][1] < 0 < verdict.metrics["gain_over_popularity"][0]

    def test_a_difference_that_chance_explains_is_no_reason(self):
        noisy = NDCG + RNG.normal(0, 0.2, len(NDCG)) - 0.002
        assert judge(candidate=noisy, active=NDCG, popularity=NDCG - 0.1).accepted

    def test_the_same_model_is_not_worse_than_itself(self):
        verdict = judge(candidate=NDCG, active=NDCG, popularity=NDCG - 0.1)
        assert verdict.accepted
        assert verdict.metrics["gain_over_active"] == [0, 0]

    def test_worse_than_what_is_popular_is_refused_without_an_active_model_too(self):
        verdict = judge(candidate=shifted(-0.05), popularity=NDCG)
        assert not verdict.accepted
        assert "what is popular" in verdict.reason
        assert "ndcg_active" not in verdict.metrics

    @pytest.mark.parametrize("count", [0, 1, LEAST_CASES - 1])
    def test_too_few_cases_decide_nothing(self, count):
        verdict = judge(candidate=np.zeros(count), active=np.ones(count), popularity=np.ones(count))
        assert verdict.accepted
        assert verdict.reason == f"Not judged: {count} test cases are fewer than {LEAST_CASES}."
        assert verdict.metrics == {"test_cases": count}

    def test_actors_who_tell_nothing_do_not_count(self):
        with_nothing = np.concatenate([NDCG, np.full(50, np.nan)])
        assert judge(candidate=with_nothing, popularity=with_nothing).metrics["test_cases"] == len(NDCG)

    def test_figures_are_plain_numbers_that_a_row_can_hold(self):
        import json

        json.dumps(judge(candidate=NDCG, active=NDCG, popularity=NDCG).metrics)
