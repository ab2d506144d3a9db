"""Backups and their restoration, refused wherever something would be lost."""

import io

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from listings.models import Actor, Listing
from marketplace.backups import backup, files, pg_tools
from marketplace.backups.backup import back_up, restore
from marketplace.models import PersonToken, ServiceKey
from tests.marketplace.backups.living import living


class TestBackup:
    def test_a_backup_folder_is_complete_and_closed_to_others(self, transactional_db, alice, tmp_path, now):
        about = back_up(tmp_path / "backup", now=now)
        assert about["counts"]["listings.Actor"] == 1
        assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
        assert files.read_manifest(tmp_path / "backup")["made_at"] == about["made_at"]
        assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []

    def test_a_failed_backup_leaves_no_folder(self, alice, tmp_path, now, monkeypatch):
        monkeypatch.setattr(pg_tools, "places", list)
        with pytest.raises(pg_tools.NoPrograms, match="postgresql-client"):
            back_up(tmp_path / "backup", now=now)
        assert not [file for file in tmp_path.iterdir() if "backup" in file.name]

    def test_a_backup_into_a_folder_that_is_not_empty_is_refused(self, db, tmp_path, now):
        (tmp_path / "mine").write_text("precious")
        with pytest.raises(backup.FolderNotEmpty):
            back_up(tmp_path, now=now)


class TestRestore:
    def test_a_restore_over_data_is_refused_unless_forced(
        self, transactional_db, made, elsewhere, settings, tmp_path
    ):
        with living(elsewhere, settings, tmp_path / "there"):
            restore(made, database=elsewhere)
            Listing.objects.update(title="Changed since")
            with pytest.raises(backup.InstallationNotEmpty, match="--force"):
                restore(made, database=elsewhere)
            assert Listing.objects.get().title == "Changed since"
            restore(made, force=True, database=elsewhere)
            assert Listing.objects.get().title == "Blue sofa"

    def test_a_restore_over_a_single_account_is_refused(
        self, transactional_db, tmp_path, now, elsewhere, settings
    ):
        back_up(tmp_path / "backup", now=now)
        with living(elsewhere, settings, tmp_path / "there"):
            restore(tmp_path / "backup", database=elsewhere)
            restore(tmp_path / "backup", database=elsewhere)  # it is still empty
            User.objects.create_user("operator")
            with pytest.raises(backup.InstallationNotEmpty):
                restore(tmp_path / "backup", database=elsewhere)

    @pytest.mark.parametrize("table", ["ledger", "recommendations_readerposition"])
    def test_a_restore_over_unknown_tables_is_refused(self, transactional_db, made, elsewhere, table):
        with elsewhere.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {table} AS SELECT 1 AS amount")
        with pytest.raises(backup.InstallationNotEmpty, match=table):
            restore(made, database=elsewhere)
        assert elsewhere.introspection.table_names() == [table]

    @pytest.mark.parametrize("folder", ["media", "models"])
    def test_a_restore_over_files_beside_an_empty_database_is_refused(
        self, transactional_db, made, elsewhere, settings, tmp_path, folder
    ):
        mine = tmp_path / "there" / folder / "photos" / "mine.jpg"
        mine.parent.mkdir(parents=True)
        mine.write_text("mine")
        there = living(elsewhere, settings, tmp_path / "there")
        with there, pytest.raises(backup.InstallationNotEmpty, match=f"there/{folder}"):
            restore(made, database=elsewhere)
        assert mine.read_text() == "mine"
        assert elsewhere.introspection.table_names() == []

    def test_a_restore_while_others_are_connected_is_refused(self, transactional_db, made, elsewhere):
        elsewhere.ensure_connection()
        busy = elsewhere.copy()
        busy.ensure_connection()
        with pytest.raises(backup.DatabaseInUse, match="stop web, workers and beat"):
            restore(made, database=elsewhere)
        busy.close()

    def test_a_restore_that_fails_half_way_changes_nothing(
        self, transactional_db, made, elsewhere, monkeypatch
    ):
        monkeypatch.setattr(backup, "_RENUMBER", "SELECT 1/0;")
        with pytest.raises(pg_tools.ProgramFailed, match="division by zero"):
            restore(made, force=True, database=elsewhere)
        assert elsewhere.introspection.table_names() == []


class TestCommands:
    def test_backup_and_restore_commands_print_what_was_done_or_why_not(
        self, transactional_db, alice, tmp_path
    ):
        output = io.StringIO()
        call_command("backup", str(tmp_path / "backup"), stdout=output)
        assert "1 Actor, 0 Listing, 0 Interaction" in output.getvalue()
        with pytest.raises(CommandError, match="not empty"):
            call_command("backup", str(tmp_path / "backup"))
        with pytest.raises(CommandError, match="is not a backup"):
            call_command("restore", str(tmp_path / "nothing"))
        with pytest.raises(CommandError, match="--force"):
            call_command("restore", str(tmp_path / "backup"))

    def test_a_restore_deletes_sessions_and_tokens_and_names_the_keys_that_are_valid_again(
        self, transactional_db, alice, elsewhere, settings, tmp_path
    ):
        Client().force_login(alice.user)
        PersonToken.objects.create(alice.user)
        for name, over in (("shop", {}), ("old", {"revoked_at": timezone.now()})):
            key, _ = ServiceKey.issue(name=name, scopes=["feed"])
            ServiceKey.objects.filter(pk=key.pk).update(**over) if over else None
        call_command("backup", str(tmp_path / "backup"), stdout=io.StringIO())
        with living(elsewhere, settings, tmp_path / "there"):
            output = io.StringIO()
            call_command("restore", str(tmp_path / "backup"), stdout=output)
            assert "even if revoked after the backup: shop.\n" in output.getvalue()
            assert Actor.objects.filter(user__username="alice").exists()
            assert not Session.objects.exists() and not PersonToken.objects.exists()

    def test_a_restore_without_redis_migrates_the_tables_and_says_what_is_left(
        self, transactional_db, elsewhere, settings, tmp_path, monkeypatch
    ):
        later = Permission.objects.filter(codename="view_boost")
        later.delete()  # migrate creates the missing rows
        call_command("backup", str(tmp_path / "backup"), stdout=io.StringIO())
        settings.REDIS_URL = "redis://127.0.0.1:1"
        with living(elsewhere, settings, tmp_path / "there"):
            with pytest.raises(CommandError, match="Restored, but Redis still has"):
                call_command("restore", str(tmp_path / "backup"), stdout=io.StringIO())
            assert later.exists()
        monkeypatch.undo()
