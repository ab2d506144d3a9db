from django.core.management.base import BaseCommand, CommandError

from recommendations.indexing.compaction import IndexVerification, verify
from recommendations.replica.follower import ReplicaNotReady

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Open the newest index generation, apply the change log, and compare its live listings and the hash "
        "of each vector with the database. Exits with status 1 if they differ."
    )

    def handle(self, **options):
        try:
            verdict = verify()
        except ReplicaNotReady as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{verdict.checked} listings checked; {verdict.waiting} wait to be embedded.")
        if not verdict.agrees:
            raise CommandError(self._differences(verdict), returncode=1)
        self.stdout.write(self.style.SUCCESS("Database and index agree."))

    def _differences(self, verdict: IndexVerification) -> str:
        differences = {
            "not in the index": verdict.missing,
            "only in the index": verdict.surplus,
            "with another vector": verdict.different,
        }
        parts = [f"{len(ids)} {problem} (ids {ids[:SHOWN]})" for problem, ids in differences.items() if ids]
        return "Database and index differ: " + "; ".join(parts) + ". Run `manage.py rebuild_index`."
