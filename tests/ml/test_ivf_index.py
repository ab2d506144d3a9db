"""Filtered searches and growth of an IVF index, on clusters that lie far apart."""

import faiss
import numpy as np
import pytest

from ml import vector_index
from ml.arrays import pack_mask, unit_rows
from ml.vector_index import IvfIndex, VectorIndex, build_index
from tests.ml.test_vector_index import DIMENSION, nearest_by_hand, overlap


class TestFilteredIvf:
    """6,000 vectors in 60 clusters; 3,000 rows are more than are searched exactly."""

    CLUSTERS, ROWS, WIDTH = 60, 6_000, 24

    @pytest.fixture
    def centres(self) -> np.ndarray:
        return unit_rows(np.random.default_rng(11).standard_normal((self.CLUSTERS, self.WIDTH)))

    @pytest.fixture
    def cluster_of_row(self) -> np.ndarray:
        return np.random.default_rng(12).integers(0, self.CLUSTERS, self.ROWS)

    @pytest.fixture
    def vectors(self, centres, cluster_of_row) -> np.ndarray:
        spread = 0.12 * np.random.default_rng(13).standard_normal((self.ROWS, self.WIDTH))
        return unit_rows(centres[cluster_of_row] + spread).astype(np.float16)

    @pytest.fixture
    def index(self, vectors, monkeypatch) -> VectorIndex:
        for name, value in (("EXACT_ROWS", 500), ("RECALL_AT", 40)):
            monkeypatch.setattr(vector_index, name, value)
        return build_index(vectors, seed=1, exact_rows=500)

    @pytest.fixture
    def queries(self, vectors) -> np.ndarray:
        return vectors[::300].astype(np.float32)

    def far_from(self, query, centres, cluster_of_row) -> np.ndarray:
        """A mask of the rows in the third of the clusters that is furthest from a query."""
        furthest = np.argsort(centres @ query)[: self.CLUSTERS // 3]
        return np.isin(cluster_of_row, furthest)

    def test_what_is_kept_far_from_the_question_is_found(
        self, index, vectors, queries, centres, cluster_of_row
    ):
        recalls = []
        for query in queries:
            mask = self.far_from(query, centres, cluster_of_row)
            rows, _ = index.search(query[None], 10, pack_mask(mask))
            recalls.append(overlap(rows, nearest_by_hand(query[None], vectors, 10, mask)))
        assert np.mean(recalls) >= 0.97

    @pytest.mark.parametrize("kept", [0.35, 0.64, 0.99])
    @pytest.mark.parametrize("by_cluster", [True, False])
    def test_recall_holds_whatever_share_is_kept(
        self, index, vectors, queries, cluster_of_row, kept, by_cluster
    ):
        rng = np.random.default_rng(5)
        mask = (
            rng.random(self.CLUSTERS)[cluster_of_row] < kept if by_cluster else rng.random(self.ROWS) < kept
        )
        rows, _ = index.search(queries, 40, pack_mask(mask))
        assert overlap(rows, nearest_by_hand(queries, vectors, 40, mask)) >= 0.96

    def test_as_many_are_found_as_are_asked_for_and_allowed(self, index, queries, centres, cluster_of_row):
        index._native.nprobe = 1
        mask = self.far_from(queries[0], centres, cluster_of_row)
        for k in (1, 300, 3_000):
            rows, _ = index.search(queries[:1], k, pack_mask(mask))
            assert (rows >= 0).sum() == min(k, mask.sum())
            assert len(np.unique(rows[rows >= 0])) == min(k, mask.sum())

    def test_a_question_amid_what_is_kept_ends_before_every_list_is_visited(
        self, index, queries, monkeypatch
    ):
        visited = []
        visit = IvfIndex._visit_lists

        def counting(self, query, depth, lists, selector):
            visited.append(len(lists))
            return visit(self, query, depth, lists, selector)

        monkeypatch.setattr(IvfIndex, "_visit_lists", counting)
        index.search(queries[:1], 10, pack_mask(np.arange(self.ROWS) % 4 > 0))
        assert 0 < sum(visited) < index._native.nlist / 2

    @pytest.mark.parametrize("kept", [1, 0.6, 0.3])
    def test_a_query_is_compared_with_about_as_many_rows_as_is_said(self, index, queries, rng, kept):
        index._native.nprobe = index._native.nlist
        mask = None if kept == 1 else pack_mask(rng.random(self.ROWS) < kept)
        faiss.cvar.indexIVF_stats.reset()
        rows, _ = index.search(queries, 10, mask, compared=300)
        assert (rows >= 0).all()
        assert 100 < faiss.cvar.indexIVF_stats.ndis / len(queries) < 900

    def test_rows_far_from_a_query_are_found_with_few_comparisons_too(
        self, index, queries, centres, cluster_of_row
    ):
        mask = self.far_from(queries[0], centres, cluster_of_row)
        for k in (1, 300):
            rows, _ = index.search(queries[:1], k, pack_mask(mask), compared=50)
            assert mask[rows[rows >= 0]].all() and (rows >= 0).sum() == k

    def test_with_few_comparisons_most_of_the_nearest_are_found(self, index, vectors, queries):
        rows, _ = index.search(queries, 10, compared=600)
        assert overlap(rows, nearest_by_hand(queries, vectors, 10)) >= 0.8

    def test_lists_of_rows_follow_what_is_added(self, index, vectors, queries):
        everything = np.ones(self.ROWS, bool)
        index.search(queries, 1, pack_mask(everything))
        index.add(queries[:8])
        rows, _ = index.search(queries[:8], 2, pack_mask(np.ones(self.ROWS + 8, bool)))
        assert all(self.ROWS + place in found for place, found in enumerate(rows))


class TestOutgrownIvf:
    """An index that grows by half, from 1,200 vectors."""

    @pytest.fixture
    def grow(self, rng, monkeypatch):
        monkeypatch.setattr(vector_index, "RECALL_AT", 20)
        centres = unit_rows(rng.standard_normal((45, DIMENSION)))

        def drawn(clusters, count):
            spread = 0.1 * rng.standard_normal((count, DIMENSION))
            return unit_rows(centres[rng.choice(clusters, count)] + spread).astype(np.float16)

        def grow(clusters) -> tuple[VectorIndex, np.ndarray]:
            index, added = build_index(drawn(30, 1_200), seed=1, exact_rows=100), drawn(clusters, 600)
            index.add(added)
            return index, added.astype(np.float32)

        return grow

    def test_more_of_the_same_does_not_outgrow_it(self, grow):
        index, added = grow(30)
        assert not index.is_outgrown(added[:100])

    def test_new_clusters_that_it_finds_badly_outgrow_it(self, grow):
        index, added = grow(np.arange(30, 45))
        assert index.is_outgrown(added[:100])

    def test_no_sample_says_nothing(self, grow):
        index, _ = grow(np.arange(30, 45))
        assert not index.is_outgrown()
        assert not index.is_outgrown(np.empty((0, DIMENSION), np.float32))
