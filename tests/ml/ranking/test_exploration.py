import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.ranking.exploration import (
    GREATEST_STRENGTH,
    LEAST_STRENGTH,
    UNSEEN_RATE,
    Prior,
    catalogue_prior,
    draws,
    explore,
    propensities,
    slots,
)

USUAL = Prior(clicks=2, misses=48)  # 4 % of 50 impressions


def counts(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


class TestPrior:
    def test_the_rate_of_the_prior_is_the_click_rate_of_the_catalogue(self):
        prior = catalogue_prior(np.full(1000, 100), np.tile(counts(2, 4), 500))
        assert prior.rate == pytest.approx(0.03, rel=0.01)

    def test_the_prior_of_an_unseen_catalogue_has_the_default_rate(self):
        assert catalogue_prior(counts(0, 0, 0), counts(0, 0, 0)).rate == pytest.approx(UNSEEN_RATE)

    def test_the_prior_recovers_the_distribution_that_click_rates_were_drawn_from(self, rng):
        shown = rng.integers(5, 100, 20_000)
        clicked = rng.binomial(shown, rng.beta(USUAL.clicks, USUAL.misses, 20_000))
        prior = catalogue_prior(shown, clicked)
        assert prior.rate == pytest.approx(USUAL.rate, rel=0.05)
        assert prior.strength == pytest.approx(USUAL.strength, rel=0.1)

    def test_listings_that_differ_by_chance_alone_give_a_strong_prior(self, rng):
        shown = np.full(5000, 40)
        assert catalogue_prior(shown, rng.binomial(shown, 0.05)).strength > 0.5 * GREATEST_STRENGTH

    def test_listings_clicked_always_or_never_give_a_weak_prior(self):
        prior = catalogue_prior(np.full(100, 20), np.tile(counts(0, 20), 50))
        assert prior.strength == pytest.approx(LEAST_STRENGTH)

    @pytest.mark.parametrize("clicked", [0, 3])
    def test_the_rate_of_the_prior_stays_between_zero_and_one(self, clicked):
        prior = catalogue_prior(counts(3, 3), counts(clicked, clicked))
        assert 0 < prior.rate < 1

    @pytest.mark.parametrize(("clicks", "misses"), [(0, 1), (1, 0), (-1, 2), (np.nan, 1), (np.inf, 1)])
    def test_a_prior_that_is_no_distribution_is_refused(self, clicks, misses):
        with pytest.raises(ShapeError):
            Prior(clicks, misses)


class TestDraws:
    def test_thompson_draws_have_the_mean_and_deviation_of_the_posterior(self, rng):
        drawn = draws(counts(0, 150), counts(0, 28), USUAL, rng, round_count=20_000)
        a, b = np.array([2, 30]), np.array([48, 170])
        assert drawn.mean(axis=0) == pytest.approx(a / (a + b), rel=0.02)
        assert drawn.std(axis=0) == pytest.approx(np.sqrt(a * b / (a + b + 1)) / (a + b), rel=0.03)

    def test_draws_of_an_unseen_listing_spread_wider_than_those_of_a_known_one(self, rng):
        unseen, known = draws(counts(0, 10_000), counts(0, 400), USUAL, rng, round_count=500).T
        assert np.ptp(unseen) > 5 * np.ptp(known)

    def test_the_same_seed_draws_the_same(self):
        one, other = (draws(counts(3, 4), counts(0, 1), USUAL, np.random.default_rng(5)) for _ in range(2))
        assert one.shape == (1, 2)
        assert (one == other).all()

    @pytest.mark.parametrize(
        ("shown", "clicked"),
        [
            (counts(1), counts(2)),
            (counts(1), counts(-1)),
            (counts(1, 2), counts(1)),
            (np.array([1.0]), counts(1)),
        ],
    )
    def test_impossible_impression_counts_are_refused(self, rng, shown, clicked):
        with pytest.raises(ShapeError):
            draws(shown, clicked, USUAL, rng)


class TestSlots:
    def test_the_greatest_draw_gets_the_first_slot(self):
        drawn = np.array([[0.1, 0.3, 0.2], [0.5, 0.4, 0.6]])
        assert slots(drawn, 2).tolist() == [[1, 2], [2, 0]]

    def test_equal_draws_fill_slots_in_row_order(self):
        assert slots(np.zeros((1, 4)), 3).tolist() == [[0, 1, 2]]

    def test_there_are_no_more_slots_than_candidates(self):
        assert slots(np.zeros((1, 2)), 9).shape == (1, 2)


class TestExplore:
    def test_a_listing_with_a_better_click_rate_is_explored_more_often_but_not_always(self):
        shown, clicked = counts(40, 40), counts(4, 1)
        chosen = [
            explore(shown, clicked, USUAL, np.random.default_rng(seed), slot_count=1, round_count=1).rows[0]
            for seed in range(300)
        ]
        assert 0.6 < np.mean(np.array(chosen) == 0) < 0.95

    def test_an_unseen_listing_is_explored_rather_than_one_seen_in_vain(self, rng):
        shown = counts(200, 0)
        chances = propensities(draws(shown, counts(0, 0), USUAL, rng, round_count=2000), 1)
        assert chances[0, 1] > 0.9

    def test_equal_candidates_have_equal_propensities(self, rng):
        fresh = np.zeros(8, np.int64)
        chances = propensities(draws(fresh, fresh, USUAL, rng, round_count=8000), 3)
        assert np.allclose(chances, 1 / 8, atol=0.02)

    def test_a_candidate_is_explored_in_one_slot_at_most(self, rng):
        fresh = np.zeros(5, np.int64)
        assert sorted(explore(fresh, fresh, USUAL, rng, slot_count=9).rows.tolist()) == [0, 1, 2, 3, 4]

    def test_the_propensities_of_a_slot_sum_to_one(self, rng):
        fresh = np.zeros(6, np.int64)
        chances = propensities(draws(fresh, fresh, USUAL, rng, round_count=50), 4)
        assert chances.shape == (4, 6)
        assert np.allclose(chances.sum(axis=1), 1)

    def test_an_estimated_propensity_is_the_chance_of_being_chosen(self):
        shown, clicked = counts(40, 40, 40), counts(4, 1, 0)
        truth = propensities(draws(shown, clicked, USUAL, np.random.default_rng(0), round_count=40_000), 2)
        exploration = explore(shown, clicked, USUAL, np.random.default_rng(1), slot_count=2, round_count=5000)
        assert exploration.propensities == pytest.approx(truth[[0, 1], exploration.rows], abs=0.03)

    def test_inverse_propensities_of_the_chosen_listings_average_one(self):
        """With so few rounds that leaving out the first round, or counting it alone, would bias the mean."""
        shown, clicked = counts(40, 40, 40), counts(4, 1, 0)
        total, trials, rounds = np.zeros(3), 4000, 20
        for seed in range(trials):
            rng = np.random.default_rng(seed)
            exploration = explore(shown, clicked, USUAL, rng, slot_count=1, round_count=rounds)
            total[exploration.rows[0]] += 1 / exploration.propensities[0]
        chances = propensities(draws(shown, clicked, USUAL, np.random.default_rng(0), round_count=40_000), 1)[
            0
        ]
        assert total / trials == pytest.approx(1 - (1 - chances) ** rounds, abs=0.08)

    def test_no_propensity_is_below_one_in_the_number_of_rounds(self, rng):
        fresh = np.zeros(300, np.int64)
        exploration = explore(fresh, fresh, USUAL, rng, slot_count=20, round_count=100)
        assert exploration.propensities.min() == pytest.approx(0.01)

    def test_the_same_seed_explores_the_same_listings(self):
        fresh = np.zeros(9, np.int64)
        one, other = (explore(fresh, fresh, USUAL, np.random.default_rng(2), slot_count=4) for _ in range(2))
        assert one.rows.tolist() == other.rows.tolist()
        assert one.propensities.tolist() == other.propensities.tolist()

    @pytest.mark.parametrize("slot_count", [0, 3])
    def test_without_candidates_or_slots_nothing_is_explored(self, rng, slot_count):
        candidates = np.zeros(0 if slot_count else 4, np.int64)
        exploration = explore(candidates, candidates, USUAL, rng, slot_count=slot_count)
        assert len(exploration.rows) == len(exploration.propensities) == 0

    @pytest.mark.parametrize("wrong", [{"slot_count": -1}, {"round_count": 0}])
    def test_exploring_refuses_a_negative_slot_count_and_no_rounds(self, rng, wrong):
        with pytest.raises(ShapeError):
            explore(counts(0), counts(0), USUAL, rng, **{"slot_count": 1} | wrong)
