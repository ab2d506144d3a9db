from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.photo_sweeping import sweep_photos


class Command(BaseCommand):
    help = (
        "Delete photo files that are older than a day and that no photo names: a killed process leaves such. "
        "Beat does so nightly. Doing it twice is no mistake."
    )

    def handle(self, **options):
        try:
            count = sweep_photos(now=timezone.now())
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be swept: {error.strerror}.") from None
        self.stdout.write(f"{count:,} photos deleted that nothing named.")
