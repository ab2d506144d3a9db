import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.ranking.rank_fusion import K, reciprocal_rank


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


class TestReciprocalRank:
    def test_a_fused_score_is_the_sum_of_one_over_sixty_plus_the_rank(self):
        fused = reciprocal_rank([rows(7, 8), rows(8, 9)], [1.0, 1.0])
        assert fused.rows.tolist() == [8, 7, 9]
        np.testing.assert_allclose(fused.score, [1 / 62 + 1 / 61, 1 / 61, 1 / 62])

    def test_fused_parts_say_what_each_ranking_adds_and_are_unknown_where_it_lacks_a_row(self):
        fused = reciprocal_rank([rows(7, 8), rows(8)], [1.0, 0.5])
        np.testing.assert_allclose(fused.parts, [[1 / 62, 0.5 / 61], [1 / 61, np.nan]])
        np.testing.assert_allclose(fused.score, np.nansum(fused.parts, axis=1))

    def test_fusing_one_ranking_keeps_its_order(self):
        order = np.random.default_rng(3).permutation(500)
        assert reciprocal_rank([order], [0.3]).rows.tolist() == order.tolist()

    def test_two_rankings_that_agree_outvote_a_third(self):
        fused = reciprocal_rank([rows(1, 2, 3), rows(2, 3, 1), rows(2, 1, 3)], np.ones(3))
        assert fused.rows.tolist() == [2, 1, 3]

    def test_a_ranking_of_small_weight_moves_only_what_lies_close(self):
        words, taste = np.arange(100, 0, -1), np.arange(1, 101)
        fused = reciprocal_rank([words, taste], [1.0, 0.3]).rows.tolist()
        assert fused[0] == 100
        assert fused != words.tolist()

    def test_a_ranking_of_zero_weight_changes_nothing(self):
        fused = reciprocal_rank([rows(1, 2), rows(2, 1)], [1.0, 0.0])
        assert fused.rows.tolist() == [1, 2]

    def test_equal_fused_scores_put_the_newer_row_first(self):
        assert reciprocal_rank([rows(3), rows(9)], [1.0, 1.0]).rows.tolist() == [9, 3]

    def test_fusing_no_rankings_gives_no_rows(self):
        for empty in (reciprocal_rank([], []), reciprocal_rank([rows()], [1.0])):
            assert (len(empty.rows), len(empty.score), len(empty.parts)) == (0, 0, 0)

    def test_a_smaller_k_gives_first_places_more_weight(self):
        rankings = [rows(1, 2, 3), rows(4, 2, 5)]
        assert reciprocal_rank(rankings, [1.0, 0.9], k=0).rows[0] == 1
        assert reciprocal_rank(rankings, [1.0, 0.9], k=K).rows[0] == 2

    def test_rank_fusion_demands_a_weight_for_each_ranking(self):
        with pytest.raises(ShapeError):
            reciprocal_rank([rows(1)], [1.0, 1.0])

    def test_rank_fusion_refuses_rows_that_are_not_whole_numbers(self):
        with pytest.raises(ShapeError):
            reciprocal_rank([np.array([0.5])], [1.0])
