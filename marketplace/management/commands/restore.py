from pathlib import Path

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.errors import DomainError
from marketplace.backups.backup import RedisNotCleared, restore, valid_keys


class Command(BaseCommand):
    help = (
        "Restore a backup into an empty installation, with web, workers and beat stopped. Workers rebuild "
        "the index (or `manage.py rebuild_index`) and the trending counts. Everybody has to log in again; "
        "service keys are restored."
    )
    requires_system_checks = ()

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that `manage.py backup` made")
        parser.add_argument("--force", action="store_true", help="replace the existing data, which is lost")

    def handle(self, folder: Path, force: bool, **options):
        unfinished = self._restore(folder.resolve(), force)
        call_command("migrate", interactive=False, verbosity=0)  # for a backup of an earlier version
        if keys := valid_keys(timezone.now()):
            self.stdout.write(
                f"These service keys are valid now, even if revoked after the backup: {', '.join(keys)}."
            )
        if unfinished is not None:
            raise CommandError(unfinished.detail)

    def _restore(self, folder: Path, force: bool) -> RedisNotCleared | None:
        """Restore. Returns the error that leaves something to do by hand, if any."""
        try:
            about = restore(folder, force=force)
        except RedisNotCleared as error:
            return error
        except DomainError as error:
            raise CommandError(error.detail) from None
        except OSError as error:
            raise CommandError(f"{error.filename or folder}: {error.strerror}.") from None
        self.stdout.write(f"Restored what was backed up at {about['made_at']}.")
        return None
