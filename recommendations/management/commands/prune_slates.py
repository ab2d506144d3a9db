import argparse
from datetime import timedelta

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from recommendations import parking, slates
from recommendations.progress import progress_bar
from recommendations.slates import OF_STRANGERS_KEPT


def _days(text: str) -> int:
    days = int(text) if text.isdecimal() else 0
    if not 1 <= days <= 36_500:
        raise argparse.ArgumentTypeError(f"found {text!r}; accepted: whole days from 1 on.")
    return days


class Command(BaseCommand):
    help = (
        f"Delete slates that are older than SLATE_DAYS, those of nobody known after {OF_STRANGERS_KEPT.days} "
        f"days, and events whose listing did not come within {parking.KEPT.days} days. Beat does so every "
        "night; it can be repeated and broken off at any time."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--days",
            type=_days,
            default=settings.ENVIRONMENT.slate_days,
            help="keep the slates of so many days (default: SLATE_DAYS, %(default)s)",
        )

    def handle(self, days: int, **options):
        now = timezone.now()
        with progress_bar("Deleting slates") as progress:
            slate_count = slates.prune(kept=timedelta(days=days), now=now, progress=progress)
        parked = parking.prune(now=now)
        self.stdout.write(f"Deleted: {slate_count} slates, {parked} events of listings that never came.")
