import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.metrics import ndcg_score

from ml.arrays import ShapeError
from ml.evaluation.ranking_metrics import (
    PADDING,
    average_precision,
    coverage,
    hit_rate,
    ndcg,
    novelty,
    recall,
    top_k,
)

UNKNOWN = np.nan
ITEM_COUNT = 8
MEASURES = [recall, hit_rate, ndcg, average_precision]
few_scores = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 9)),
    elements=st.sampled_from([UNKNOWN, -np.inf, np.inf, -1.0, 0.0, 0.5, 2.0]),  # so that many are equal
)


def stored(*rows: list[int], item_count: int = ITEM_COUNT) -> csr_matrix:
    """One row of items an actor."""
    actors = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    items = np.array([item for row in rows for item in row], np.int64)
    return csr_matrix((np.ones(len(items), np.float32), (actors, items)), shape=(len(rows), item_count))


def ranking(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.int64)


class TestTopK:
    def test_top_k_puts_the_highest_scores_first(self):
        scores = np.array([[0.1, 0.9, 0.5, 0.7], [4.0, 3.0, 2.0, 1.0]], np.float32)
        assert top_k(scores, 3).tolist() == [[1, 3, 2], [0, 1, 2]]

    def test_top_k_puts_the_lower_of_equally_scored_items_first(self):
        scores = np.array([[1, 2, 1, 2, 1, 1]], np.float32)
        assert top_k(scores, 4).tolist() == [[1, 3, 0, 2]]

    def test_top_k_leaves_out_what_is_excluded(self):
        scores = np.array([[0.1, 0.9, 0.5], [0.1, 0.9, 0.5]], np.float32)
        assert top_k(scores, 2, stored([1], [], item_count=3)).tolist() == [[2, 0], [1, 2]]

    def test_top_k_leaves_out_what_is_excluded_by_a_stored_zero(self):
        zero = csr_matrix((np.zeros(1), ([0], [1])), shape=(1, 3))
        assert top_k(np.array([[0.1, 0.9, 0.5]]), 1, zero).tolist() == [[2]]

    def test_top_k_never_recommends_unknown_or_infinitely_bad_scores(self):
        scores = np.array([[UNKNOWN, -5.0, -np.inf, UNKNOWN]], np.float32)
        assert top_k(scores, 3).tolist() == [[1, PADDING, PADDING]]

    def test_top_k_has_no_more_places_than_items(self):
        assert top_k(np.array([[1.0, 2.0]]), 20).tolist() == [[1, 0]]

    @pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0)])
    def test_top_k_of_no_actors_or_no_items_is_empty(self, shape):
        ranked = top_k(np.zeros(shape, np.float32), 2)
        assert ranked.shape == (shape[0], min(2, shape[1]))
        assert ranked.dtype == np.int64

    def test_top_k_leaves_the_scores_unchanged(self):
        scores = np.array([[UNKNOWN, 1.0, 2.0]], np.float32)
        before = scores.copy()
        top_k(scores, 2, stored([2], item_count=3))
        assert np.array_equal(scores, before, equal_nan=True)

    @given(few_scores, st.integers(1, 10), st.integers(0, 100))
    def test_top_k_equals_a_sort(self, scores, k, seed):
        left_out = np.random.default_rng(seed).random(scores.shape) < 0.2
        ranked = top_k(scores, k, csr_matrix(left_out))
        for row, own, out in zip(ranked, scores, left_out, strict=True):
            usable = [item for item, score in enumerate(own) if score > -np.inf and not out[item]]
            best = sorted(usable, key=lambda item: (-own[item], item))[:k]
            assert row.tolist() == best + [PADDING] * (len(row) - len(best))

    @pytest.mark.parametrize(
        ("scores", "k", "excluded"),
        [
            (np.zeros(3), 1, None),
            (np.zeros((2, 3), np.int64), 1, None),
            (np.zeros((2, 3)), 0, None),
            (np.zeros((2, 3)), 1, stored([], item_count=3)),
            (np.zeros((2, 3)), 1, stored([], [], item_count=4)),
            (np.zeros((2, 3)), 1, coo_matrix((2, 3))),
        ],
    )
    def test_top_k_refuses_arrays_that_do_not_fit(self, scores, k, excluded):
        with pytest.raises(ShapeError):
            top_k(scores, k, excluded)


