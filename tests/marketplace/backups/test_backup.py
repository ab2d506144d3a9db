"""A backup taken while everything runs is restored elsewhere and gives the same recommendations."""

import io
import shutil
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from listings.models import Actor, Listing, Photo
from marketplace.backups import backup, files, pg_tools
from marketplace.backups.backup import back_up, restore
from marketplace.models import PersonToken, ServiceKey
from marketplace.servers.postgres import INSTALLATION
from recommendations.collaborative import store
from recommendations.feed import experiments
from recommendations.feed.pipeline import build_feed
from recommendations.indexing import compaction
from recommendations.interactions import watermark
from recommendations.interactions.simulation import simulate
from recommendations.models.events import Interaction
from recommendations.models.slates import Slate
from recommendations.models.trained_models import TrainedModel
from recommendations.popularity import impression_counts, trending
from recommendations.ranking import boosts
from recommendations.replica import follower
from recommendations.retrieval.filters import Filters
from recommendations.training.collaborative import train_collaborative
from tests import factories

SEED = 7


@pytest.fixture
def elsewhere(transactional_db):
    """A connection to an empty database of this test's server."""
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS restored")
        cursor.execute("CREATE DATABASE restored TEMPLATE template0")
    other = connection.copy()
    other.settings_dict["NAME"] = "restored"
    yield other
    other.close()
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE restored WITH (FORCE)")


@contextmanager
def living(database, settings, folder: Path):
    """Let this process use the other installation for a while."""
    here = connections["default"]
    settings.MEDIA_ROOT, settings.MODEL_ROOT = folder / "media", folder / "models"
    settings.INDEX_ROOT = folder / "index"
    connections["default"] = database
    try:
        yield
    finally:
        connections["default"] = here


def feed(actor_name: str, now) -> list[tuple[str, float]]:
    """The feed of a newly started process: listings and scores in order."""
    for kept in (boosts, experiments, impression_counts):
        kept.forget()
    trending.roll_up(now=now)
    impression_counts.roll_up(now=now)
    process = follower._replica
    process.snapshot = None
    process._looked_at = ("", 0)
    process._models.__init__(store)
    process.refresh()
    actor = Actor.objects.get(external_id=actor_name)
    page = build_feed(actor=actor, filters=Filters(), limit=20, now=now, is_kept=False, seed=SEED)
    assert not set(page.degraded) - {"ranker"}
    return [(item.listing.external_id, round(float(item.score), 5)) for item in page.items]


@pytest.fixture
def world(alice, bob, follow, now):
    """A catalogue of sofas and bicycles with a trained model; Bob is one of the shoppers."""
    for number in range(12):
        title, path = f"Mountain bike {number}", "Sports / Bicycles"
        factories.listing(alice, f"Blue sofa {number}", price=20 + number, external_id=f"sofa-{number:02}")
        factories.listing(alice, title, path=path, price=80 + number, external_id=f"bike-{number:02}")
    factories.photo(Listing.objects.get(external_id="sofa-00"))
    follow()
    simulate(shopper_count=30, seed=2, now=now)
    train_collaborative(now=now, force=True)
    for number in range(3):
        factories.event(
            bob, Listing.objects.get(external_id=f"sofa-{number:02}"), at=now - timedelta(hours=1)
        )
    return now


