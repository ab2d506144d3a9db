from pathlib import Path

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.errors import DomainError
from marketplace.backup import RedisLeft, restore, valid_keys


class Command(BaseCommand):
    help = (
        "Restore a backup into an empty installation, while nothing else of it runs. The index and what is "
        "trending are made anew by the workers, or with `manage.py rebuild_index`. Everybody has to log in "
        "again; keys of services are as they were."
    )
    requires_system_checks = ()

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that `manage.py backup` made")
        parser.add_argument(
            "--force", action="store_true", help="in the place of what is here, which is lost"
        )

    def handle(self, folder: Path, force: bool, **options):
        left = self._restore(folder.resolve(), force)
        call_command("migrate", interactive=False, verbosity=0)  # where the code is later than the backup
        if keys := valid_keys(timezone.now()):
            self.stdout.write(
                f"These service keys are valid again, also where they were revoked since: {', '.join(keys)}."
            )
        if left is not None:
            raise CommandError(left.detail)

    def _restore(self, folder: Path, force: bool) -> RedisLeft | None:
        """What is left to do by hand."""
        try:
            about = restore(folder, force=force)
        except RedisLeft as error:
            return error
        except DomainError as error:
            raise CommandError(error.detail) from None
        except OSError as error:
            raise CommandError(f"{error.filename or folder}: {error.strerror}.") from None
        self.stdout.write(f"Restored what was backed up at {about['made_at']}.")
        return None
