from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.photo_sweeping import NotTheirs, sweep_photos


class Command(BaseCommand):
    help = (
        "Delete photo files that are older than a day and that no photo names: a killed process leaves such. "
        "Beat does so nightly. Doing it twice is no mistake."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--force",
            action="store_true",
            help="also where most photos are named by nothing in this database",
        )

    def handle(self, force: bool, **options):
        try:
            count = sweep_photos(now=timezone.now(), force=force)
        except NotTheirs as error:
            raise CommandError(error.detail) from None
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be swept: {error.strerror}.") from None
        self.stdout.write(f"{count:,} photos deleted that nothing named.")
