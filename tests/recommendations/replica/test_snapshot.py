"""Catalogue snapshots of a small world: listings 1, 2, 3 ... with made-up vectors."""

import numpy as np
import pytest

from ml.collaborative.content_prior import ContentPrior
from ml.encoder.blocks import DEFAULT_LEVELS
from ml.vector_index import build_index
from recommendations.collaborative.config import TrainingConfig
from recommendations.replica import snapshot as snapshot_module
from recommendations.replica.columns import ATTRIBUTES, Columns, PhotoRows
from recommendations.replica.snapshot import CatalogueSnapshot
from tests.recommendations.small_world import BLOCKS, changed, load, model, words


def ids(snapshot: CatalogueSnapshot, direction: int, allowed=None) -> set[int]:
    """Ids of the listings whose words have this direction."""
    rows, scores = snapshot.nearest(words(direction), 10, snapshot.alive if allowed is None else allowed)
    return {
        int(snapshot.attributes["listing_id"][row])
        for row, score in zip(rows, scores, strict=True)
        if score > 0.5
    }


class TestChanges:
    def test_listings_of_a_loaded_snapshot_are_found(self):
        assert ids(load((1, 0), (2, 1), (3, 0)), 0) == {1, 3}

    def test_a_snapshot_of_an_empty_catalogue_finds_nothing(self):
        assert ids(load(), 0) == set()

    def test_a_new_listing_is_found_and_the_old_snapshot_does_not_change(self):
        before = load((1, 0))
        after = changed(before, [2], (2, 0))
        assert ids(after, 0) == {1, 2}
        assert ids(before, 0) == {1}
        assert (before.seq, after.seq) == (0, 1)

    def test_a_listing_removed_from_a_snapshot_is_gone_and_can_come_back(self):
        snapshot = changed(load((1, 0), (2, 0)), [1])
        assert ids(snapshot, 0) == {2}
        assert snapshot.rows_of(np.array([1]))[0] == -1
        assert ids(changed(snapshot, [1], (1, 0)), 0) == {1, 2}

    def test_an_edit_of_a_snapshot_row_is_a_dead_row_and_a_new_one(self):
        snapshot = changed(load((1, 0)), [1], (1, 1))
        assert (ids(snapshot, 0), ids(snapshot, 1)) == (set(), {1})
        assert snapshot.row_count == 2
        assert snapshot.alive.tolist() == [False, True]

    def test_an_unchanged_listing_adds_no_row_to_a_snapshot(self):
        snapshot = changed(load((1, 0)), [1], (1, 0))
        assert snapshot.row_count == 1
        assert ids(snapshot, 0) == {1}

    def test_of_a_listing_edited_twice_only_the_last_row_counts(self):
        snapshot = changed(changed(load((1, 0)), [1], (1, 1)), [1], (1, 2))
        assert [ids(snapshot, direction) for direction in range(3)] == [set(), set(), {1}]

    def test_rows_of_a_sealed_segment_are_found_edited_and_removed(self, monkeypatch):
        monkeypatch.setattr(snapshot_module, "SEGMENT_ROWS", 4)
        snapshot = load((1, 0))
        for number in range(2, 20):
            snapshot = changed(snapshot, [number], (number, number % 3), seq=number)
        assert len(snapshot.sealed) == 4
        assert ids(snapshot, 0) == {1, 3, 6, 9, 12, 15, 18}
        snapshot = changed(snapshot, [3, 6], (3, 1))
        assert 3 in ids(snapshot, 1)
        assert ids(snapshot, 0) == {1, 9, 12, 15, 18}

    def test_snapshot_rows_that_are_not_allowed_are_not_found(self):
        snapshot = load((1, 0), (2, 0))
        assert ids(snapshot, 0, allowed=np.array([False, True])) == {2}

    def test_the_trending_score_stays_with_an_edited_listing(self):
        snapshot = load((1, 0), (2, 0)).with_trending(np.array([1]), np.array([0.7], np.float32))
        snapshot = changed(snapshot, [1], (1, 1))
        row = snapshot.rows_of(np.array([1]))[0]
        assert snapshot.trending[row] == pytest.approx(0.7)

    def test_dead_rows_have_no_listing_in_the_columns_of_the_next_generation(self):
        snapshot = changed(load((1, 0), (2, 0)), [1], (1, 1))
        assert snapshot.columns().attributes["listing_id"].tolist() == [-1, 2, 1]

    def test_a_snapshot_equals_a_dictionary_over_many_random_changes(self, monkeypatch):
        monkeypatch.setattr(snapshot_module, "SEGMENT_ROWS", 16)
        rng = np.random.default_rng(3)
        truth = {number: int(rng.integers(4)) for number in range(30)}
        snapshot = load(*truth.items())
        for seq in range(1, 120):
            touched = rng.choice(60, size=int(rng.integers(1, 5)), replace=False).tolist()
            live = [(pk, int(rng.integers(4))) for pk in touched if rng.random() < 0.7]
            snapshot = changed(snapshot, touched, *live, seq=seq)
            truth = {pk: way for pk, way in truth.items() if pk not in touched} | dict(live)
        alive = snapshot.attributes["listing_id"][snapshot.alive]
        assert sorted(alive.tolist()) == sorted(truth)
        rows = snapshot.rows_of(np.array(sorted(truth)))
        ways = snapshot.vectors(rows)[:, 4:].argmax(axis=1)
        assert ways.tolist() == [truth[pk] for pk in sorted(truth)]


