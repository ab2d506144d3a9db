from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.errors import DomainError
from marketplace.backup import back_up


class Command(BaseCommand):
    help = (
        "Write the database, photos and models into a folder, as of one moment, while everything runs. It "
        "holds personal data and keys' digests: keep it where only staff can read. SECRET_KEY is not in it."
    )

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that is to be made")

    def handle(self, folder: Path, **options):
        try:
            about = back_up(folder.resolve(), now=timezone.now())
        except DomainError as error:
            raise CommandError(error.detail) from None
        except OSError as error:
            raise CommandError(f"{error.filename or folder} cannot be written: {error.strerror}.") from None
        counts = ", ".join(f"{count} {name.rpartition('.')[2]}" for name, count in about["counts"].items())
        self.stdout.write(f"Backed up to {folder}: {counts}.")