class TestMeasures:
    """Bob wanted items 1, 2 and 3, and is shown 1, 0, 3 and 4; Charlie wanted 5 and is shown others."""

    RANKED = ranking([1, 0, 3, 4], [0, 1, 2, 3])
    WANTED = stored([1, 2, 3], [5])

    def test_recall_is_the_share_of_the_relevant_items_that_are_found(self):
        assert recall(self.RANKED, self.WANTED, 4).tolist() == pytest.approx([2 / 3, 0])

    def test_recall_divides_by_all_relevant_items_even_beyond_k(self):
        assert recall(self.RANKED, self.WANTED, 1)[0] == pytest.approx(1 / 3)

    def test_hit_rate_is_one_for_a_single_hit(self):
        assert hit_rate(self.RANKED, self.WANTED, 4).tolist() == [1, 0]

    def test_ndcg_rewards_hits_further_up(self):
        reached = 1 + 1 / math.log2(4)  # places 1 and 3
        best = 1 + 1 / math.log2(3) + 1 / math.log2(4)
        assert ndcg(self.RANKED, self.WANTED, 4).tolist() == pytest.approx([reached / best, 0])

    def test_average_precision_is_the_mean_precision_at_each_hit(self):
        assert average_precision(self.RANKED, self.WANTED, 4).tolist() == pytest.approx([(1 + 2 / 3) / 3, 0])

    @pytest.mark.parametrize("measure", [ndcg, average_precision])
    def test_an_actor_with_more_than_k_relevant_items_can_still_reach_one(self, measure):
        assert measure(self.RANKED, self.WANTED, 1)[0] == 1

    @pytest.mark.parametrize("measure", MEASURES)
    def test_only_the_first_k_places_count_for_a_ranking_metric(self, measure):
        assert measure(ranking([0, 1]), stored([1]), 1).tolist() == [0]

    @pytest.mark.parametrize("measure", MEASURES)
    def test_ranking_metrics_of_an_actor_without_relevant_items_are_unknown(self, measure):
        figures = measure(ranking([0, 1], [0, 1]), stored([], [0]), 2)
        assert np.isnan(figures).tolist() == [True, False]

    @pytest.mark.parametrize("measure", MEASURES)
    def test_an_empty_place_is_no_hit(self, measure):
        last_of_the_actor_before = stored([ITEM_COUNT - 1], [ITEM_COUNT - 1])
        assert measure(ranking([PADDING], [PADDING]), last_of_the_actor_before, 1).tolist() == [0, 0]

    @pytest.mark.parametrize("measure", MEASURES)
    def test_a_ranking_narrower_than_k_counts_as_padded(self, measure):
        narrow, wide = ranking([3, 0]), ranking([3, 0, PADDING, PADDING])
        wanted = stored([3, 4, 5])
        assert measure(narrow, wanted, 4).tolist() == measure(wide, wanted, 4).tolist()

    @pytest.mark.parametrize("measure", MEASURES)
    def test_an_item_stored_as_zero_is_relevant(self, measure):
        zero = csr_matrix((np.zeros(1), ([0], [2])), shape=(1, 3))
        assert measure(ranking([2]), zero, 1).tolist() == [1]

    @pytest.mark.parametrize("measure", MEASURES)
    def test_ranking_metrics_of_no_actors_or_no_items_are_empty_or_unknown(self, measure):
        assert measure(np.empty((0, 3), np.int64), csr_matrix((0, 5)), 3).tolist() == []
        assert np.isnan(measure(np.full((2, 3), PADDING), csr_matrix((2, 0)), 3)).all()
        assert measure(np.empty((1, 0), np.int64), stored([1]), 3).tolist() == [0]

    def test_ndcg_equals_that_of_scikit_learn(self, rng):
        scores = rng.standard_normal((40, 30))
        wanted = rng.random((40, 30)) < 0.2
        wanted[:, 0] = True  # scikit-learn counts 0 for who wants nothing
        gains = ndcg(top_k(scores, 7), csr_matrix(wanted), 7)
        assert gains.mean() == pytest.approx(ndcg_score(wanted, scores, k=7))

    @given(st.integers(0, 1000), st.integers(1, 10))
    def test_ranking_metrics_equal_a_walk_down_the_ranking(self, seed, k):
        rng = np.random.default_rng(seed)
        wanted = rng.random((4, ITEM_COUNT)) < rng.random()
        ranked = top_k(rng.standard_normal(wanted.shape), ITEM_COUNT)
        ranked[rng.random(ranked.shape) < 0.2] = PADDING
        expected = [
            walked(own, set(np.flatnonzero(some)), k) for own, some in zip(ranked, wanted, strict=True)
        ]
        figures = np.array([measure(ranked, csr_matrix(wanted), k) for measure in MEASURES])
        assert np.allclose(figures.T, expected, equal_nan=True)

    @given(st.integers(0, 1000))
    def test_a_better_order_never_has_a_worse_ranking_metric(self, seed):
        rng = np.random.default_rng(seed)
        wanted = rng.random((3, ITEM_COUNT)) < 0.4
        chance = top_k(rng.standard_normal(wanted.shape), 5)
        ideal = top_k(wanted + rng.random(wanted.shape) / 2, 5)
        for measure in MEASURES:
            best, other = measure(ideal, csr_matrix(wanted), 5), measure(chance, csr_matrix(wanted), 5)
            assert (np.isnan(best) | (best >= other - 1e-12)).all()

    @pytest.mark.parametrize("measure", MEASURES)
    @pytest.mark.parametrize(
        ("ranked", "relevant", "k"),
        [
            (ranking([1]), stored([1], [2]), 1),
            (ranking([1]), stored([1]), 0),
            (ranking([ITEM_COUNT]), stored([1]), 1),
            (np.array([[1.0]]), stored([1]), 1),
            (np.array([1]), stored([1]), 1),
            (ranking([1]), coo_matrix((1, ITEM_COUNT)), 1),
        ],
    )
    def test_ranking_metrics_refuse_arrays_that_do_not_fit(self, measure, ranked, relevant, k):
        with pytest.raises(ShapeError):
            measure(ranked, relevant, k)

    def test_ranking_metrics_refuse_items_stored_twice(self):
        twice = csr_matrix((np.ones(2), np.array([1, 1]), np.array([0, 2])), shape=(1, ITEM_COUNT))
        with pytest.raises(ShapeError):
            recall(ranking([1]), twice, 1)

    def test_relevant_items_may_be_stored_in_any_order(self):
        unsorted = csr_matrix((np.ones(2), np.array([3, 1]), np.array([0, 2])), shape=(1, ITEM_COUNT))
        assert recall(ranking([3, 0]), unsorted, 2).tolist() == [0.5]


