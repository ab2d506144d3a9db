from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError

from marketplace.models import Scope, ServiceKey


class Command(BaseCommand):
    help = "Issue a key for a service, such as a marketplace's own backend. The key is printed once."

    def add_arguments(self, parser):
        parser.add_argument("name", help="which service it is for; its events are vouched for by this name")
        parser.add_argument(
            "--scopes",
            nargs="+",
            choices=Scope.values,
            default=[Scope.FEED, Scope.EVENTS, Scope.CATALOGUE],
            help="what it may do (default: feed events catalogue)",
        )

    def handle(self, name: str, scopes: list[str], **options):
        try:
            _, secret = ServiceKey.issue(name=name, scopes=scopes)
        except IntegrityError:
            raise CommandError(
                f"There is a key named {name} already; revoke it in the admin first."
            ) from None
        self.stdout.write(secret)
