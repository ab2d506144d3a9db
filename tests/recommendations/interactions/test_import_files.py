"""Import of event files."""

import gzip
import json
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from recommendations.models.events import Interaction

NOON = datetime(2026, 3, 14, 12, 0, 0, 123456, tzinfo=UTC)


class TestFormats:
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


class TestSources:
    ROW = {"event_id": "1", "occurred_at": NOON.isoformat(), "actor": "bob", "kind": "view"}

    def load(self, tmp_path, sofa, *sources: str | None, options=()):
        rows = [
            self.ROW | {"listing": sofa.external_id} | ({"source": source} if source else {})
            for source in sources
        ]
        file = tmp_path / "events.jsonl"
        file.write_text("\n".join(map(json.dumps, rows)))
        call_command("import_interactions", str(file), *options)
        return sorted(Interaction.objects.values_list("source", flat=True))

    def test_each_imported_row_keeps_its_own_source(self, sofa, tmp_path):
        assert self.load(tmp_path, sofa, "shop", "actor:bob") == ["actor:bob", "shop"]

    def test_an_imported_row_without_a_source_comes_from_the_import(self, sofa, tmp_path):
        assert self.load(tmp_path, sofa, "shop", None) == ["import", "shop"]

    def test_the_source_option_of_an_import_overrides_the_sources_of_the_file(self, sofa, tmp_path, capsys):
        assert self.load(tmp_path, sofa, "shop", None, options=["--source", "archive"]) == ["archive"]
        assert "1 accepted, 1 duplicate" in capsys.readouterr().out

    def test_an_imported_row_with_a_too_long_source_is_rejected(self, sofa, tmp_path, capsys):
        assert self.load(tmp_path, sofa, "s" * 251, "shop") == ["shop"]
        assert "1 accepted, 1 rejected" in capsys.readouterr().out
