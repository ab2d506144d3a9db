import json
import os
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from listings.errors import DomainError
from recommendations.privacy import erasure
from recommendations.privacy.export import export


class Command(BaseCommand):
    help = (
        "Export all data about a person as JSON lines: a member with merged visitors, account, listings, "
        "purchases, events and slates."
    )

    def add_arguments(self, parser):
        parser.add_argument("actor", metavar="ID", help="external id of the member or visitor")
        parser.add_argument(
            "--output", type=Path, required=True, metavar="FILE", help="a file that does not exist yet"
        )

    def handle(self, actor: str, output: Path, **options):
        try:
            person = erasure.find_person(actor)
            count = self._write(person, output)
        except DomainError as error:
            raise CommandError(error.detail) from None
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}.") from None
        self.stdout.write(f"{count} rows about {', '.join(person.names)} in {output}.")

    def _write(self, person: erasure.Person, output: Path) -> int:
        """Write the rows to a new file that only its owner can read. Returns their number."""
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            lines = (json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False) for row in export(person))
            return sum(bool(file.write(line + "\n")) for line in lines)
