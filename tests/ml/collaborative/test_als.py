import json

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from ml.arrays import ShapeError
from ml.collaborative.als import ARRAYS, NAMES, SETTINGS, AlsModel, fit, regularised, solve
from ml.model_files import ModelFileError

FACTORS = 8


@pytest.fixture
def confidence(rng) -> csr_matrix:
    """(60, 40): the first half of actors touches the first half of listings, the second half the second."""
    touched = rng.random((60, 40)) < 0.3
    touched[:30, 20:] = touched[30:, :20] = False
    return csr_matrix((touched * rng.uniform(1, 9, touched.shape)).astype(np.float32))


def fitted(confidence, seed=1, **options) -> AlsModel:
    ids = np.arange(40, dtype=np.int64) + 1000
    settings = {"factors": FACTORS, "iterations": 8, "regularisation": 0.1, "thread_count": 1} | options
    return fit(confidence, ids, seed=seed, **settings)[0]


@pytest.fixture
def model(confidence) -> AlsModel:
    return fitted(confidence)


class TestFit:
    def test_als_scores_unseen_listings_of_an_actors_own_taste_above_those_of_the_other(
        self, model, confidence
    ):
        rows = confidence[0].indices[:3]
        scores = model.item_factors @ model.fold_in(rows, np.ones(len(rows), np.float32))
        untouched = np.setdiff1d(np.arange(40), rows)
        own = scores[untouched[untouched < 20]].mean()
        assert own > scores[20:].mean() + 0.1

    def test_the_same_seed_fits_the_same_als_factors(self, model, confidence):
        assert np.allclose(fitted(confidence).item_factors, model.item_factors, atol=1e-6)
        assert not np.allclose(fitted(confidence, seed=2).item_factors, model.item_factors, atol=1e-3)

    def test_each_row_of_als_factors_belongs_to_its_listing(self, model):
        assert model.listing_ids.tolist() == list(range(1000, 1040))
        assert model.item_factors.shape == (40, FACTORS)
        assert model.item_factors.dtype == model.gram.dtype == np.float32

    def test_a_listing_that_nobody_touched_has_zero_als_factors(self, confidence):
        confidence = confidence.tolil()
        confidence[:, 5] = 0
        assert not fitted(confidence.tocsr()).item_factors[5].any()

    def test_als_reports_progress_after_each_iteration(self, confidence):
        steps = []
        fitted(confidence, iterations=3, progress=lambda done, total: steps.append((done, total)))
        assert steps == [(1, 3), (2, 3), (3, 3)]

    def test_blas_keeps_to_one_thread_while_implicit_runs_its_own(self, confidence):
        from threadpoolctl import threadpool_info

        seen = []
        fitted(confidence, progress=lambda *_: seen.extend(threadpool_info()))
        assert {pool["num_threads"] for pool in seen if pool["user_api"] == "blas"} == {1}

    def test_fitting_als_leaves_the_confidence_matrix_unchanged(self, confidence):
        before = confidence.copy()
        fitted(confidence)
        assert (before != confidence).nnz == 0

    def test_als_refuses_listing_ids_that_do_not_match_the_columns(self, confidence):
        with pytest.raises(ShapeError):
            fit(confidence, np.arange(3), factors=2, iterations=1, regularisation=1, seed=1)


class TestFoldIn:
    def test_fold_in_of_an_actor_equals_that_of_implicit(self, model, confidence):
        from implicit.cpu.als import AlternatingLeastSquares

        theirs = AlternatingLeastSquares(factors=FACTORS, regularization=model.regularisation, num_threads=1)
        theirs.item_factors = model.item_factors
        for actor in range(60):
            row = confidence[actor]
            ours = model.fold_in(row.indices, row.data)
            assert np.allclose(ours, theirs.recalculate_user(0, row), atol=1e-5)

    def test_fold_in_of_an_actor_who_touched_nothing_gives_zeros(self, model):
        nothing = model.fold_in(np.empty(0, np.int32), np.empty(0, np.float32))
        assert nothing.shape == (FACTORS,) and nothing.dtype == np.float32
        assert not nothing.any()

    def test_fold_in_does_not_depend_on_the_order_of_the_listings(self, model):
        rows, confidence = np.array([3, 9, 17], np.int32), np.array([2, 5, 1], np.float32)
        assert np.allclose(
            model.fold_in(rows, confidence), model.fold_in(rows[::-1], confidence[::-1]), atol=1e-6
        )

    def test_more_confidence_brings_the_folded_in_score_nearer_to_one(self, model):
        row = np.array([4], np.int32)
        scores = [model.item_factors[4] @ model.fold_in(row, np.array([c], np.float32)) for c in (1, 5, 50)]
        assert scores[0] < scores[1] < scores[2] <= 1

    def test_fold_in_demands_a_confidence_for_each_row(self, model):
        with pytest.raises(ShapeError):
            solve(model.item_factors[:2], np.ones(1, np.float32), regularised(model.gram, 0.1))


