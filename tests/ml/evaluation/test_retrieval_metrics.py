import numpy as np
import pytest

from ml.arrays import ShapeError, unit_rows
from ml.evaluation import retrieval_metrics
from ml.evaluation.retrieval_metrics import first_hit_ranks, recall_at

# Five photos of three listings, by how near they are to somebody who looks along the first axis.
GALLERY = np.array([[1.0, 0], [0.9, 0.4], [0.8, 0.6], [0.6, 0.8], [0, 1]], np.float32)
OWNERS = np.array([10, 20, 10, 30, 30])
EAST, NORTH = np.array([[1, 0]], np.float32), np.array([[0, 1]], np.float32)


def rank(query, target: int, **others) -> float:
    return float(first_hit_ranks(query, GALLERY, np.array([target]), OWNERS, **others)[0])


class TestRanks:
    @pytest.mark.parametrize(("target", "place"), [(10, 1), (20, 2), (30, 3)])
    def test_the_rank_is_that_of_the_first_row_of_the_owner(self, target, place):
        # Listing 10's second photo lies before listing 30's first, so 30 stands behind three rows of others.
        assert rank(EAST, target) == (place if target != 30 else 4)

    def test_a_query_from_the_other_side_reverses_the_ranks(self):
        assert [rank(NORTH, target) for target in (30, 10, 20)] == [1, 3, 4]

    def test_the_querys_own_row_is_left_out_of_the_ranking(self):
        assert rank(EAST, 10, own=np.array([0])) == 2  # its other photo stands behind one of listing 20

    def test_an_owner_whose_only_row_is_the_query_has_an_infinite_rank(self):
        assert rank(GALLERY[1:2], 20, own=np.array([1])) == np.inf

    def test_an_owner_without_rows_has_an_infinite_rank(self):
        assert rank(EAST, 99) == np.inf

    def test_rows_of_others_come_first_among_equally_near_ones(self):
        same = np.ones((4, 2), np.float32)
        assert first_hit_ranks(same[:1], same, np.array([3]), np.array([1, 2, 3, 4])).tolist() == [4]

    def test_a_tie_between_rows_of_the_same_owner_costs_no_rank(self):
        same = np.ones((3, 2), np.float32)
        assert first_hit_ranks(same[:1], same, np.array([1]), np.array([1, 1, 1])).tolist() == [1]

    @pytest.mark.parametrize("chunk", [1, 7, 500])
    def test_first_hit_ranks_equal_a_sort_whatever_the_chunk_size(self, rng, monkeypatch, chunk):
        monkeypatch.setattr(retrieval_metrics, "CHUNK", chunk)
        gallery, owners = unit_rows(rng.standard_normal((40, 5))), rng.integers(0, 8, 40)
        own = rng.permutation(40)[:20]
        ranks = first_hit_ranks(gallery[own], gallery, owners[own], owners, own=own)
        for place, row in zip(ranks, own, strict=True):
            order = [other for other in np.argsort(-(gallery @ gallery[row])) if other != row]
            wanted = [number for number, other in enumerate(order, 1) if owners[other] == owners[row]]
            assert place == (wanted[0] if wanted else np.inf)

    def test_first_hit_ranks_read_half_precision(self):
        assert rank(EAST.astype(np.float16), 20) == 2


class TestRecall:
    QUERIES = np.vstack([EAST, EAST, NORTH, NORTH])
    TARGETS = np.array([10, 30, 30, 99])  # found at places 1, 4, 1 and nowhere

    @pytest.mark.parametrize(("k", "share"), [(1, 0.5), (3, 0.5), (4, 0.75), (1000, 0.75)])
    def test_recall_at_k_is_the_share_of_queries_with_a_hit_among_k(self, k, share):
        assert recall_at(self.QUERIES, GALLERY, self.TARGETS, OWNERS, k) == share

    def test_the_queries_own_rows_do_not_count_for_recall_at_k(self):
        own = np.array([0, 1, 2])
        targets = OWNERS[own]
        assert recall_at(GALLERY[own], GALLERY, targets, OWNERS, 1) == 1
        assert recall_at(GALLERY[own], GALLERY, targets, OWNERS, 1, own=own) == 0
        assert recall_at(GALLERY[own], GALLERY, targets, OWNERS, 3, own=own) == pytest.approx(2 / 3)

    def test_recall_at_k_of_no_queries_is_zero(self):
        assert recall_at(GALLERY[:0], GALLERY, OWNERS[:0], OWNERS, 10) == 0

    @pytest.mark.parametrize(
        "changed",
        [
            {"gallery": GALLERY[:, :1]},
            {"targets": np.array([10.0, 20.0, 30.0, 30.0])},
            {"targets": np.array([10])},
            {"owners": OWNERS[:3]},
        ],
    )
    def test_recall_at_k_refuses_arrays_that_do_not_fit(self, changed):
        usual = {"queries": self.QUERIES, "gallery": GALLERY, "targets": self.TARGETS, "owners": OWNERS}
        with pytest.raises(ShapeError):
            recall_at(**usual | changed, k=1)
