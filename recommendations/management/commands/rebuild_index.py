from django.core.management.base import BaseCommand, CommandError

from recommendations.compaction import AlreadyCompacting, rebuild
from recommendations.replica import NotReady


class Command(BaseCommand):
    help = (
        "Build a new index generation from the database alone. Serving goes on and adopts it within seconds."
    )

    def handle(self, **options):
        try:
            generation = rebuild()
        except (AlreadyCompacting, NotReady) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{error.strerror}. The generation before serves on.") from error
        self.stdout.write(f"Generation {generation.number} holds {len(generation.columns)} listings.")