class TestFoldInListing:
    def test_a_listing_folded_in_gets_the_factors_that_training_gave_it(self, confidence):
        ids = np.arange(40, dtype=np.int64)
        model, actors = fit(confidence, ids, factors=FACTORS, iterations=60, regularisation=1.0, seed=1)
        column = confidence.tocsc()[:, 7]
        folded = model.fold_in_listing(actors[column.indices], column.data)
        assert np.allclose(folded, model.item_factors[7], atol=0.02)

    def test_listings_folded_in_update_known_factors_and_append_new_ones(self, model):
        factors = np.ones((2, FACTORS), np.float32)
        grown = model.with_listings(np.array([1003, 5000]), factors)
        assert grown.listing_ids.tolist() == [*range(1000, 1040), 5000]
        assert (grown.item_factors[[3, 40]] == 1).all()
        assert (grown.item_factors[4] == model.item_factors[4]).all()
        assert np.allclose(grown.gram, grown.item_factors.T @ grown.item_factors)

    def test_folding_listings_in_leaves_the_model_before_unchanged(self, model):
        before = model.item_factors.copy()
        model.with_listings(np.array([1003]), np.ones((1, FACTORS), np.float32))
        assert (model.item_factors == before).all()


class TestSavedFactors:
    @pytest.fixture
    def folder(self, model, tmp_path):
        model.save(tmp_path / "als")
        return tmp_path / "als"

    def test_saved_als_factors_are_loaded_unchanged(self, model, folder):
        loaded = AlsModel.load(folder)
        assert (loaded.listing_ids == model.listing_ids).all()
        assert (loaded.item_factors == model.item_factors).all()
        assert (loaded.gram == model.gram).all()
        assert loaded.regularisation == model.regularisation

    @pytest.mark.parametrize("name", [ARRAYS, SETTINGS])
    @pytest.mark.parametrize("content", [None, b"", b"junk", b"[]"])
    def test_loading_als_factors_refuses_a_missing_or_damaged_file(self, folder, name, content):
        (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
        with pytest.raises(ModelFileError, match=name):
            AlsModel.load(folder)

    def test_loading_als_factors_refuses_half_a_file(self, folder):
        whole = (folder / ARRAYS).read_bytes()
        (folder / ARRAYS).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ModelFileError):
            AlsModel.load(folder)

    def test_loading_als_factors_notices_a_flipped_byte(self, folder):
        content = bytearray((folder / ARRAYS).read_bytes())
        content[len(content) // 2] ^= 0xFF
        (folder / ARRAYS).write_bytes(content)
        with pytest.raises(ModelFileError):
            AlsModel.load(folder)

    def test_loading_als_factors_refuses_pickled_objects(self, folder, model):
        hostile = {"listing_ids": np.array([object()]), "item_factors": model.item_factors}
        np.savez(folder / ARRAYS, gram=model.gram, actor_gram=model.actor_gram, **hostile)
        with pytest.raises(ModelFileError, match="pickle"):
            AlsModel.load(folder)

    @pytest.mark.parametrize(
        "change",
        [
            {"listing_ids": np.arange(39)},
            {"listing_ids": np.arange(40, dtype=np.int32)},
            {"item_factors": np.zeros((40, FACTORS - 1), np.float32)},
            {"item_factors": np.full((40, FACTORS), np.nan, np.float32)},
            {"gram": np.eye(FACTORS, dtype=np.float32) * 9},
            {"gram": np.full((FACTORS, FACTORS), np.nan, np.float32)},
            {"actor_gram": np.full((FACTORS, FACTORS), np.nan, np.float32)},
            {"actor_gram": np.eye(FACTORS - 1, dtype=np.float32)},
        ],
    )
    def test_loading_als_factors_refuses_arrays_that_contradict_each_other(self, folder, model, change):
        arrays = {name: getattr(model, name) for name in NAMES}
        np.savez(folder / ARRAYS, **(arrays | change))
        with pytest.raises(ModelFileError):
            AlsModel.load(folder)

    def test_loading_als_factors_refuses_another_format(self, folder):
        (folder / SETTINGS).write_text(json.dumps({"format": "als-0", "regularisation": 1}))
        with pytest.raises(ModelFileError, match="als-0"):
            AlsModel.load(folder)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1.0])
def test_confidences_that_are_no_finite_numbers_are_refused(wrong):
    factors, gram = np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)
    with pytest.raises(ShapeError, match="finite"):
        solve(factors, np.array([1, wrong], np.float32), regularised(gram, 0.1))
