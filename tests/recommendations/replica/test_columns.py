"""Columns of live listings: attributes as they are shown, and rows with their photos."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from listings.api.serializers import COORDINATE_DIGITS
from recommendations.replica.columns import (
    ATTRIBUTES,
    CONDITIONS,
    Columns,
    PhotoRows,
    attributes_of,
    concatenate_columns,
    with_places_as_shown,
)

AT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def columns() -> Columns:
    """Three rows, of listings 1, 2 and 3; the first has two photos, the last has one."""
    attributes = np.zeros(3, ATTRIBUTES)
    attributes["listing_id"] = [1, 2, 3]
    photos = PhotoRows(np.array([10, 11, 30]), np.array([0, 0, 2]), np.eye(3, dtype=np.float16))
    return Columns(attributes, np.eye(3, dtype=np.float16), photos)


def photos_by_listing(columns: Columns) -> dict[int, list[int]]:
    return {
        int(listing_id): columns.photos.ids[columns.photos.of(row)].tolist()
        for row, listing_id in enumerate(columns.attributes["listing_id"])
    }


def test_attributes_hold_pence_seconds_and_places_as_the_api_shows_them():
    (row,) = attributes_of(
        [(1, 2, 3, Decimal("4.50"), AT, 53.123456, None, CONDITIONS[1], "further columns")]
    )
    assert (row["listing_id"], row["price_pence"], row["created_at"]) == (1, 450, AT.timestamp())
    assert row["latitude"] == np.float32(round(53.123456, COORDINATE_DIGITS))
    assert np.isnan(row["longitude"])
    assert row["condition"] == 1


def test_unrounded_places_of_older_releases_are_rounded_and_missing_ones_stay_missing():
    attributes = np.zeros(2, ATTRIBUTES)
    attributes["latitude"] = [53.123456, np.nan]
    shown = with_places_as_shown(attributes)
    assert (
        shown["latitude"][0] == np.float32(round(53.123456, COORDINATE_DIGITS)) != attributes["latitude"][0]
    )
    assert np.isnan(shown["latitude"][1])


def test_taken_rows_keep_their_photos(columns):
    taken = columns.taken(np.array([False, True, True]))
    assert photos_by_listing(taken) == {2: [], 3: [30]}
    assert np.array_equal(taken.vectors, columns.vectors[1:])
    assert np.array_equal(taken.photos.vectors, columns.photos.vectors[2:])


def test_concatenated_rows_keep_their_photos(columns):
    last, all_rows = columns.taken(np.array([False, False, True])), columns.taken(np.ones(3, bool))
    both = concatenate_columns(last, all_rows)
    assert both.attributes["listing_id"].tolist() == [3, 1, 2, 3]
    assert [both.photos.ids[both.photos.of(row)].tolist() for row in range(4)] == [[30], [10, 11], [], [30]]
