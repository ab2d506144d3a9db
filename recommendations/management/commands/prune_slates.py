import argparse
from datetime import timedelta

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from recommendations.core.progress import progress_bar
from recommendations.interactions import parking
from recommendations.models.slates import ANONYMOUS_RETENTION
from recommendations.slates import store


def _days(text: str) -> int:
    days = int(text) if text.isdecimal() else 0
    if not 1 <= days <= 36_500:
        raise argparse.ArgumentTypeError(f"found {text!r}; accepted: whole days from 1 on.")
    return days


class Command(BaseCommand):
    help = (
        "Delete slates older than SLATE_DAYS, "
        f"slates without an actor after {ANONYMOUS_RETENTION.days} days, "
        f"and parked events whose listing was not published within {parking.RETENTION.days} days. "
        "Beat does so every night. Safe to repeat and to interrupt."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--days",
            type=_days,
            default=settings.ENVIRONMENT.slate_days,
            help="delete slates older than this many days (default: SLATE_DAYS, %(default)s)",
        )

    def handle(self, days: int, **options):
        now = timezone.now()
        with progress_bar("Deleting slates") as progress:
            slate_count = store.prune(kept=timedelta(days=days), now=now, progress=progress)
        event_count = parking.prune(now=now)
        self.stdout.write(f"Deleted: {slate_count} slates, {event_count} events of listings that never came.")