class TestCoverage:
    def test_coverage_is_the_share_of_items_that_anybody_is_shown(self):
        assert coverage(ranking([0, 1], [1, 2]), 6) == 0.5

    def test_empty_places_do_not_count_towards_coverage(self):
        assert coverage(ranking([PADDING, PADDING]), 6) == 0

    def test_the_coverage_of_no_items_is_zero(self):
        assert coverage(np.empty((3, 0), np.int64), 0) == 0

    def test_coverage_refuses_an_item_that_does_not_exist(self):
        with pytest.raises(ShapeError):
            coverage(ranking([6]), 6)


class TestNovelty:
    POPULARITY = np.array([0.5, 0.25, 0.0, 1.0], np.float32)

    def test_an_item_that_half_the_actors_touched_has_a_novelty_of_one_bit(self):
        assert novelty(ranking([0]), self.POPULARITY) == 1

    def test_an_item_that_everybody_touched_has_no_novelty(self):
        assert novelty(ranking([3]), self.POPULARITY) == 0

    def test_novelty_is_the_mean_over_all_items_shown(self):
        assert novelty(ranking([0, 1], [3, PADDING]), self.POPULARITY) == pytest.approx((1 + 2 + 0) / 3)

    def test_an_untouched_item_is_one_bit_more_novel_than_the_least_touched(self):
        assert novelty(ranking([2]), self.POPULARITY) == 3

    def test_the_novelty_of_nothing_shown_is_unknown(self):
        assert math.isnan(novelty(ranking([PADDING]), self.POPULARITY))

    def test_without_any_touched_item_novelty_is_unknown(self):
        assert math.isnan(novelty(ranking([0]), np.zeros(3)))

    @pytest.mark.parametrize(
        "popularity", [np.array([3.0]), np.array([-0.1]), np.array([UNKNOWN]), np.array([1])]
    )
    def test_novelty_refuses_a_popularity_that_is_no_share(self, popularity):
        with pytest.raises(ShapeError):
            novelty(ranking([0]), popularity)

    def test_novelty_refuses_an_item_that_does_not_exist(self):
        with pytest.raises(ShapeError):
            novelty(ranking([4]), self.POPULARITY)


def walked(ranked: np.ndarray, wanted: set[int], k: int) -> list[float]:
    """Recall, hit rate, NDCG and average precision of one actor, place by place."""
    if not wanted:
        return [UNKNOWN] * 4
    hits, gain, precision = 0, 0.0, 0.0
    for place, item in enumerate(ranked[:k].tolist(), start=1):
        if item in wanted:
            hits += 1
            gain += 1 / math.log2(place + 1)
            precision += hits / place
    possible = min(k, len(wanted))
    ideal = sum(1 / math.log2(place + 1) for place in range(1, possible + 1))
    return [hits / len(wanted), float(hits > 0), gain / ideal, precision / possible]
