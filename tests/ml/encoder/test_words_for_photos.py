"""The words vector in the meaning block of listings without photos."""

import numpy as np
import pytest

from ml.arrays import unit_rows
from ml.encoder.blocks import Blocks, Comparison, measure_levels
from ml.vector_index import build_index


class TestWordsThatStandForPhotos:
    """A trained space: words and photos point to one subject, and words fill the meaning block as well."""

    BLOCKS = Blocks(look=24, meaning=24, words=24)
    ACROSS = np.array([0, 1, 0], np.float32)  # words that look for photos, by their meaning alone
    COUNT, SUBJECTS = 600, 12
    LOOK, MEANING, WORDS = BLOCKS.slices

    @pytest.fixture
    def world(self, rng) -> tuple[np.ndarray, np.ndarray]:
        """vectors (600, 72) float32 and has_photos (600,), a quarter without"""
        subject = rng.integers(0, self.SUBJECTS, self.COUNT)
        centres = rng.standard_normal((self.SUBJECTS, 24))
        look, photos, words = (
            unit_rows(middles[subject] + rng.standard_normal((self.COUNT, 24)))
            for middles in (rng.standard_normal((self.SUBJECTS, 24)) + 1, centres, centres)
        )
        has_photos = rng.random(self.COUNT) >= 0.25
        look[~has_photos] = 0
        photos[~has_photos] = words[~has_photos]
        return np.hstack([look, photos, words]), has_photos

    def lacking_among_twenty(self, vectors, has_photos) -> float:
        """Share of listings without photos in the top twenty for the words of some listings."""
        comparison = Comparison(self.BLOCKS, self.ACROSS, measure_levels(vectors, self.BLOCKS))
        index, lacking = build_index(vectors.astype(np.float16), seed=1), []
        for words in vectors[:100, self.WORDS]:
            query = np.concatenate([np.zeros(24, np.float32), words, words])
            proposed, _ = index.search(comparison.queries(query), 20)
            rows = np.unique(proposed[proposed >= 0])
            scores = comparison.scores(query, vectors[rows])
            best = rows[np.argsort(-np.nan_to_num(scores, nan=-np.inf))[:20]]
            lacking.append((~has_photos[best]).mean())
        return float(np.mean(lacking))

    def test_a_query_by_meaning_alone_finds_listings_without_photos(self, world):
        vectors, has_photos = world
        assert self.lacking_among_twenty(vectors, has_photos) > 0.2

    def test_without_words_in_their_meaning_block_listings_without_photos_are_never_found(self, world):
        """Without words in the meaning block this share collapses."""
        vectors, has_photos = world
        vectors[~has_photos, self.MEANING] = 0
        assert self.lacking_among_twenty(vectors, has_photos) == 0

    def test_by_look_alone_listings_without_photos_have_an_unknown_score(self, world):
        vectors, has_photos = world
        comparison = Comparison(self.BLOCKS, np.array([1, 0, 0], np.float32))
        unknown = np.isnan(comparison.scores(vectors[has_photos][0], vectors))
        assert np.array_equal(unknown, ~has_photos)
