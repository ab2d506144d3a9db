import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ml.arrays import ShapeError
from ml.ranking.blending import BlendTrials, blend, fit_weights, weighted_mean, z_scores

UNKNOWN = np.nan
scores_with_gaps = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.integers(1, 4)),
    elements=st.one_of(st.just(UNKNOWN), st.floats(-50, 50, width=16)),
)


class TestZScores:
    @given(scores_with_gaps)
    def test_unknown_scores_stay_unknown_after_standardising_and_known_ones_known(self, scores):
        assert (np.isnan(z_scores(scores)) == np.isnan(scores)).all()

    @given(scores_with_gaps)
    def test_standardising_keeps_the_order_within_a_column(self, scores):
        for before, after in zip(scores.T, z_scores(scores).T, strict=True):
            known = ~np.isnan(before)
            order = np.argsort(before[known], kind="stable")
            assert (np.diff(after[known][order]) >= -1e-4).all()

    def test_standardised_scores_have_mean_zero_and_deviation_one(self):
        standardised = z_scores(np.array([[1.0], [UNKNOWN], [3.0]], np.float32))
        assert standardised[[0, 2], 0].tolist() == [-1, 1]

    @pytest.mark.parametrize("column", [[5.0, 5.0, 5.0], [UNKNOWN, 0.7, UNKNOWN], [1e6, 1e6, 1e6]])
    def test_a_constant_column_is_standardised_to_zero_where_it_is_known(self, column):
        standardised = z_scores(np.array([column], np.float32).T)[:, 0]
        assert np.array_equal(standardised, np.where(np.isnan(column), np.nan, 0), equal_nan=True)

    def test_a_wholly_unknown_column_stays_unknown_after_standardising(self):
        assert np.isnan(z_scores(np.full((3, 1), UNKNOWN, np.float32))).all()

    def test_standardising_no_rows_gives_no_rows(self):
        assert z_scores(np.empty((0, 3), np.float32)).shape == (0, 3)


class TestBlend:
    def test_sources_of_different_scale_count_alike_in_a_blend(self):
        scores = np.array([[0.1, 900], [0.2, 800], [0.3, 700]], np.float32)
        assert np.allclose(blend(scores, np.array([1.0, 1.0])), 0, atol=1e-6)

    def test_a_listing_that_one_source_does_not_know_is_blended_from_the_other(self):
        scores = np.array([[1, UNKNOWN], [0, 5], [-1, 6]], np.float32)
        blended = blend(scores, np.array([1.0, 1.0]))
        assert blended[0] == pytest.approx(z_scores(scores)[0, 0])
        assert blended[0] > blended[2] > blended[1]  # (-1.22 + 1) / 2 lies above (0 - 1) / 2

    def test_a_listing_that_no_weighted_source_knows_stays_unknown(self):
        scores = np.array([[UNKNOWN, 3], [1, 4], [2, 5]], np.float32)
        assert np.isnan(blend(scores, np.array([1.0, 0.0]))).tolist() == [True, False, False]

    def test_blend_weights_count_by_their_proportion_alone(self, rng):
        scores = rng.standard_normal((9, 3))
        assert np.allclose(
            blend(scores, np.array([1.0, 2.0, 3.0])), blend(scores, np.array([10.0, 20.0, 30.0]))
        )

    def test_a_blend_demands_a_weight_for_each_source(self):
        with pytest.raises(ShapeError):
            blend(np.zeros((2, 3), np.float32), np.ones(2))

    @given(scores_with_gaps)
    def test_a_weighted_mean_lies_between_its_known_values(self, scores):
        means = weighted_mean(scores, np.ones(scores.shape[1]))
        for row, mean in zip(scores, means, strict=True):
            known = row[~np.isnan(row)]
            assert np.isnan(mean) if not len(known) else known.min() - 0.1 <= mean <= known.max() + 0.1


