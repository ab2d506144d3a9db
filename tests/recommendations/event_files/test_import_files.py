"""Import of event files."""

import csv
import gzip
import json
from datetime import UTC, datetime

import pyarrow
import pyarrow.parquet
import pytest
from django.core.management import CommandError, call_command

from recommendations.models.events import Interaction
from tests import factories

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


class TestEveryRow:
    ROW = {"event_id": "1", "occurred_at": NOON.isoformat(), "actor": "bob", "kind": "view"}

    def lines(self, *sofas) -> list[str]:
        rows = [
            self.ROW | {"listing": sofa.external_id, "event_id": str(place)}
            for place, sofa in enumerate(sofas)
        ]
        return [json.dumps(row) for row in rows]

    def test_a_broken_line_of_events_ends_nothing_and_is_reported(self, sofas, tmp_path, capsys):
        first, second = self.lines(*sofas[:2])
        (tmp_path / "events.jsonl").write_text(f'{first}\n{{"event_id": \n{second}\n')
        report = tmp_path / "refused.csv"
        call_command("import_interactions", str(tmp_path / "events.jsonl"), report=report)
        assert "2 accepted, 1 rejected" in capsys.readouterr().out and Interaction.objects.count() == 2
        (row,) = csv.DictReader(report.open())
        assert (row["row"], row["outcome"]) == ("2", "rejected") and "line 2 is no JSON" in row["reason"]

    def test_all_refused_rows_are_in_the_report_and_strict_makes_them_a_failure(self, sofa, tmp_path):
        rows = [self.ROW | {"event_id": str(number), "kind": "dance"} for number in range(30)]
        (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, rows)))
        report = tmp_path / "refused.csv"
        with pytest.raises(CommandError, match="30 rows were refused"):
            call_command("import_interactions", str(tmp_path / "events.jsonl"), strict=True, report=report)
        assert len(list(csv.DictReader(report.open()))) == 30

    @pytest.mark.parametrize("name", ["events.jsonl", "events.parquet", "events.csv"])
    def test_ids_that_are_numbers_keep_all_their_digits(self, alice, tmp_path, name):
        big = 2**60 + 1
        sofa = factories.listing(alice, external_id=str(big))
        rows = [self.ROW | {"event_id": 9001001, "listing": big, "actor": big}, self.ROW | {"listing": None}]
        if name.endswith(".parquet"):
            rows = [{key: row[key] for key in row} | {"event_id": int(row["event_id"])} for row in rows[:1]]
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / name)
        elif name.endswith(".csv"):
            keys = list(rows[0])
            lines = [",".join(keys), *(",".join(str(row.get(key) or "") for key in keys) for row in rows)]
            (tmp_path / name).write_text("\n".join(lines))
        else:
            (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))
        call_command("import_interactions", str(tmp_path / name))
        event = Interaction.objects.get()
        assert (event.event_id, event.listing, event.actor.external_id) == ("9001001", sofa, str(big))

    def test_semicolons_and_windows_1252_are_recognised_and_named(self, sofa, tmp_path, capsys):
        keys = ["event_id", "occurred_at", "actor", "listing", "kind"]
        row = self.ROW | {"listing": sofa.external_id, "actor": "zoë"}
        text = ";".join(keys) + "\n" + ";".join(row[key] for key in keys)
        (tmp_path / "events.csv").write_bytes(text.encode("cp1252"))
        call_command("import_interactions", str(tmp_path / "events.csv"))
        assert "read as Windows-1252, semicolons between fields" in capsys.readouterr().out
        assert Interaction.objects.get().actor.external_id == "zoë"
