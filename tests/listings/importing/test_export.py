"""Export of the catalogue as rows of the batch endpoint."""

import json

from django.core.management import call_command

from tests.listings.importing.exports import SOFAS


class TestExport:
    def test_export_listings_writes_rows_for_the_batch_endpoint(self, export, run, tmp_path):
        export.write()
        run()
        call_command("export_listings", output=tmp_path / "listings.jsonl")
        rows = [json.loads(line) for line in (tmp_path / "listings.jsonl").read_text().splitlines()]
        assert [row["external_id"] for row in rows] == ["a1", "a2", "a3"]
        assert rows[0] | {"created_at": None, "seller": None} == {
            "external_id": "a1",
            "seller": None,
            "title": "Sofa a1",
            "description": "A sofa.",
            "price": "1200.00",
            "condition": "unknown",
            "category": SOFAS,
            "place": "Bath, Somerset",
            "latitude": 51.38,
            "longitude": -2.36,
            "status": "active",
            "source_version": None,
            "created_at": None,
        }
