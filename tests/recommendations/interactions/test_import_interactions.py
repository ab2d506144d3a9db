import gzip
import json

import pytest
from django.core.management import CommandError, call_command

from recommendations.models.events import Interaction


class TestImportInteractions:
    ROWS = [
        {"event_id": "1", "occurred_at": "2026-03-02T00:57:13Z", "actor": "shopper", "kind": "view"},
        {
            "event_id": "2",
            "occurred_at": "2026-03-02T00:58:13+01:00",
            "actor": "shopper",
            "kind": "favourite",
        },
        {"event_id": "3", "occurred_at": "2026-03-02T00:59:13", "actor": "shopper", "kind": "view"},
        {"event_id": "4", "occurred_at": "2026-03-02T00:59:13Z", "actor": "shopper", "kind": "dance"},
        {"event_id": "5", "occurred_at": "2026-03-02T00:59:13Z", "kind": "view"},
    ]

    def rows(self, listing):
        gone = self.ROWS[0] | {"event_id": "6", "listing": "gone"}
        return [row | {"listing": listing.external_id} for row in self.ROWS] + [gone]

    def as_csv(self, rows):
        names = ["event_id", "occurred_at", "actor", "listing", "kind"]
        return "\n".join([",".join(names)] + [",".join(row.get(name, "") for name in names) for row in rows])

    @pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".jsonl", ".jsonl.gz"])
    def test_events_are_imported_from_csv_and_json_lines_plain_and_gzipped(
        self, sofas, tmp_path, ending, capsys
    ):
        rows = self.rows(sofas[0])
        text = self.as_csv(rows) if "csv" in ending else "\n".join(map(json.dumps, rows))
        file = tmp_path / f"events{ending}"
        file.write_bytes(gzip.compress(text.encode()) if ending.endswith(".gz") else text.encode())
        call_command("import_interactions", str(file))
        assert "2 accepted, 1 parked, 3 rejected" in capsys.readouterr().out
        call_command("import_interactions", str(file))
        assert "3 duplicate, 3 rejected" in capsys.readouterr().out
        assert Interaction.objects.count() == 2

    @pytest.mark.parametrize(("name", "text"), [("e.csv", "a,b\n1,2"), ("e.txt", "x"), ("e.jsonl", "{oops")])
    def test_an_import_of_events_refuses_other_files_in_one_line(self, db, tmp_path, name, text):
        file = tmp_path / name
        file.write_text(text)
        with pytest.raises(CommandError) as error:
            call_command("import_interactions", str(file))
        assert "\n" not in str(error.value)
