"""Fuzzing of the importer: every row is a listing or reported."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from listings.importing import adverts, listing_import
from listings.importing.report import SOURCES, ImportReport, import_report
from listings.models import Place
from listings.row_files.rows import BadImport
from tests.fuzzing import fuzz

CATEGORY = "Home & Garden / Sofas"
CELLS = st.text(max_size=40) | st.sampled_from(
    ["", "n/a", "a1", "£1,200.00", "free", "£9,999,999,999", CATEGORY, " / ", "Bath, Somerset", "x" * 600]
)


COLUMNS = ["category", "id", "location", "price", "product_description", "product_name"]


OPTIONS = adverts.ImportOptions(Decimal(100_000), country="GB", currency="GBP", seller_count=50)


@pytest.fixture
def folder(db, tmp_path, monkeypatch) -> Path:
    """An export without photos and without Products.csv; the gazetteer has one town."""
    monkeypatch.setattr("listings.places._cities_of", lambda country: [])
    Place.objects.create(name="Bath", country="GB", latitude=51.38, longitude=-2.36, population=90_000)
    (tmp_path / "images").mkdir()
    (tmp_path / "Images.csv").write_text("id,product_id\n")
    return tmp_path


class TestTheImporter:
    @fuzz(300)
    @given(st.fixed_dictionaries(dict.fromkeys(COLUMNS, CELLS)))
    def test_random_cells_of_an_advert_make_a_listing_or_a_bad_row(self, cells):
        try:
            row = adverts.read_listing(cells, OPTIONS, {})
        except adverts.BadRow as bad:
            assert bad.reason
        else:
            assert row.title and row.category and 0 <= row.price <= OPTIONS.maximum_price

    def test_every_random_row_of_an_import_is_accounted_for(self, folder):

        @fuzz(40)
        @given(st.lists(st.lists(CELLS, min_size=6, max_size=6) | st.lists(CELLS), max_size=4))
        def take_in(rows):
            with (folder / "Products.csv").open("w", newline="") as file:
                csv.writer(file).writerows([COLUMNS, *rows])
            report = imported(folder)
            assert all(report.adds_up(source) for source in SOURCES)

        take_in()

    def test_random_bytes_are_imported_or_refused_as_a_bad_source(self, folder):
        @fuzz(60)
        @given(st.sampled_from([b"", ",".join(COLUMNS).encode() + b"\n"]), st.binary(max_size=80))
        def take_in(start, rest):
            (folder / "Products.csv").write_bytes(start + rest)
            try:
                report = imported(folder)
            except BadImport:
                return
            assert all(report.adds_up(source) for source in SOURCES)

        take_in()


def imported(folder: Path) -> ImportReport:
    with transaction.atomic(), import_report(folder / "report.csv") as report:
        listing_import.import_adverts(folder, OPTIONS, report, listing_import.Progress())
        transaction.set_rollback(True)
    return report
