import json

import numpy as np
import pytest

from ml.arrays import ShapeError, unit_rows
from ml.encoder.blocks import (
    DEFAULT_LEVELS,
    NAMES,
    WORDS_ONLY,
    Blocks,
    Comparison,
    block_scores,
    measure_levels,
    sample_index_queries,
    weigh,
    weighted_query,
)
from ml.vector_index import build_index

BLOCKS = Blocks(look=4, meaning=3, words=5)
LEVELS = np.array([0.1, 0.2, 0.0], np.float32)
EVEN = np.array([1, 1, 1], np.float32)


def listings(rng, count, blocks=BLOCKS, without_photos=0) -> np.ndarray:
    """(count, D) float16, the first `without_photos` of them with words alone"""
    parts = [unit_rows(rng.standard_normal((count, part.stop - part.start)) + 0.5) for part in blocks.slices]
    vectors = np.hstack(parts)
    vectors[:without_photos, : blocks.slices[2].start] = 0
    return vectors.astype(np.float16)


class TestBlocks:
    def test_the_slices_of_the_blocks_cover_the_vector_once(self):
        covered = [i for part in BLOCKS.slices for i in range(part.start, part.stop)]
        assert covered == list(range(BLOCKS.dimension))

    def test_blocks_survive_json(self):
        assert Blocks(**BLOCKS.to_json()) == BLOCKS

    def test_default_block_weights_are_not_written_so_that_older_encoder_versions_keep_their_name(self):
        assert BLOCKS.to_json() == {"look": 4, "meaning": 3, "words": 5}

    @pytest.mark.parametrize("name", ["weights", "photo_weights", "words_weights"])
    def test_unusual_block_weights_survive_json(self, name):
        unusual = Blocks(4, 3, 5, **{name: (0.1, 0.2, 0.7)})
        saved = unusual.to_json()
        assert set(saved) == {"look", "meaning", "words", name}
        back = Blocks(**json.loads(json.dumps(saved)))
        assert back == unusual
        assert hash(back) == hash(unusual)

    def test_a_photo_vector_holds_the_look_and_meaning_blocks(self):
        assert BLOCKS.photo_dimension == BLOCKS.slices[2].start == 7


class TestQueryWeights:
    BLOCKS = Blocks(4, 3, 5, (0.2, 0.3, 0.5), (0.7, 0.3, 0.0), (0.0, 0.4, 0.6))

    @pytest.mark.parametrize(
        ("filled", "weights"),
        [
            ("look", (0.7, 0.3, 0.0)),
            ("look meaning", (0.7, 0.3, 0.0)),
            ("words", (0.0, 0.4, 0.6)),
            ("meaning words", (0.0, 0.4, 0.6)),  # words that are comparable with photos fill both
            ("look meaning words", (0.2, 0.3, 0.5)),
            ("", (0.2, 0.3, 0.5)),
        ],
    )
    def test_query_weights_depend_on_the_blocks_that_the_query_fills(self, filled, weights):
        query = np.zeros(12, np.float32)
        for name, block in zip(NAMES, self.BLOCKS.slices, strict=True):
            query[block] = 0.5 if name in filled.split() else 0
        query_weights = self.BLOCKS.query_weights(query)
        assert query_weights.dtype == np.float32
        np.testing.assert_allclose(query_weights, weights)


class TestBlockScores:
    def test_a_listing_scores_one_against_itself_in_each_block(self, rng):
        vectors = listings(rng, 5)
        assert np.allclose(block_scores(vectors[0], vectors, BLOCKS)[0], 1, atol=1e-2)

    def test_a_block_that_the_listing_lacks_has_an_unknown_score(self, rng):
        vectors = listings(rng, 5, without_photos=1)
        unknown = np.isnan(block_scores(vectors[1], vectors, BLOCKS))
        assert unknown.tolist() == [[True, True, False]] + [[False] * 3] * 4

    def test_a_block_that_the_query_lacks_has_an_unknown_score_for_every_listing(self, rng):
        vectors = listings(rng, 5, without_photos=1)
        unknown = np.isnan(block_scores(vectors[0], vectors, BLOCKS))
        assert unknown.tolist() == [[True, True, False]] * 5

    def test_block_scores_refuse_a_query_of_another_dimension(self, rng):
        with pytest.raises(ShapeError):
            block_scores(np.zeros(3, np.float32), listings(rng, 2), BLOCKS)


