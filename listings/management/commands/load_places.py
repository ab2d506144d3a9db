from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from listings.places import NoGazetteer, load_gazetteer


class Command(BaseCommand):
    help = "Load one country's towns of 500 inhabitants or more from the gazetteer. Safe to repeat."

    def add_arguments(self, parser):
        parser.add_argument(
            "--country", default=settings.ENVIRONMENT.country, help="ISO 3166 code such as GB."
        )

    def handle(self, *, country: str, **options):
        try:
            new_count = load_gazetteer(country.upper())
        except NoGazetteer as error:
            raise CommandError(error.detail) from None
        self.stdout.write(f"{new_count:,} new places in {country.upper()}.")
