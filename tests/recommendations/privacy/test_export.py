"""Export of a person's data."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recommendations.privacy import erasure, export
from recommendations.privacy.erasure import ACTOR_RULES
from tests import factories
from tests.recommendations.offered import served

pytestmark = pytest.mark.django_db(transaction=True)


class TestExport:
    def rows(self, folder, name: str = "alice") -> list[dict]:
        file = folder / "exported.jsonl"
        with open("/dev/null", "w") as silence:  # noqa: PTH123
            call_command("export_actor", name, "--output", str(file), stdout=silence)
        assert file.stat().st_mode & 0o077 == 0
        return [json.loads(line) for line in file.read_text().splitlines()]

    def test_an_export_holds_rows_of_every_table_about_the_person(self, life, tmp_path):
        tables = {row["table"] for row in self.rows(tmp_path)}
        knowing = {name.rpartition(".")[0] for name in ACTOR_RULES} | {"marketplace.PersonToken", "auth.User"}
        assert knowing | {"listings.Photo", "listings.PhotoSource", "recommendations.Impression"} <= tables

    def test_an_export_names_actors_and_listings_by_external_id(self, life, visitor, tmp_path):
        rows = self.rows(tmp_path)
        events = [row for row in rows if row["table"] == "recommendations.Interaction"]
        assert {row["actor"] for row in events} == {"alice", visitor.external_id}
        assert {row["listing"] for row in events} == {life["his"].external_id, life["bought"].external_id}
        slate = next(row for row in rows if row["table"] == "recommendations.Slate")
        assert slate["listing_ids"] == [life["his"].external_id]

    def test_an_export_of_many_slates_takes_no_more_queries_than_of_one(
        self, alice, now, django_assert_max_num_queries
    ):
        def slate_listings() -> list[list[str]]:
            rows = export.export(erasure.find_person("alice"))
            return [row["listing_ids"] for row in rows if row["table"] == "recommendations.Slate"]

        listing = factories.listing(alice, external_id="sofa")
        served(alice, [listing], now)
        with CaptureQueriesContext(connection) as of_one:
            assert slate_listings() == [["sofa"]]
        for _ in range(20):
            served(alice, [listing], now)
        with django_assert_max_num_queries(len(of_one)):
            assert slate_listings() == [["sofa"]] * 21

    def test_an_export_holds_no_rows_of_others_and_no_secrets(self, life, tmp_path):
        text = json.dumps(self.rows(tmp_path))
        assert '"actor": "bob"' not in text
        assert not {"password", "digest"} & {name for row in json.loads(text) for name in row}

    def test_an_export_does_not_overwrite_a_file(self, alice, tmp_path):
        (tmp_path / "exported.jsonl").write_text("mine")
        with pytest.raises(CommandError, match="cannot be written"):
            self.rows(tmp_path)
        assert (tmp_path / "exported.jsonl").read_text() == "mine"
