"""One contract for every kind of index, on a world small enough to check against plain numpy."""

import numpy as np
import pytest

from ml import vector_index
from ml.arrays import ShapeError, pack_mask, unit_rows
from ml.vector_index import (
    ExactIndex,
    IndexFileError,
    IndexIsReadOnly,
    IvfIndex,
    VectorIndex,
    build_index,
    load_index,
)

COUNT, DIMENSION = 600, 16


@pytest.fixture
def vectors(rng) -> np.ndarray:
    """(600, 16) float16 in twelve clusters"""
    centres = rng.standard_normal((12, DIMENSION))
    spread = 0.4 * rng.standard_normal((COUNT, DIMENSION))
    return unit_rows(centres[rng.integers(0, 12, COUNT)] + spread).astype(np.float16)


@pytest.fixture
def queries(vectors) -> np.ndarray:
    return vectors[::40].astype(np.float32)


def nearest_by_hand(queries, vectors, k, mask=None) -> np.ndarray:
    scores = queries @ vectors.astype(np.float32).T
    if mask is not None:
        scores[:, ~mask] = -np.inf
    return np.argsort(-scores, axis=1)[:, :k]


def overlap(rows, wanted) -> float:
    return float(np.mean([np.isin(best, row).mean() for best, row in zip(wanted, rows, strict=True)]))


class VectorIndexContract:
    kind: type[VectorIndex]
    exact_rows: int

    @pytest.fixture
    def index(self, vectors) -> VectorIndex:
        return build_index(vectors, seed=1, exact_rows=self.exact_rows)

    def test_the_number_of_vectors_decides_the_kind_of_index(self, index):
        assert type(index) is self.kind

    def test_an_index_knows_its_count_and_dimension(self, index):
        assert (index.count, index.dimension) == (COUNT, DIMENSION)

    def test_an_index_finds_the_nearest_vectors(self, index, vectors, queries):
        rows, _ = index.search(queries, 20)
        assert overlap(rows, nearest_by_hand(queries, vectors, 20)) >= 0.95

    def test_an_index_returns_the_best_first_with_their_inner_products(self, index, vectors, queries):
        rows, scores = index.search(queries, 20)
        by_hand = np.einsum("qd,qkd->qk", queries, vectors[rows].astype(np.float32))
        assert (np.diff(scores, axis=1) <= 0).all()
        assert np.allclose(scores, by_hand, atol=1e-3)

    def test_an_index_returns_int32_rows_and_float32_scores(self, index, queries):
        rows, scores = index.search(queries, 3)
        assert (rows.dtype, scores.dtype) == (np.int32, np.float32)
        assert rows.shape == scores.shape == (len(queries), 3)

    def test_every_vector_finds_itself_in_the_index(self, index, vectors):
        rows, _ = index.search(vectors.astype(np.float32), 1)
        assert (rows[:, 0] == np.arange(COUNT)).mean() > 0.98

    def test_masked_rows_are_never_found(self, index, queries, rng):
        mask = rng.random(COUNT) < 0.5
        rows, _ = index.search(queries, 50, pack_mask(mask))
        assert mask[rows].all()

    @pytest.mark.parametrize("kept", [1, 7, 100])
    def test_a_mask_that_keeps_few_rows_is_searched_exactly(self, index, vectors, queries, rng, kept):
        mask = np.zeros(COUNT, bool)
        mask[rng.choice(COUNT, kept, replace=False)] = True
        rows, _ = index.search(queries, 5, pack_mask(mask))
        wanted = nearest_by_hand(queries, vectors, min(5, kept), mask)
        assert overlap(rows, wanted) == 1

    def test_places_for_which_there_are_no_more_rows_are_marked(self, index, queries):
        mask = np.arange(COUNT) < 3
        rows, scores = index.search(queries, 5, pack_mask(mask))
        assert (rows[:, 3:] == -1).all() and (rows[:, :3] >= 0).all()
        assert np.isneginf(scores[:, 3:]).all() and np.isfinite(scores[:, :3]).all()

    def test_a_mask_that_keeps_nothing_finds_nothing(self, index, queries):
        rows, _ = index.search(queries, 5, pack_mask(np.zeros(COUNT, bool)))
        assert (rows == -1).all()

    def test_rows_past_the_end_of_a_mask_are_not_allowed(self, index, vectors, queries):
        index.add(vectors[:40])
        rows, _ = index.search(queries, 60, pack_mask(np.ones(COUNT, bool)))
        assert (rows < COUNT).all()

    def test_added_vectors_take_the_next_rows_and_are_found(self, index):
        newcomer = np.zeros((1, DIMENSION), np.float32)
        newcomer[0, 0] = 5
        index.add(newcomer)
        rows, _ = index.search(newcomer, 1)
        assert (index.count, rows[0, 0]) == (COUNT + 1, COUNT)

    def test_adding_vectors_in_pieces_is_as_good_as_at_once(self, vectors, queries):
        index = build_index(vectors[:550], seed=1, exact_rows=self.exact_rows)
        for first in range(550, COUNT, 10):
            index.add(vectors[first : first + 10])
        rows, _ = index.search(queries, 20)
        assert overlap(rows, nearest_by_hand(queries, vectors, 20)) >= 0.9

    def test_the_same_seed_builds_the_same_index(self, index, vectors, queries):
        again = build_index(vectors, seed=1, exact_rows=self.exact_rows)
        assert (again.search(queries, 10)[0] == index.search(queries, 10)[0]).all()

    @pytest.mark.parametrize("share", [True, False])
    def test_a_saved_index_is_loaded_unchanged(self, index, queries, tmp_path, share):
        index.save(tmp_path / "index")
        loaded = load_index(tmp_path / "index", share=share)
        assert type(loaded) is self.kind
        assert (loaded.search(queries, 10)[0] == index.search(queries, 10)[0]).all()

    def test_a_shared_index_refuses_to_grow_instead_of_ending_the_process(self, index, vectors, tmp_path):
        index.save(tmp_path / "index")
        with pytest.raises(IndexIsReadOnly):
            load_index(tmp_path / "index").add(vectors[:1])

    def test_an_index_loaded_unshared_grows_and_can_be_saved_again(self, index, vectors, tmp_path):
        index.save(tmp_path / "index")
        loaded = load_index(tmp_path / "index", share=False)
        loaded.add(vectors[:5])
        loaded.save(tmp_path / "grown")
        assert load_index(tmp_path / "grown").count == COUNT + 5

    @pytest.mark.parametrize("share", [True, False])
    def test_loading_half_an_index_file_is_refused(self, index, tmp_path, share):
        index.save(tmp_path / "index")
        whole = (tmp_path / "index").read_bytes()
        (tmp_path / "half").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(IndexFileError):
            load_index(tmp_path / "half", share=share)

    def test_an_index_refuses_vectors_of_another_dimension(self, index):
        with pytest.raises(ShapeError):
            index.add(np.zeros((1, DIMENSION + 1), np.float32))
        with pytest.raises(ShapeError):
            index.search(np.zeros((1, DIMENSION - 1), np.float32), 1)

    def test_an_index_refuses_a_search_for_no_rows(self, index, queries):
        with pytest.raises(ShapeError):
            index.search(queries, 0)

    def test_a_search_without_queries_returns_no_rows(self, index):
        rows, scores = index.search(np.empty((0, DIMENSION), np.float32), 3)
        assert rows.shape == scores.shape == (0, 3)

    def test_a_fresh_index_is_not_outgrown(self, index, monkeypatch):
        monkeypatch.setattr(vector_index, "EXACT_ROWS", COUNT)
        assert not index.is_outgrown()

    def test_an_index_that_grew_fivefold_is_outgrown(self, index, vectors, monkeypatch):
        monkeypatch.setattr(vector_index, "EXACT_ROWS", COUNT)
        for _ in range(4):
            index.add(vectors)
        assert index.is_outgrown()


