"""The report of an import, row by row and in totals."""

import io

import pytest
from django.core.management import call_command

from listings.batches.listings import UpsertOutcome
from listings.importing.report import PRODUCTS
from tests.listings.importing.exports import advert, counts


class TestWhatIsLeftOut:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"product_name": "N/A"}, "no title"),
            ({"product_name": " | in Bath, Somerset | Gumtree"}, "no title"),
            ({"product_name": "x" * 301}, "a title of over 300 characters"),
            ({"category": ""}, "no category"),
            ({"category": "x" * 501}, "a category of over 500 characters"),
            ({"price": "POA"}, "unreadable price"),
            ({"price": "£1,234,567.00"}, "a price over 100,000"),
            ({"id": ""}, "no id"),
            ({"id": "a/2"}, "an id that cannot be used"),
            ({"id": "a1"}, "its id stands in an earlier row"),
        ],
        ids=str,
    )
    def test_a_bad_row_is_reported_with_its_number_and_stops_nothing(self, export, run, changes, reason):
        export.adverts[1] = advert("a2", **changes)
        export.write()
        report = run()
        assert counts(report, PRODUCTS) == {UpsertOutcome.CREATED: 2, UpsertOutcome.REJECTED: 1}
        rejection = next(row for row in report.rows if row["file"] == PRODUCTS)
        assert (rejection["row"], rejection["id"], rejection["reason"]) == (
            "3",
            changes.get("id", "a2"),
            reason,
        )

    def test_a_row_with_missing_fields_is_reported_as_rejected(self, export, run):
        export.write()
        with (export.folder / "Products.csv").open("a") as file:
            row = advert("a9", product_name="Desk", product_description="", location="", price="5")
            file.write("only,three,fields\n" + ",".join(["9", *row.values()]) + "\n")
        report = run()
        assert counts(report, PRODUCTS) == {UpsertOutcome.CREATED: 4, UpsertOutcome.REJECTED: 1}
        assert report.rows[-1]["row"] == "5" and "3 fields" in report.rows[-1]["detail"]


class TestTheCommand:
    def test_import_listings_prints_totals_and_writes_the_report(self, export, tmp_path, monkeypatch):
        monkeypatch.setattr("listings.places._cities_of", lambda country: [])
        export.adverts[0]["price"] = "POA"
        export.write()
        out, report = io.StringIO(), tmp_path / "problems.csv"
        call_command("import_listings", export.folder, report=report, stdout=out)
        assert "unreadable price" in out.getvalue() and "do not add up" not in out.getvalue()
        assert (
            report.read_text().splitlines()[1]
            == "Products.csv,2,a1,unreadable price,'POA': it names no price"
        )
