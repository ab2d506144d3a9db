import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.arrays import ShapeError, unit_rows
from ml.ranking.diversity import IN_NO_GROUP, WINDOW, Cap, diversify, scaled

SOFA, SOFA_TOO, LAMP = [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]


def vectors(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def apart(count: int) -> np.ndarray:
    """Candidates that have nothing in common."""
    return np.eye(count, dtype=np.float32)


def falling(count: int) -> np.ndarray:
    """Scores, the first row's the best."""
    return np.linspace(1, 0, count, dtype=np.float32)


def most_in_any_window(groups: np.ndarray, window: int = WINDOW) -> int:
    """The greatest count of one group in any window of so many places."""
    stretches = [groups[start : start + window] for start in range(max(1, len(groups) - window + 1))]
    return max(np.bincount(stretch[stretch >= 0], minlength=1).max() for stretch in stretches)


class TestMarginalRelevance:
    def test_without_likeness_diversifying_keeps_the_order_of_the_scores(self):
        scores = np.array([0.2, 0.9, 0.5], np.float32)
        assert diversify(scores, apart(3), limit=3).tolist() == [1, 2, 0]

    def test_a_dissimilar_listing_comes_before_more_of_the_same(self):
        scores = np.array([1, 0.9, 0.5, 0], np.float32)
        chosen = diversify(scores, vectors(SOFA, SOFA_TOO, LAMP, LAMP), limit=4, relevance_share=0.5)
        assert chosen.tolist() == [0, 2, 1, 3]

    def test_rows_given_first_keep_their_places_and_count_for_those_after_them(self):
        scores = np.array([1, 0.9, 0.5, 0], np.float32)
        chosen = diversify(
            scores, vectors(SOFA, SOFA_TOO, LAMP, LAMP), limit=4, relevance_share=0.5, first=[2, 0]
        )
        assert chosen.tolist() == [2, 0, 1, 3]
        assert diversify(scores, vectors(SOFA, SOFA_TOO, LAMP, LAMP), limit=1, first=[3, 2]).tolist() == [3]

    def test_at_full_relevance_share_more_of_the_same_comes_first(self):
        scores = np.array([1, 0.9, 0.5, 0], np.float32)
        chosen = diversify(scores, vectors(SOFA, SOFA_TOO, LAMP, LAMP), limit=4, relevance_share=1)
        assert chosen.tolist() == [0, 1, 2, 3]

    def test_the_scale_of_the_scores_does_not_change_the_diversified_order(self, rng):
        scores, drawn = rng.random(30), unit_rows(rng.standard_normal((30, 4)))
        one, other = (diversify(some, drawn, limit=30) for some in (scores, 1000 * scores - 500))
        assert one.tolist() == other.tolist()

    def test_a_row_without_a_vector_is_like_nothing(self):
        scores = np.array([1, 0.9, 0.8], np.float32)
        chosen = diversify(scores, vectors(SOFA, SOFA_TOO, [0, 0]), limit=3, relevance_share=0.5)
        assert chosen.tolist() == [0, 2, 1]

    def test_an_opposite_vector_is_no_better_than_an_unrelated_one(self):
        scores = np.array([1, 0.5, 0.5, 0], np.float32)
        chosen = diversify(scores, vectors([1, 0], [0, 1], [-1, 0], [0, -1]), limit=2)
        assert chosen.tolist() == [0, 1]

    def test_equal_candidates_are_diversified_in_row_order(self):
        assert diversify(np.zeros(5, np.float32), apart(5), limit=5).tolist() == [0, 1, 2, 3, 4]

    @given(st.integers(0, 10_000))
    def test_diversifying_equals_the_marginal_relevance_formula(self, seed):
        rng = np.random.default_rng(seed)
        scores, drawn = rng.random(12), unit_rows(rng.standard_normal((12, 3)))
        assert diversify(scores, drawn, limit=9).tolist() == by_the_formula(scores, drawn, 9, 0.9)


def by_the_formula(scores: np.ndarray, drawn: np.ndarray, limit: int, share: float) -> list[int]:
    """Reference by plain loops, which computes all similarities anew in each step."""
    relevance, chosen = (scores - scores.min()) / np.ptp(scores), list[int]()
    while len(chosen) < limit:
        left = [row for row in range(len(scores)) if row not in chosen]
        likeness = [max([0.0, *(float(drawn[row] @ drawn[other]) for other in chosen)]) for row in left]
        gains = [
            share * relevance[row] - (1 - share) * near for row, near in zip(left, likeness, strict=True)
        ]
        chosen.append(left[int(np.argmax(gains))])
    return chosen


class TestCaps:
    def test_any_twenty_places_keep_to_every_cap(self, rng):
        sellers, categories = rng.integers(0, 30, 300), rng.integers(0, 8, 300)
        caps = [Cap(sellers, 2), Cap(categories, 4)]
        scores = -sellers + 0.01 * rng.random(300)  # left to themselves, sellers would stand side by side
        chosen = diversify(scores, apart(300), limit=60, caps=caps)
        assert most_in_any_window(sellers[chosen]) == 2
        assert most_in_any_window(categories[chosen]) <= 4

    def test_without_a_cap_a_seller_stands_more_often_in_twenty_places(self, rng):
        sellers = rng.integers(0, 30, 300)
        chosen = diversify(-sellers.astype(np.float32), apart(300), limit=60)
        assert most_in_any_window(sellers[chosen]) > 2

    def test_a_capped_seller_comes_back_as_soon_as_the_window_allows(self):
        sellers = np.array([0, 0, *range(1, 9)])
        chosen = diversify(falling(10), apart(10), limit=10, caps=[Cap(sellers, 1)], window=4)
        assert chosen.tolist() == [0, 2, 3, 4, 1, 5, 6, 7, 8, 9]

    def test_listings_in_no_group_are_not_capped(self):
        cap = Cap(np.full(9, IN_NO_GROUP), 1)
        assert diversify(falling(9), apart(9), limit=9, caps=[cap]).tolist() == list(range(9))

    def test_where_only_one_seller_is_left_the_cap_does_not_end_the_page(self):
        sellers = np.array([0, 0, 0, 1])
        chosen = diversify(falling(4), apart(4), limit=4, caps=[Cap(sellers, 1)])
        assert chosen.tolist() == [0, 3, 1, 2]

    def test_relaxed_caps_are_exceeded_as_little_as_possible(self):
        sellers = np.array([0, 0, 0, 1, 1])
        chosen = diversify(falling(5), apart(5), limit=5, caps=[Cap(sellers, 1)])
        assert sellers[chosen].tolist() == [0, 1, 0, 1, 0]

    def test_breaking_one_cap_is_preferred_to_breaking_two(self):
        sellers, categories = np.array([0, 0, 1]), np.array([0, 0, 0])
        caps = [Cap(sellers, 1), Cap(categories, 1)]
        assert diversify(falling(3), apart(3), limit=3, caps=caps).tolist() == [0, 2, 1]

    def test_a_cap_of_zero_is_refused(self):
        with pytest.raises(ShapeError):
            Cap(np.zeros(3, np.int64), 0)


class TestDuplicates:
    def test_of_duplicates_only_the_best_is_shown(self):
        duplicates = np.array([IN_NO_GROUP, 5, 5, 5, IN_NO_GROUP])
        assert diversify(falling(5), apart(5), limit=5, duplicates=duplicates).tolist() == [0, 1, 4]

    def test_duplicates_are_left_out_even_where_nothing_else_is_left(self):
        assert diversify(falling(3), apart(3), limit=3, duplicates=np.zeros(3, np.int64)).tolist() == [0]

    def test_listings_without_duplicates_are_not_taken_for_duplicates_of_each_other(self):
        duplicates = np.full(4, IN_NO_GROUP)
        assert len(diversify(falling(4), apart(4), limit=4, duplicates=duplicates)) == 4


class TestDoor:
    def test_diversifying_chooses_no_row_twice_and_no_more_than_the_limit(self, rng):
        drawn = unit_rows(rng.standard_normal((50, 6)))
        chosen = diversify(rng.random(50), drawn, limit=20)
        assert len(set(chosen.tolist())) == 20

    def test_diversifying_no_candidates_chooses_nothing(self):
        assert len(diversify(np.empty(0), np.empty((0, 4), np.float32), limit=9)) == 0

    def test_diversifying_with_a_limit_of_zero_chooses_nothing(self):
        assert len(diversify(falling(3), apart(3), limit=0)) == 0

    @pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
    def test_diversifying_refuses_a_score_that_is_not_finite(self, score):
        with pytest.raises(ShapeError):
            diversify(np.array([1, score]), apart(2), limit=2)

    @pytest.mark.parametrize("row", [[2.0, 0.0], [0.5, 0.5], [np.nan, 0.0]])
    def test_diversifying_refuses_a_vector_that_is_neither_of_length_one_nor_zero(self, row):
        with pytest.raises(ShapeError):
            diversify(falling(2), vectors(SOFA, row), limit=2)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"limit": -1},
            {"relevance_share": 1.1},
            {"window": 0},
            {"caps": [Cap(np.zeros(2, np.int64), 1)]},
            {"duplicates": np.zeros(2, np.int64)},
            {"duplicates": np.array([0, 1, -2])},
        ],
    )
    def test_diversifying_refuses_arguments_that_do_not_fit(self, wrong):
        with pytest.raises(ShapeError):
            diversify(falling(3), apart(3), **{"limit": 3} | wrong)


class TestScaled:
    def test_scaled_scores_run_from_zero_to_one(self):
        assert scaled(np.array([5.0, 3.0, 4.0])).tolist() == [1, 0, 0.5]

    def test_equal_scores_are_scaled_to_zero(self):
        assert scaled(np.full(3, 7.0)).tolist() == [0, 0, 0]