class TestExactIndex(VectorIndexContract):
    kind, exact_rows = ExactIndex, COUNT

    def test_an_exact_index_misses_nothing(self, index, vectors, queries):
        rows, _ = index.search(queries, 50)
        assert (
            overlap(rows, nearest_by_hand(queries, vectors, 50)) > 0.995
        )  # float16 ties may fall either way

    def test_an_empty_catalogue_has_an_index_too(self):
        index = build_index(np.empty((0, DIMENSION), np.float16), seed=1)
        rows, _ = index.search(np.ones((1, DIMENSION), np.float32), 3)
        assert (rows == -1).all()


class TestIvfIndex(VectorIndexContract):
    kind, exact_rows = IvfIndex, 100

    def test_an_ivf_index_visits_enough_lists_for_its_recall_and_no_more_than_it_has(
        self, index, vectors, rng
    ):
        sample = vectors[rng.choice(COUNT, 60, replace=False)].astype(np.float32)
        rows, _ = index.search(sample, vector_index.RECALL_AT)
        assert overlap(rows, nearest_by_hand(sample, vectors, vector_index.RECALL_AT)) >= 0.94
        assert 1 < index._native.nprobe <= index._native.nlist

    def test_harder_queries_make_an_ivf_index_visit_more_lists(self, vectors, rng, monkeypatch):
        monkeypatch.setattr(vector_index, "RECALL_AT", 10)
        easy = build_index(vectors, seed=1, exact_rows=100, queries=vectors[:50].astype(np.float32))
        astray = rng.standard_normal((50, DIMENSION)).astype(np.float32)
        hard = build_index(vectors, seed=1, exact_rows=100, queries=astray)
        assert hard._native.nprobe > easy._native.nprobe

    def test_a_mask_that_keeps_few_makes_it_visit_every_list(self, index, vectors, queries, monkeypatch):
        monkeypatch.setattr(vector_index, "EXACT_ROWS", 250)
        index._native.nprobe = 1
        mask = np.arange(COUNT) < 250
        rows, _ = index.search(queries, 20, pack_mask(mask))
        assert overlap(rows, nearest_by_hand(queries, vectors, 20, mask)) > 0.99  # float16 ties

    def test_a_mask_shorter_than_the_index_allows_what_it_says(self, index, vectors, queries):
        mask = np.arange(COUNT) < 101  # its last byte says nothing of the rows after it
        rows, _ = index.search(queries, 150, pack_mask(mask[:101]))
        assert ((rows >= 0).sum(axis=1) == 101).all() and (rows < 101).all()


class TestLoadIndex:
    @pytest.mark.parametrize("content", [b"", b"no index at all", None])
    def test_loading_a_file_that_is_no_index_is_refused(self, tmp_path, content):
        if content is not None:
            (tmp_path / "index").write_bytes(content)
        with pytest.raises(IndexFileError, match="index"):
            load_index(tmp_path / "index")

    def test_loading_an_index_of_another_kind_is_refused(self, tmp_path):
        import faiss

        faiss.write_index(faiss.IndexFlatL2(4), str(tmp_path / "index"))
        with pytest.raises(IndexFileError, match="IndexFlatL2"):
            load_index(tmp_path / "index", share=False)
