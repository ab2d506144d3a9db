"""Nearest photos among those of allowed rows."""

import numpy as np
import pytest

from ml.vector_index import build_index
from recommendations.replica.columns import PhotoRows
from recommendations.replica.photo_search import PhotoMatches, nearest_photos

PHOTOS = 40


@pytest.fixture
def photos() -> PhotoRows:
    """Two photos of each of twenty rows, in random directions."""
    vectors = np.random.default_rng(3).normal(size=(PHOTOS, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return PhotoRows(100 + np.arange(PHOTOS), np.arange(PHOTOS) // 2, vectors.astype(np.float16))


def test_photos_of_rows_that_are_not_allowed_are_not_near(photos):
    allowed = np.arange(20) % 2 == 1
    matches = nearest_photos(photos, None, photos.vectors[0].astype(np.float32), PHOTOS, allowed)
    assert sorted(matches.ids.tolist()) == (100 + np.flatnonzero(allowed[photos.owners])).tolist()
    assert (np.diff(matches.scores) <= 0).all()


@pytest.mark.parametrize("k", [3, PHOTOS])
def test_an_index_finds_the_nearest_photos_of_a_scan(photos, k):
    query, allowed = photos.vectors[6].astype(np.float32), np.arange(20) < 15
    scanned = nearest_photos(photos, None, query, k, allowed)
    by_index = nearest_photos(photos, build_index(photos.vectors, seed=0), query, k, allowed)
    assert scanned.ids[0] == 106
    assert by_index.ids.tolist() == scanned.ids.tolist()
    assert by_index.rows.tolist() == photos.owners[by_index.ids - 100].tolist()


def test_photo_matches_of_two_parts_are_joined_best_first():
    base = PhotoMatches(np.array([1, 2]), np.array([0, 1]), np.array([0.9, 0.1], np.float32))
    tail = PhotoMatches(np.array([3]), np.array([0]), np.array([0.5], np.float32)).moved(2)
    best = base.concatenate(tail).first(2)
    assert (best.ids.tolist(), best.rows.tolist()) == ([1, 3], [0, 2])