class TestWeigh:
    def test_a_random_pair_weighs_zero_and_twins_weigh_one(self):
        scores = np.array([LEVELS, [1, 1, 1]], np.float32)
        assert np.allclose(weigh(scores, EVEN, LEVELS), [0, 1])

    def test_unknown_blocks_neither_help_nor_hurt_a_weighed_score(self):
        scores = np.array([[np.nan, np.nan, 0.6], [0.64, 0.68, 0.6]], np.float32)
        assert np.allclose(weigh(scores, EVEN, LEVELS), 0.6)

    def test_listings_that_share_no_block_have_an_unknown_score(self):
        assert np.isnan(weigh(np.full((1, 3), np.nan, np.float32), EVEN, LEVELS))

    def test_by_words_alone_a_listing_without_words_has_an_unknown_score(self):
        assert np.isnan(weigh(np.array([[0.5, 0.5, np.nan]], np.float32), WORDS_ONLY, LEVELS))


class TestQuestions:
    def test_the_inner_product_orders_complete_listings_as_the_comparison_does(self, rng):
        vectors, weights = listings(rng, 200), np.array([0.5, 0.2, 0.3], np.float32)
        comparison = Comparison(BLOCKS, weights, LEVELS)
        query = weighted_query(vectors[0], weights, LEVELS, BLOCKS)
        by_product = vectors.astype(np.float32) @ query
        by_score = comparison.scores(vectors[0], vectors)
        shift = (weights * LEVELS / (1 - LEVELS)).sum()
        assert np.allclose(by_product - shift, by_score * weights.sum(), atol=1e-3)

    def test_a_listing_with_photos_and_words_makes_two_index_queries(self, rng):
        queries = Comparison(BLOCKS).queries(listings(rng, 1)[0])
        assert queries.shape == (2, BLOCKS.dimension) and queries.dtype == np.float32
        assert not queries[1, : BLOCKS.slices[2].start].any()

    @pytest.mark.parametrize("weights", [[0.5, 0.5, 0], [0, 0, 1]])
    def test_a_comparison_by_photos_alone_or_words_alone_makes_one_index_query(self, rng, weights):
        comparison = Comparison(BLOCKS, np.array(weights, np.float32))
        assert len(comparison.queries(listings(rng, 1)[0])) == 1

    def test_a_listing_without_photos_makes_one_index_query(self, rng):
        assert len(Comparison(BLOCKS).queries(listings(rng, 1, without_photos=1)[0])) == 1

    def test_a_listing_without_words_makes_one_index_query(self, rng):
        silent = listings(rng, 1)[0]
        silent[BLOCKS.slices[2]] = 0
        assert Comparison(BLOCKS).queries(silent).shape == (1, BLOCKS.dimension)

    def test_an_empty_listing_makes_no_index_query(self):
        assert Comparison(BLOCKS).queries(np.zeros(12, np.float16)).shape == (0, 12)

    def test_a_sample_of_index_queries_holds_those_with_and_without_photos(self, rng):
        queries = sample_index_queries(listings(rng, 30), Comparison(BLOCKS), seed=1, count=10)
        photos = np.any(queries[:, : BLOCKS.slices[2].start], axis=1)
        assert queries.shape == (20, BLOCKS.dimension) and photos.sum() == 10


class TestMeasureLevels:
    def test_the_level_of_a_block_is_the_mean_cosine_of_two_different_listings(self, rng):
        vectors = listings(rng, 60).astype(np.float32)
        words = vectors[:, BLOCKS.slices[2]]
        cosines = (words @ words.T)[~np.eye(60, dtype=bool)]
        assert measure_levels(vectors, BLOCKS)[2] == pytest.approx(cosines.mean(), abs=1e-3)

    def test_listings_without_a_block_do_not_count_for_its_level(self, rng):
        vectors = listings(rng, 90, without_photos=50)
        assert measure_levels(vectors, BLOCKS)[0] == pytest.approx(measure_levels(vectors[50:], BLOCKS)[0])

    def test_with_too_few_listings_the_levels_are_the_default(self, rng):
        assert (measure_levels(listings(rng, 5), BLOCKS) == DEFAULT_LEVELS).all()
        assert (measure_levels(np.empty((0, 12), np.float16), BLOCKS) == DEFAULT_LEVELS).all()

    def test_the_levels_of_a_catalogue_of_twins_stay_below_one(self):
        twins = np.ones((50, 12), np.float16)
        assert (measure_levels(twins, BLOCKS) < 1).all()


