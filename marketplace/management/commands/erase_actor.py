from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.errors import DomainError
from recommendations import data_rights, replica
from recommendations.compaction import AlreadyCompacting

INDEX_LEFT = "The index still holds vectors of their listings: run `manage.py rebuild_index` twice. {}"


class Command(BaseCommand):
    help = (
        "Erase a person for good: a member with the visitors that they came as, their account, tokens, "
        "events and slates. Their listings leave the market and keep category and price alone, since others' "
        "events refer to them. Backups keep what they hold."
    )

    def add_arguments(self, parser):
        parser.add_argument("actor", metavar="ID", help="the external id of the member, or of a visitor")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, actor: str, yes: bool, **options):
        try:
            person = data_rights.find(actor)
            if not yes and not self._is_sure(person):
                raise CommandError("Nothing was erased.")
            counts = data_rights.erase(person, now=timezone.now())
        except DomainError as error:
            raise CommandError(error.detail) from None
        for table, count in counts.items():
            self.stdout.write(f"{table}: {count}")
        if counts["listings.Listing"]:
            self._write_index_anew()

    def _is_sure(self, person: data_rights.Person) -> bool:
        return input(f"Erase {', '.join(person.names)} for good? [y/N] ").strip().lower() in ("y", "yes")

    def _write_index_anew(self) -> None:
        try:
            data_rights.write_index_anew()
        except (AlreadyCompacting, replica.NotReady) as error:
            self.stderr.write(INDEX_LEFT.format(error))
