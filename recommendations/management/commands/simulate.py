from django.core.management.base import BaseCommand
from django.utils import timezone

from recommendations.core.progress import progress_bar
from recommendations.interactions.simulation import DAYS, simulate


class Command(BaseCommand):
    help = (
        "Add SIMULATED shoppers with known preferences over the loaded catalogue: for demos and trials, "
        "never for a marketplace with real people. Each seed is simulated once."
    )

    def add_arguments(self, parser):
        parser.add_argument("--shoppers", type=int, default=600, help="how many (default: 600)")
        parser.add_argument(
            "--seed", type=int, default=1, help="another seed adds other shoppers (default: 1)"
        )

    def handle(self, shoppers: int, seed: int, **options):
        with progress_bar("Simulating shoppers") as progress:
            count = simulate(shopper_count=shoppers, seed=seed, now=timezone.now(), progress=progress)
        if count:
            self.stdout.write(f"{count} SIMULATED events of {shoppers} shoppers over the last {DAYS} days.")
        else:
            self.stdout.write(f"Nothing to add: seed {seed} was simulated before, or the catalogue is empty.")