class TestListingsWithoutPhotosAreFound:
    """A catalogue in which a random quarter of the listings has no photos."""

    BLOCKS = Blocks(look=24, meaning=24, words=48)
    COUNT, SUBJECTS = 1200, 12

    @pytest.fixture
    def world(self, rng) -> tuple[np.ndarray, np.ndarray]:
        """vectors (1200, 96) float16 and has_photos (1200,)"""
        subject = rng.integers(0, self.SUBJECTS, self.COUNT)
        parts = [
            self.clustered(rng, subject, 24, shared=1.0),
            self.clustered(rng, subject, 24, shared=1.0),
            self.clustered(rng, subject, 48, shared=0.2),
        ]
        has_photos = rng.random(self.COUNT) >= 0.25
        vectors = np.hstack(parts)
        vectors[~has_photos, :48] = 0
        return vectors.astype(np.float16), has_photos

    def clustered(self, rng, subject, dimension, shared) -> np.ndarray:
        """Unit rows around their subject's centre; `shared` is common to all rows, as in photos."""
        centres = rng.standard_normal((self.SUBJECTS, dimension)) + shared
        return unit_rows(centres[subject] + 1.2 * rng.standard_normal((self.COUNT, dimension)))

    def share_of_top(self, world, comparison, questions) -> float:
        """Share of listings without photos among the twenty most similar to listings with photos."""
        vectors, has_photos = world
        index = build_index(vectors, seed=1)
        lacking = []
        for row in np.flatnonzero(has_photos)[:150]:
            proposed, _ = index.search(questions(comparison, vectors[row]), 20)
            rows = np.unique(proposed[proposed >= 0])
            best = rows[np.argsort(-comparison.scores(vectors[row], vectors[rows]))[:20]]
            lacking.append((~has_photos[best]).mean())
        return float(np.mean(lacking))

    def test_listings_without_photos_are_as_common_among_the_similar_as_in_the_catalogue(self, world):
        levels = measure_levels(world[0], self.BLOCKS)
        share = self.share_of_top(world, Comparison(self.BLOCKS, levels=levels), Comparison.queries)
        assert 0.15 < share < 0.35

    def test_with_a_single_index_query_listings_without_photos_would_be_lost(self, world):
        """Without the second query this share collapses."""
        levels = measure_levels(world[0], self.BLOCKS)
        comparison = Comparison(self.BLOCKS, levels=levels)
        share = self.share_of_top(world, comparison, lambda asker, vector: asker.queries(vector)[:1])
        assert share < 0.05


class TestAComparisonOfACatalogue:
    def test_a_comparison_takes_the_weights_of_its_blocks_and_the_levels_of_its_listings(self, rng):
        blocks, vectors = Blocks(4, 3, 5, weights=(0.2, 0.3, 0.5)), listings(rng, 60)
        comparison = Comparison.of(blocks, vectors)
        np.testing.assert_allclose(comparison.weights, [0.2, 0.3, 0.5])
        np.testing.assert_array_equal(comparison.levels, measure_levels(vectors, blocks))
        assert not np.array_equal(comparison.levels, DEFAULT_LEVELS)

    def test_a_comparison_of_no_listings_has_default_levels(self):
        assert (Comparison.of(BLOCKS, np.empty((0, 12), np.float16)).levels == DEFAULT_LEVELS).all()


class TestLikeness:
    @pytest.fixture
    def vectors(self):
        """40 vectors, of which a third each lack photos, lack words, and have all."""
        vectors = np.random.default_rng(3).standard_normal((40, BLOCKS.dimension)).astype(np.float32)
        for block in BLOCKS.slices:
            vectors[:, block] = unit_rows(vectors[:, block])
        vectors[::3, : BLOCKS.slices[2].start] = 0
        vectors[1::3, BLOCKS.slices[2]] = 0
        return vectors

    def test_the_likeness_of_each_pair_equals_its_comparison_score(self, vectors):
        levels = np.array([0.3, 0.1, 0.0], np.float32)
        comparison = Comparison(BLOCKS, levels=levels)
        likeness = comparison.likeness(vectors[:7], vectors)
        expected = [comparison.scores(query, vectors) for query in vectors[:7]]
        assert np.isnan(likeness).any()
        assert np.allclose(likeness, expected, atol=1e-5, equal_nan=True)

    def test_the_likeness_of_no_rows_is_empty(self, vectors):
        comparison = Comparison(BLOCKS)
        assert comparison.likeness(vectors[:0], vectors).shape == (0, 40)
        assert comparison.likeness(vectors, vectors[:0]).shape == (40, 0)