class TestFitWeights:
    """Candidates of 40 actors by three sources: an informative one, a random one, the first one reversed."""

    @pytest.fixture
    def world(self, rng):
        telling = [rng.standard_normal(30) for _ in range(40)]
        scores = [np.column_stack([x, rng.standard_normal(30), -x]).astype(np.float32) for x in telling]
        relevant = [x + 0.5 * rng.standard_normal(30) > 1.2 for x in telling]
        return scores, relevant

    def test_fitted_weights_raise_an_informative_source_and_lower_a_misleading_one(self, world):
        weights = fit_weights(*world, start=np.array([1.0, 1.0, 1.0]))
        assert weights.dtype == np.float32
        assert weights[0] - weights[2] > 4 * weights[1]
        assert weights.min() >= 0

    def test_fitted_weights_improve_the_order(self, world):
        start = np.array([1.0, 1.0, 1.0])
        assert ndcg_of(*world, fit_weights(*world, start=start)) > ndcg_of(*world, start) + 0.1

    @given(st.integers(0, 1000), st.lists(st.floats(0, 2, width=16), min_size=2, max_size=2))
    def test_fitted_weights_are_never_worse_than_the_start(self, seed, start):
        world = drawn_world(seed)
        weights = fit_weights(*world, start=np.array(start), k=3)
        assert ndcg_of(*world, weights, k=3) >= ndcg_of(*world, np.array(start), k=3) - 1e-6

    def test_fitting_weights_again_gives_the_same_weights(self, world):
        one, other = (fit_weights(*world, start=np.array([0.5, 1, 0])) for _ in range(2))
        assert one.tolist() == other.tolist()

    @pytest.mark.parametrize("actor_count", [0, 3])
    def test_where_nothing_is_relevant_the_fitted_weights_are_the_start(self, rng, actor_count):
        scores = [rng.standard_normal((9, 2)) for _ in range(actor_count)]
        relevant = [np.zeros(9, bool)] * actor_count
        assert fit_weights(scores, relevant, start=np.array([0.5, 2.0])).tolist() == [0.5, 2.0]

    def test_a_gain_that_may_be_chance_does_not_move_the_weights(self, world):
        start = np.array([1.0, 1.0, 1.0])
        assert fit_weights(*world, start=start, least_gain=1.0).tolist() == start.tolist()

    def test_weights_are_fitted_though_actors_lack_candidates_or_known_scores(self, world):
        scores, relevant = world
        nobody = np.empty((0, 3), np.float32)
        unknown = np.full((5, 3), UNKNOWN, np.float32)
        weights = fit_weights(
            [*scores, nobody, unknown],
            [*relevant, np.empty(0, bool), np.ones(5, bool)],
            start=np.array([1.0, 1.0, 1.0]),
        )
        assert weights[0] - weights[2] > 4 * weights[1]

    @pytest.mark.parametrize(
        ("scores", "relevant", "start"),
        [
            ([np.zeros((2, 3))], [], np.ones(3)),
            ([np.zeros((2, 3))], [np.ones(2, bool)], np.ones(2)),
            ([np.zeros((2, 3))], [np.ones(3, bool)], np.ones(3)),
            ([np.zeros((2, 3))], [np.ones(2)], np.ones(3)),
            ([np.zeros(3)], [np.ones(3, bool)], np.ones(3)),
            ([np.zeros((2, 3))], [np.ones(2, bool)], np.ones((3, 1))),
        ],
    )
    def test_fitting_weights_refuses_arrays_that_do_not_fit(self, scores, relevant, start):
        with pytest.raises(ShapeError):
            fit_weights(scores, relevant, start=start)


class TestTrials:
    @given(st.integers(0, 1000), st.sampled_from([1, 3, 20]))
    def test_the_ndcg_of_trial_weights_equals_that_of_a_blend_and_a_sort(self, seed, k):
        scores, relevant = drawn_world(seed)
        trials = BlendTrials.of(scores, relevant, source_count=2, k=k)
        for weights in ([1.0, 1.0], [0.2, 3.0], [0.0, 1.0], [0.0, 0.0]):
            expected = ndcg_of(scores, relevant, np.array(weights), k=k)
            assert trials.ndcg(np.array(weights)) == pytest.approx(expected, abs=1e-6)

    def test_a_source_that_scores_all_candidates_alike_has_an_ndcg_of_zero(self):
        alike, relevant = np.ones((30, 1), np.float32), np.arange(30) < 3
        assert BlendTrials.of([alike], [relevant], source_count=1, k=20).ndcg(np.ones(1)) == 0


def drawn_world(seed: int) -> tuple[list, list]:
    """A few actors with 0 to 12 candidates by two sources, some scores unknown, no two equal."""
    rng = np.random.default_rng(seed)
    scores, relevant = [], []
    for _ in range(int(rng.integers(0, 5))):
        drawn = rng.standard_normal((int(rng.integers(0, 13)), 2)).astype(np.float32)
        drawn[rng.random(drawn.shape) < 0.3] = UNKNOWN
        scores.append(drawn)
        relevant.append(rng.random(len(drawn)) < 0.3)
    return scores, relevant


def ndcg_of(scores, relevant, weights, k=20) -> float:
    """Mean NDCG@k by plain loops; a tied candidate ranks behind all it ties with."""
    gains_by_actor = []
    for matrix, wanted in zip(scores, relevant, strict=True):
        if wanted.any():
            blended = np.nan_to_num(blend(matrix, weights), nan=-np.inf)
            ranks = [int((blended >= own).sum()) for own in blended[wanted]]  # from 1
            ideal = sum(1 / np.log2(rank + 1) for rank in range(1, min(k, wanted.sum()) + 1))
            gains = [
                1 / np.log2(rank + 1)
                for rank, own in zip(ranks, blended[wanted], strict=True)
                if rank <= k and np.isfinite(own)
            ]
            gains_by_actor.append(sum(gains) / ideal)
    return float(np.mean(gains_by_actor)) if gains_by_actor else 0.0
