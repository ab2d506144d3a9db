from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.errors import DomainError
from recommendations.progress import progress_bar
from recommendations.training import train_collaborative


class Command(BaseCommand):
    help = "Train a model on what is in the database and publish it."

    def add_arguments(self, parser):
        parser.add_argument("kind", choices=["collaborative"], help="collaborative: ALS on the interactions")

    def handle(self, kind: str, **options):
        try:
            with progress_bar("Training ALS") as progress:
                model = train_collaborative(now=timezone.now(), progress=progress)
        except DomainError as error:
            raise CommandError(error.detail) from None
        metrics = model.metrics
        self.stdout.write(
            f"Trained {model.kind} {model.version} on {metrics['events']} events of "
            f"{metrics['actors']} actors with {metrics['listings']} listings. It serves now."
        )
