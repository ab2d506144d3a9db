from datetime import timedelta

from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError
from django.utils import timezone

from marketplace.models import Scope, ServiceKey


class Command(BaseCommand):
    help = "Issue a key for a service, such as a marketplace's own backend. The key is printed once."

    def add_arguments(self, parser):
        parser.add_argument("name", help="name of the service, stored as the source of its events")
        parser.add_argument(
            "--scopes",
            nargs="+",
            choices=Scope.values,
            default=[Scope.FEED, Scope.EVENTS, Scope.CATALOGUE],
            help="permissions (default: feed events catalogue)",
        )
        parser.add_argument(
            "--expires-days", type=int, metavar="DAYS", help="days until it expires (default: never)"
        )

    def handle(self, name: str, scopes: list[str], expires_days: int | None, **options):
        if expires_days is not None and not 0 < expires_days <= 36_500:
            raise CommandError(f"--expires-days: found {expires_days}; accepted: a number from 1 to 36500.")
        expires_at = timezone.now() + timedelta(days=expires_days) if expires_days else None
        try:
            _, secret = ServiceKey.issue(name=name, scopes=scopes, expires_at=expires_at)
        except IntegrityError:
            raise CommandError(
                f"There is a key named {name} already; revoke it in the admin first."
            ) from None
        self.stdout.write(secret)