class TestNewest:
    @pytest.mark.parametrize("looked_at", [1, 2, 8])
    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
    def test_the_newest_rows_equal_those_of_a_sort_whatever_is_allowed(self, monkeypatch, looked_at, share):
        monkeypatch.setattr(snapshot_module, "NEWEST_LOOKED_AT", looked_at)
        rng = np.random.default_rng(5)
        snapshot = load(*((int(number), 0) for number in rng.permutation(60)))
        snapshot = changed(snapshot, [3, 58, 70, 71], (58, 1), (70, 1), (71, 1))  # 3 went, 58 was edited
        allowed = snapshot.alive & (rng.random(snapshot.row_count) < share)
        expected = sorted(snapshot.attributes["listing_id"][allowed].tolist(), reverse=True)[:5]
        newest_ids = snapshot.attributes["listing_id"][snapshot.newest(5, allowed)]
        assert sorted(newest_ids.tolist(), reverse=True) == expected

    def test_a_snapshot_of_an_empty_catalogue_has_no_newest_rows(self):
        assert load().newest(5, np.empty(0, bool)).tolist() == []


class TestModelBeside:
    PRIOR = ContentPrior(np.zeros((BLOCKS.dimension, 2), np.float32), np.zeros(2, np.float32))

    def test_old_and_new_snapshot_rows_know_their_items_of_the_collaborative_model(self):
        snapshot = load((1, 0), (2, 0)).with_collaborative(model({2: (1, 0), 3: (0, 1)}))
        snapshot = changed(snapshot, [3, 4], (3, 0), (4, 0))
        assert snapshot.items.tolist() == [-1, 0, 1, -1]
        assert snapshot.with_collaborative(None).items.tolist() == [-1, -1, -1, -1]

    @pytest.mark.parametrize(("version", "is_asked"), [("v", True), ("another", False)])
    def test_a_content_prior_is_used_for_vectors_of_its_own_encoder_alone(self, version, is_asked):
        trained = model({1: (1, 0)}, prior=self.PRIOR, encoder_version=version)
        assert (load((1, 0)).with_collaborative(trained).prior is self.PRIOR) == is_asked

    def test_a_snapshot_without_a_collaborative_model_has_no_prior_and_no_blend(self):
        assert (load((1, 0)).prior, load((1, 0)).blend) == (None, ())

    def test_the_blend_of_a_snapshot_is_the_one_fitted_with_its_model(self):
        fitted = ((0.0, (1.0, 2.0, 3.0, 4.0, 5.0)),)
        trained = model({1: (1, 0)}, recipe=TrainingConfig(blend=fitted))
        assert load((1, 0)).with_collaborative(trained).blend == fitted


