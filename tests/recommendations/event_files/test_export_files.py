"""Export of events into files, and the way back."""

import csv
import gzip
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from listings.models import Actor
from recommendations.event_files import export_files
from recommendations.event_files.export_files import export_events, select_events
from recommendations.interactions.recording import Event, record
from recommendations.models.events import Interaction
from tests import factories

ENDINGS = [".csv", ".csv.gz", ".jsonl", ".jsonl.gz"]


STORED = (
    *("source", "event_id", "actor__external_id", "listing__external_id"),
    *("kind", "slate", "position", "occurred_at"),
)


NOON = datetime(2026, 3, 14, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def says(bob, sofa, now):
    """says("shop", "1", at=NOON) records a view of the sofa by Bob with the shop as source."""

    def say(source, event_id, kind="view", *, at=NOON, actor=bob, listing=sofa, **shown):
        event = Event(event_id, actor, listing.external_id, kind, occurred_at=at, **shown)
        assert record(source=source, events=[event], now=now)[0].outcome == "accepted"

    return say


@pytest.fixture
def before(says, sofa, alice, charlie):
    """Events of two sources that share the event id 1, with unusual names and the latest one first."""
    odd = factories.listing(alice, "Lamp", external_id='lamp, "2" 007')
    visitor = Actor.objects.create(external_id="0042")
    says("shop", "3", "purchase", at=NOON + timedelta(microseconds=1), actor=charlie)
    says("shop", "1", "favourite", slate="slate-1", position=0)
    says("actor:bob", "1", "view", at=NOON - timedelta(days=90), listing=odd, actor=visitor, position=7)
    says("actor:bob", 'a\r"b"\n,', "hide", at=NOON.replace(microsecond=0), slate="null")
    return stored()


def stored() -> list[tuple]:
    return list(Interaction.objects.order_by("occurred_at", "pk").values_list(*STORED))


def rows_of(path) -> list[dict]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    if ".csv" in path.suffixes:
        return list(csv.DictReader(io.StringIO(text, newline="")))
    return [json.loads(line) for line in text.split("\n") if line]


def export(path, *options: str) -> None:
    call_command("export_interactions", str(path), *options)


class TestRoundTrip:
    @pytest.mark.parametrize("ending", ENDINGS)
    def test_events_exported_deleted_and_imported_are_what_they_were(self, before, tmp_path, ending, capsys):
        export(tmp_path / f"events{ending}")
        Interaction.objects.all().delete()
        call_command("import_interactions", str(tmp_path / f"events{ending}"))
        assert "4 accepted\n" in capsys.readouterr().out
        assert stored() == before

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_an_export_imported_where_it_came_from_is_all_duplicates(self, before, tmp_path, ending, capsys):
        export(tmp_path / f"events{ending}")
        call_command("import_interactions", str(tmp_path / f"events{ending}"))
        assert "4 duplicate\n" in capsys.readouterr().out
        assert stored() == before

    def test_an_import_of_events_makes_missing_actors_again(self, says, bob, sofa, tmp_path):
        says("shop", "1", actor=Actor.objects.create(external_id="dora"))
        export(tmp_path / "events.csv")
        Actor.objects.filter(external_id="dora").delete()
        call_command("import_interactions", str(tmp_path / "events.csv"))
        assert Interaction.objects.get().actor.external_id == "dora"

    def test_more_events_than_a_chunk_are_exported_and_imported(self, says, tmp_path, monkeypatch):
        monkeypatch.setattr(export_files, "CHUNK_ROWS", 3)
        for number in range(8):
            says("shop", str(number), at=NOON + timedelta(seconds=number))
        before = stored()
        export(tmp_path / "events.jsonl")
        Interaction.objects.all().delete()
        call_command("import_interactions", str(tmp_path / "events.jsonl"))
        assert stored() == before


class TestWhatIsExported:
    def test_each_exported_event_is_a_row_with_every_column(self, says, bob, sofa, tmp_path):
        says("shop", "1", "favourite", slate="slate-1", position=3)
        export(tmp_path / "events.csv")
        assert rows_of(tmp_path / "events.csv") == [
            {
                "event_id": "1",
                "occurred_at": "2026-03-14T12:00:00.123456+00:00",
                "actor": "bob",
                "listing": sofa.external_id,
                "kind": "favourite",
                "slate": "slate-1",
                "position": "3",
                "source": "shop",
            }
        ]

    def test_unknown_values_are_left_out_of_exported_json_lines(self, says, tmp_path):
        says("shop", "1")
        export(tmp_path / "events.jsonl")
        assert not {"slate", "position"} & set(rows_of(tmp_path / "events.jsonl")[0])

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_exported_events_are_in_the_order_in_which_they_happened(self, before, tmp_path, ending):
        export(tmp_path / f"events{ending}")
        times = [row["occurred_at"] for row in rows_of(tmp_path / f"events{ending}")]
        assert [datetime.fromisoformat(time) for time in times] == [row[-1] for row in before]

    def test_an_export_can_be_limited_to_one_source(self, before, tmp_path):
        export(tmp_path / "events.csv", "--source", "shop")
        assert [row["event_id"] for row in rows_of(tmp_path / "events.csv")] == ["1", "3"]

    def test_an_export_includes_since_and_excludes_until(self, says, tmp_path):
        for hour in range(4):
            says("shop", str(hour), at=NOON + timedelta(hours=hour))
        since, until = (NOON + timedelta(hours=1)).isoformat(), (NOON + timedelta(hours=3)).isoformat()
        export(tmp_path / "events.csv", "--since", since, "--until", until)
        assert [row["event_id"] for row in rows_of(tmp_path / "events.csv")] == ["1", "2"]

    def test_a_time_of_an_export_without_a_zone_is_in_that_of_the_settings(self, says, tmp_path):
        midsummer = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)  # already July in London
        for number, minutes in enumerate((-31, 0)):
            says("shop", str(number), at=midsummer + timedelta(minutes=minutes))
        export(tmp_path / "events.csv", "--since", "2026-07-01")
        assert [row["event_id"] for row in rows_of(tmp_path / "events.csv")] == ["1"]

    def test_an_export_prints_how_many_events_it_wrote(self, before, tmp_path, capsys):
        export(tmp_path / "events.csv")
        assert capsys.readouterr().out.endswith(f"4 events written to {tmp_path / 'events.csv'}.\n")

    def test_an_export_to_a_dash_writes_nothing_but_lines_to_standard_output(self, before, capsys):
        export("-")
        output = capsys.readouterr()
        assert [json.loads(line)["event_id"] for line in output.out.split("\n") if line] == [
            row[1] for row in before
        ]
        assert output.err == "4 events written.\n"

    def test_an_export_reports_progress_chunk_by_chunk(self, before, tmp_path, monkeypatch):
        monkeypatch.setattr(export_files, "CHUNK_ROWS", 2)
        calls = []
        export_events(select_events(), tmp_path / "e.csv", progress=lambda *done: calls.append(done))
        assert calls == [(2, 4), (4, 4)]

    def test_an_export_reads_through_a_cursor_of_the_database(self, before, tmp_path, monkeypatch):
        monkeypatch.setattr(export_files, "CHUNK_ROWS", 2)
        counts = []

        def look(done, total):
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_cursors WHERE statement LIKE '%occurred_at%'")
                counts.append(cursor.fetchone()[0])

        export_events(select_events(), tmp_path / "e.csv", progress=look)
        assert counts[0] == 1


