from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.photos.cleanup import ForeignPhotoFolder, sweep_photos


class Command(BaseCommand):
    help = (
        "Delete photo files older than a day that belong to no photo, as left behind by a killed process. "
        "Beat runs it nightly. Safe to repeat."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--force",
            action="store_true",
            help="delete even when most files belong to no photo of this database",
        )

    def handle(self, force: bool, **options):
        try:
            count = sweep_photos(now=timezone.now(), force=force)
        except ForeignPhotoFolder as error:
            raise CommandError(error.detail) from None
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be swept: {error.strerror}.") from None
        self.stdout.write(f"Deleted {count:,} photos that belonged to no listing.")