class TestRoundTrip:
    def test_a_restored_system_gives_the_same_feed(self, world, elsewhere, settings, tmp_path):
        now = world
        here, photos = feed("bob", now), stored(settings.MEDIA_ROOT)
        before = {model: model.objects.count() for model in (Interaction, Slate, Photo, TrainedModel)}
        back_up(tmp_path / "backup", now=now)
        Interaction.objects.all().delete()  # changes after the backup are not in it
        shutil.rmtree(settings.MEDIA_ROOT)
        trending.client().set("keep", "me")
        with living(elsewhere, settings, tmp_path / "there"):
            restore(tmp_path / "backup", database=elsewhere)
            there = feed("bob", now)
            assert there == here
            assert len(here) == 20
            assert follower.snapshot().collaborative is not None
            assert {model: model.objects.count() for model in before} == before
            assert stored(settings.MEDIA_ROOT) == photos
            assert compaction.verify().agrees
            self.goes_on(now)
        assert trending.client().get("keep") == b"me"

    def goes_on(self, now) -> None:
        """Transaction ids are below those of this server, and keep their order around reader positions."""
        newest = max(Interaction.objects.values_list("transaction_id", flat=True))
        assert newest < 100 < watermark.horizon()
        model = TrainedModel.objects.get(kind="collaborative", status="active")
        unread = Interaction.objects.filter(transaction_id__gte=model.horizon)
        assert {event.actor.external_id for event in unread} == {"bob"}
        carol = Actor.objects.create(external_id="carol")  # sequences continue, too
        factories.event(carol, Listing.objects.get(external_id="bike-00"))
        assert trending.roll_up(now=timezone.now()) == 1


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

    def test_files_of_an_unfinished_training_are_not_backed_up(self, alice, settings, tmp_path, now):
        half = settings.MODEL_ROOT / "collaborative" / ".building-1"
        half.mkdir(parents=True)
        (half / "half").write_text("half")
        back_up(tmp_path / "backup", now=now)
        assert stored(tmp_path / "backup" / "models") == {}

    def test_the_command_line_of_pg_dump_does_not_show_the_password(self, db):
        other = connection.copy()
        other.settings_dict["PASSWORD"] = "hunter2-hunter2"
        assert "hunter2" not in pg_tools._address(other)

    @pytest.mark.parametrize(("server", "chosen"), [(18, 18), (17, 17), (16, 17)])
    def test_pg_dump_is_of_the_servers_version_or_the_next_newer(self, server, chosen):
        versions = {Path("/wheel"): 18, Path("/usr/bin"): 17, Path("/broken"): 0}
        assert versions[pg_tools.fitting(versions, server)] == chosen

    def test_pg_dump_older_than_the_server_is_refused(self):
        with pytest.raises(pg_tools.NoPrograms, match="PostgreSQL 19"):
            pg_tools.fitting({Path("/wheel"): 18}, 19)

    def test_pg_dump_of_the_wheel_is_found_without_any_on_path(self, db, monkeypatch):
        monkeypatch.setenv("PATH", "/nowhere")
        assert pg_tools.folder_for(connection).parts[-2:] == (INSTALLATION, "bin")


@pytest.fixture
def made(alice, settings, tmp_path, now) -> Path:
    """A backup with one photo and its owner."""
    factories.photo(factories.listing(alice))
    back_up(tmp_path / "backup", now=now)
    return tmp_path / "backup"


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

    @pytest.mark.parametrize("damage", ["dump", "photo", "missing", "manifest", "stranger"])
    def test_restoring_a_damaged_backup_changes_nothing(
        self, transactional_db, made, elsewhere, settings, damage
    ):
        photo = next((made / "media").rglob("*.jpg"))
        hurt = {
            "dump": lambda: (made / "database.dump").write_bytes(b"PGDMP"),
            "photo": lambda: photo.write_bytes(b"other"),
            "missing": photo.unlink,
            "manifest": lambda: (made / "manifest.json").write_text("{"),
            "stranger": lambda: (made / "manifest.json").write_text("[]"),
        }
        hurt[damage]()
        with pytest.raises(files.BadBackup, match=str(made)):
            restore(made, database=elsewhere)
        assert elsewhere.introspection.table_names() == []

    def test_a_restore_that_fails_half_way_changes_nothing(
        self, transactional_db, made, elsewhere, monkeypatch
    ):
        monkeypatch.setattr(backup, "_RENUMBER", "SELECT 1/0;")
        with pytest.raises(pg_tools.ProgramFailed, match="division by zero"):
            restore(made, force=True, database=elsewhere)
        assert elsewhere.introspection.table_names() == []

    def test_a_backup_of_later_code_is_refused(self, transactional_db, made, elsewhere):
        file = made / "manifest.json"
        file.write_text(file.read_text().replace("listings.0001_initial", "listings.0999_later"))
        with pytest.raises(files.BadBackup, match="listings.0999_later"):
            restore(made, database=elsewhere)


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


def stored(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
