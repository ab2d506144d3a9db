from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from listings.places import NoGazetteer, load_gazetteer, load_postcodes


class Command(BaseCommand):
    help = "Load one country's towns of 500 inhabitants or more, and postcodes of a file. Safe to repeat."

    def add_arguments(self, parser):
        parser.add_argument(
            "--country", default=settings.ENVIRONMENT.country, help="ISO 3166 code such as GB."
        )

        parser.add_argument(
            "--postcodes", type=Path, help="A file of GeoNames' postal codes, such as GB.txt, unpacked."
        )

    def handle(self, *, country: str, postcodes: Path | None, **options):
        country = country.upper()
        try:
            new_count = load_gazetteer(country)
            code_count = load_postcodes(country, postcodes) if postcodes else 0
        except NoGazetteer as error:
            raise CommandError(error.detail) from None
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"The postcodes could not be read: {error}") from None
        self.stdout.write(f"{new_count:,} new places and {code_count:,} postcodes in {country}.")
