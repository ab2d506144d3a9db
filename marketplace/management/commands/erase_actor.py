from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.errors import DomainError
from recommendations.indexing.compaction import AlreadyCompacting
from recommendations.privacy import erasure
from recommendations.replica import follower

INDEX_LEFT = "The index still has vectors of their listings: run `manage.py rebuild_index` twice. {}"


class Command(BaseCommand):
    help = (
        "Erase a person: a member with merged visitors, account, tokens, events and slates. Their listings "
        "are withdrawn and keep only category and price, because others' events refer to them. Backups "
        "are not changed."
    )

    def add_arguments(self, parser):
        parser.add_argument("actor", metavar="ID", help="external id of the member or visitor")
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")

    def handle(self, actor: str, yes: bool, **options):
        try:
            person = erasure.find_person(actor)
            if not yes and not self._is_confirmed(person):
                raise CommandError("Nothing was erased.")
            counts = erasure.erase(person, now=timezone.now())
        except DomainError as error:
            raise CommandError(error.detail) from None
        for table, count in counts.items():
            self.stdout.write(f"{table}: {count}")
        if counts["listings.Listing"]:
            self._rebuild_index()

    def _is_confirmed(self, person: erasure.Person) -> bool:
        return input(f"Erase {', '.join(person.names)} for good? [y/N] ").strip().lower() in ("y", "yes")

    def _rebuild_index(self) -> None:
        try:
            erasure.rewrite_index()
        except (AlreadyCompacting, follower.ReplicaNotReady) as error:
            self.stderr.write(INDEX_LEFT.format(error))
