"""Fixtures: an export, and its import."""

import csv
from pathlib import Path

import pytest

from listings.importing import adverts, listing_import
from listings.importing.report import SOURCES, ImportReport, import_report
from listings.models import Place
from tests.listings.importing.exports import Export


@pytest.fixture
def export(tmp_path, db) -> Export:
    Place.objects.create(name="Bath", country="GB", latitude=51.38, longitude=-2.36, population=90_000)
    folder = tmp_path / "export"
    folder.mkdir()
    return Export(folder)


@pytest.fixture
def run(export, tmp_path, monkeypatch):
    """Import the export. Returns the report and the rows of its CSV file."""
    monkeypatch.setattr("listings.places._cities_of", lambda country: [])

    def run_import(source: Path | None = None, **options) -> ImportReport:
        settings = {
            "maximum_price": 100_000,
            "country": "GB",
            "currency": "GBP",
            "seller_count": 50,
        } | options
        with import_report(tmp_path / "report.csv") as report:
            listing_import.import_adverts(
                source or export.folder,
                adverts.ImportOptions(**settings),
                report,
                listing_import.Progress(),
            )
        report.rows = list(csv.DictReader((tmp_path / "report.csv").open()))
        assert all(report.adds_up(source) for source in SOURCES)
        return report

    return run_import
