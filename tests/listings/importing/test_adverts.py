"""The listing of a row, from columns under the names of the API and of exports."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from listings.importing.adverts import BadRow, ImportOptions, read_listing
from listings.importing.columns import checked_mapping, text_of
from listings.row_files.rows import BadImport

OPTIONS = ImportOptions(Decimal(100_000), country="GB", currency="GBP")
ROW = {"id": "a1", "title": "Sofa", "category": "Home / Sofas", "price": "50"}


def read(**cells):
    return read_listing(ROW | cells, OPTIONS, {})


class TestColumns:
    def test_every_column_of_the_api_is_taken(self):
        row = read(
            seller="alice",
            condition="Like new",
            status="sold",
            latitude="51.5",
            longitude="-0.1",
            source_version="7",
            created_at="2026-03-14T12:00:00+01:00",
        )
        assert (row.seller, row.condition, row.status, row.source_version) == ("alice", "like_new", "sold", 7)
        assert (row.latitude, row.longitude) == (51.5, -0.1)
        assert row.created_at == datetime(2026, 3, 14, 11, tzinfo=UTC)

    def test_what_the_file_lacks_is_left_as_it_is_and_an_empty_cell_clears(self):
        assert read().left_out == {"description", "condition", "place", "latitude", "longitude"}
        assert read(description="", condition="").left_out == {"place", "latitude", "longitude"}
        assert read(location="Bath").left_out == {"description", "condition"}

    @pytest.mark.parametrize(
        ("cells", "reason"),
        [
            ({"condition": "shabby"}, "unknown condition"),
            ({"status": "gone"}, "unknown status"),
            ({"created_at": "yesterday"}, "unreadable created_at"),
            ({"latitude": "51.5"}, "unreadable coordinates"),
            ({"latitude": "inf", "longitude": "1"}, "coordinates that are not on Earth"),
            ({"latitude": "99", "longitude": "1"}, "coordinates that are not on Earth"),
            ({"source_version": "-1"}, "unreadable source_version"),
            ({"seller": "a/b"}, "a seller that cannot be used"),
            ({"price": "$5"}, "a price in another currency than GBP"),
            ({"photos": [{"id": "p"}]}, "unreadable photos"),
            (
                {"photos": [{"id": "p", "url": "https://elsewhere.example/p.jpg"}]},
                "a photo that cannot be fetched",
            ),
            ({"title": ["x"]}, "unreadable title"),
            ({"id": 1e300}, "unreadable external_id"),
        ],
    )
    def test_a_cell_that_cannot_be_read_refuses_the_row_with_a_reason(self, cells, reason):
        with pytest.raises(BadRow) as refusal:
            read(**cells)
        assert refusal.value.reason == reason


class TestIds:
    @pytest.mark.parametrize(
        ("value", "text"),
        [(9001001, "9001001"), (9001001.0, "9001001"), (2**62 + 1, str(2**62 + 1)), ("007", "007")],
    )
    def test_ids_stay_as_they_were(self, value, text):
        assert read(id=value).external_id == text

    def test_a_fraction_that_has_lost_digits_is_refused(self):
        with pytest.raises(ValueError, match="lost digits"):
            text_of(2.0**60)

    def test_a_price_of_32_bits_is_what_it_was(self):
        assert read(price=19.989999771118164).price == Decimal("19.99")


def test_a_mapping_names_columns_of_the_api():
    assert checked_mapping(["title=Head line"]) == {"title": "head_line"}
    for wrong in ("title", "colour=Farbe", "title="):
        with pytest.raises(BadImport, match="is no COLUMN=NAME"):
            checked_mapping([wrong])