class TestTheFileIsWholeOrNotThere:
    @pytest.fixture
    def broken(self, before, monkeypatch):
        """The third row cannot be written."""
        real = export_files._json_writer

        def breaking(file):
            write, rows = real(file), iter(range(2))
            return lambda row: write(row) if next(rows, None) is not None else 1 / 0

        monkeypatch.setattr(export_files, "_json_writer", breaking)

    def test_an_export_that_breaks_leaves_no_file(self, broken, tmp_path):
        with pytest.raises(ZeroDivisionError):
            export(tmp_path / "events.jsonl")
        assert [path for path in tmp_path.iterdir() if path.is_file()] == []

    def test_an_export_that_breaks_leaves_the_file_of_before(self, broken, tmp_path):
        (tmp_path / "events.jsonl").write_text("before")
        with pytest.raises(ZeroDivisionError):
            export(tmp_path / "events.jsonl")
        assert (tmp_path / "events.jsonl").read_text() == "before"

    def test_an_export_replaces_the_file_of_before(self, before, tmp_path):
        export(tmp_path / "events.csv")
        export(tmp_path / "events.csv", "--source", "shop")
        assert len(rows_of(tmp_path / "events.csv")) == 2
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["events.csv"]


class TestRefusals:
    def refusal(self, *words) -> str:
        with pytest.raises(CommandError) as error:
            export(*words)
        assert "\n" not in str(error.value)
        return str(error.value)

    @pytest.mark.parametrize("name", ["events.txt", "events", "events.gz", "events.csv.zip"])
    def test_an_export_refuses_another_ending(self, before, tmp_path, name):
        assert "accepted: .csv or .jsonl, also with .gz" in self.refusal(tmp_path / name)
        assert not (tmp_path / name).exists()

    def test_an_export_refuses_a_missing_folder(self, before, tmp_path):
        assert self.refusal(tmp_path / "gone" / "e.csv") == f"There is no folder {tmp_path / 'gone'}."

    def test_an_export_refuses_a_folder_in_the_place_of_the_file(self, before, tmp_path):
        (tmp_path / "e.csv").mkdir()
        assert self.refusal(tmp_path / "e.csv") == f"{tmp_path / 'e.csv'} is a folder."

    def test_an_export_reports_a_file_that_the_system_refuses(self, before, tmp_path):
        assert "cannot be written: File name too long." in self.refusal(tmp_path / f"{'e' * 300}.csv")

    def test_an_export_refuses_a_malformed_time(self, before, tmp_path):
        assert "a time in ISO 8601" in self.refusal(tmp_path / "e.csv", "--since", "yesterday")

    def test_an_export_of_an_empty_log_is_refused(self, db, tmp_path):
        assert self.refusal(tmp_path / "e.csv") == "There are no events to export."
        assert not (tmp_path / "e.csv").exists()

    @pytest.mark.parametrize("options", [["--source", "nobody"], ["--since", "2100-01-01"]])
    def test_an_export_of_a_source_or_time_without_events_is_refused(self, before, tmp_path, options):
        refusal = self.refusal(tmp_path / "e.csv", *options)
        assert refusal == "There are no events of that source and time."
