from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.errors import DomainError
from marketplace.backups.backup import back_up


class Command(BaseCommand):
    help = (
        "Back up the database, photos and models consistently, while everything runs. The folder holds "
        "personal data and digests of keys: keep it where only staff can read it. SECRET_KEY is not included."
    )

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that does not exist yet")

    def handle(self, folder: Path, **options):
        try:
            about = back_up(folder.resolve(), now=timezone.now())
        except DomainError as error:
            raise CommandError(error.detail) from None
        except OSError as error:
            raise CommandError(f"{error.filename or folder} cannot be written: {error.strerror}.") from None
        counts = ", ".join(f"{count} {name.rpartition('.')[2]}" for name, count in about["counts"].items())
        self.stdout.write(f"Backed up to {folder}: {counts}.")
