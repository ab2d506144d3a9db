from django.core.management.base import BaseCommand, CommandError

from recommendations.indexing.compaction import AlreadyCompacting, rebuild
from recommendations.replica.follower import ReplicaNotReady


class Command(BaseCommand):
    help = "Build a new index generation from the database alone. Servers go on and load it within seconds."

    def handle(self, **options):
        try:
            generation = rebuild()
        except (AlreadyCompacting, ReplicaNotReady) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            reason = f"The index could not be written: {error.strerror}"
            raise CommandError(f"{reason}. The generation before stays in use.") from error
        self.stdout.write(f"Generation {generation.number} holds {len(generation.columns)} listings.")
