"""Manifest and files of a backup."""

import pytest

from marketplace.backups import files
from marketplace.backups.backup import back_up, restore
from tests.marketplace.backups.living import stored


class TestFiles:
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

    def test_a_backup_of_later_code_is_refused(self, transactional_db, made, elsewhere):
        file = made / "manifest.json"
        file.write_text(file.read_text().replace("listings.0001_initial", "listings.0999_later"))
        with pytest.raises(files.BadBackup, match="listings.0999_later"):
            restore(made, database=elsewhere)

    def test_files_of_an_unfinished_training_are_not_backed_up(self, alice, settings, tmp_path, now):
        half = settings.MODEL_ROOT / "collaborative" / ".building-1"
        half.mkdir(parents=True)
        (half / "half").write_text("half")
        back_up(tmp_path / "backup", now=now)
        assert stored(tmp_path / "backup" / "models") == {}