class TestListingsWithoutPhotos:
    """Queries and listings with and without photos, with one axis for each subject in each block."""

    LOOK_ONLY = np.array([1, 0, 0], np.float32)
    SOFA, BIKE = (1, 0), (0, 1)

    def vector(self, *, look=(0, 0), meaning=(0, 0), words=(0, 0)) -> np.ndarray:
        return np.array([*look, *meaning, *words, 0, 0], np.float32)

    def shop(self, *vectors: np.ndarray) -> CatalogueSnapshot:
        """Listings 1, 2, 3 ...; each with a look has one photo, of the same vector."""
        matrix = np.array(vectors, np.float16)
        attributes = np.zeros(len(matrix), ATTRIBUTES)
        attributes["listing_id"] = np.arange(1, len(matrix) + 1)
        owners = np.flatnonzero(matrix[:, :2].any(axis=1))
        photos = PhotoRows(100 + owners, owners, matrix[owners, : BLOCKS.photo_dimension])
        columns = Columns(attributes, matrix, photos)
        return CatalogueSnapshot.load("v", BLOCKS, columns, build_index(matrix, seed=0), seq=0)

    def similarities(self, snapshot: CatalogueSnapshot, query: np.ndarray, weights=None) -> dict[int, float]:
        """Listing -> its similarity, best first, with the block weights of such a query."""
        weights = BLOCKS.query_weights(query) if weights is None else weights
        rows, scores = snapshot.nearest(query, 10, snapshot.alive, weights)
        return dict(zip((rows + 1).tolist(), scores.tolist(), strict=True))

    @pytest.fixture
    def trained(self) -> CatalogueSnapshot:
        """Two sofas and a bicycle; the second sofa has no photo and carries its words as its meaning."""
        return self.shop(
            self.vector(look=self.SOFA, meaning=self.SOFA, words=self.SOFA),
            self.vector(meaning=self.SOFA, words=self.SOFA),
            self.vector(look=self.BIKE, meaning=self.BIKE, words=self.BIKE),
        )

    @pytest.fixture
    def untrained(self) -> CatalogueSnapshot:
        """The same in an untrained space, where words and photos are unrelated."""
        return self.shop(
            self.vector(look=self.SOFA, meaning=self.SOFA),
            self.vector(words=self.SOFA),
            self.vector(look=self.BIKE, meaning=self.BIKE, words=self.BIKE),
        )

    def test_words_find_a_listing_without_photos_as_well_as_one_with_them(self, trained):
        similarity_of = self.similarities(trained, self.vector(meaning=self.SOFA, words=self.SOFA))
        assert similarity_of[1] == similarity_of[2] == pytest.approx(1)
        assert similarity_of[3] < 0

    def test_words_that_look_for_meaning_alone_find_a_listing_without_photos(self, trained):
        similarity_of = self.similarities(
            trained, self.vector(meaning=self.SOFA), np.array([0, 1, 0], np.float32)
        )
        assert similarity_of[2] == pytest.approx(1)

    def test_by_look_alone_a_listing_without_photos_neither_is_found_nor_finds(self, trained):
        by_look = self.similarities(trained, self.vector(look=self.SOFA, meaning=self.SOFA), self.LOOK_ONLY)
        assert set(by_look) == {1, 3}
        assert (
            self.similarities(trained, self.vector(meaning=self.SOFA, words=self.SOFA), self.LOOK_ONLY) == {}
        )

    def test_the_nearest_by_photo_leave_out_a_listing_without_photos(self, trained):
        photo = np.array([*self.SOFA, *self.SOFA], np.float32)
        rows, _ = trained.nearest_by_photo(photo, 10, trained.alive)
        assert (rows + 1).tolist() == [1, 3]

    def test_before_a_training_meaning_counts_between_listings_with_photos_alone(self, untrained):
        like_the_bicycle = self.similarities(
            untrained, untrained.vectors(np.array([2]))[0].astype(np.float32)
        )
        words_level = float(DEFAULT_LEVELS[2])
        assert like_the_bicycle[3] == pytest.approx(1, abs=1e-3)
        assert like_the_bicycle[2] == pytest.approx(
            -words_level / (1 - words_level), abs=1e-3
        )  # by words alone

    def test_before_a_training_words_find_no_photo_and_a_photo_no_words(self, untrained):
        by_words = self.similarities(untrained, self.vector(words=self.SOFA))
        assert by_words.keys() == {2, 3}
        assert by_words[2] == pytest.approx(1)
        by_photo = self.similarities(untrained, self.vector(look=self.SOFA, meaning=self.SOFA))
        assert by_photo.keys() == {1, 3}
