"""Files left behind by a killed process are deleted; files with a row and new files stay."""

import io
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from listings.models import Photo
from listings.photos import cleanup, processing
from listings.photos.cleanup import KEPT_FOR, sweep_photos
from recommendations import tasks
from tests import factories


@pytest.fixture
def media(settings) -> Path:
    return settings.MEDIA_ROOT


def left_behind() -> str:
    """Name of a photo whose files were written and whose row was not."""
    return processing.store(processing.receive(factories.picture(size=(900, 700))))


def aged(media: Path, now, by: timedelta = KEPT_FOR + timedelta(minutes=1)) -> set[Path]:
    """All files, with their modification times set to long ago."""
    files = {file for file in media.rglob("*") if file.is_file()}
    for file in files:
        os.utime(file, ((now - by).timestamp(),) * 2)
    return files


class TestSweeping:
    def test_files_without_a_photo_row_are_deleted_in_every_size_and_other_files_stay(
        self, alice, media, now
    ):
        named = factories.photo(factories.listing(alice)).file.name
        (media / "photos" / "notes.txt").write_text("somebody's")
        (media / "photos" / named.split("/")[1] / "notes.jpg").write_text("somebody's")
        kept, lost = aged(media, now), left_behind()
        old = aged(media, now)
        assert len(old - kept) == len(processing.Size)
        assert sweep_photos(now=now) == 1
        assert {file for file in media.rglob("*") if file.is_file()} == kept
        assert not processing.path_of(lost).exists()
        assert sweep_photos(now=now) == 0

    def test_an_old_unfinished_photo_file_is_deleted(self, alice, media, now):
        named = processing.path_of(factories.photo(factories.listing(alice)).file.name)
        building = named.with_name(f"{processing.BUILDING}{'0' * 32}-640.jpg")
        building.touch()
        aged(media, now)
        assert sweep_photos(now=now) == 1
        assert named.exists() and not building.exists()

    def test_a_sweep_that_would_delete_many_photos_is_refused_unless_forced(
        self, alice, media, now, monkeypatch
    ):
        monkeypatch.setattr(cleanup, "MANY", 2)
        factories.photo(factories.listing(alice))
        for _ in range(3):
            left_behind()
        files = aged(media, now)
        with pytest.raises(CommandError, match="3 photos have no row.*--force"):
            call_command("sweep_photos")
        assert {file for file in media.rglob("*") if file.is_file()} == files
        call_command("sweep_photos", "--force")
        assert len([file for file in media.rglob("*") if file.is_file()]) == len(processing.Size)

    def test_files_of_a_photo_that_is_being_added_are_kept(self, db, media, now):
        left_behind()
        aged(media, now, by=KEPT_FOR - timedelta(minutes=1))
        assert sweep_photos(now=now) == 0
        assert sweep_photos(now=now + timedelta(minutes=2)) == 1

    def test_files_of_an_erased_photo_are_deleted_by_the_nightly_task(self, alice, media, now):
        factories.photo(factories.listing(alice))
        aged(media, now)
        Photo.objects.all().delete()  # and killed before the files were deleted
        assert tasks.sweep_photos() == 1
        assert not [file for file in media.rglob("*") if file.is_file()]

    def test_sweep_photos_prints_how_many_photos_it_deleted(self, db, media, now):
        output = io.StringIO()
        call_command("sweep_photos", stdout=output)  # where nothing was ever stored
        left_behind()
        aged(media, now)
        call_command("sweep_photos", stdout=output)
        assert output.getvalue().split("\n")[:2] == [
            f"Deleted {count} photos that belonged to no listing." for count in (0, 1)
        ]
