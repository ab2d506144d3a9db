from pathlib import Path

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from listings.errors import DomainError
from marketplace.backup import restore


class Command(BaseCommand):
    help = (
        "Restore a backup into an empty installation, while nothing else of it runs. The index and what is "
        "trending are made anew by the workers, or with `manage.py rebuild_index`."
    )
    requires_system_checks = ()

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that `manage.py backup` made")
        parser.add_argument(
            "--force", action="store_true", help="in the place of what is here, which is lost"
        )

    def handle(self, folder: Path, force: bool, **options):
        try:
            about = restore(folder.resolve(), force=force)
        except DomainError as error:
            raise CommandError(error.detail) from None
        except OSError as error:
            raise CommandError(f"{error.filename or folder}: {error.strerror}.") from None
        call_command("migrate", interactive=False, verbosity=0)  # where the code is later than the backup
        self.stdout.write(f"Restored what was backed up at {about['made_at']}.")
