import time

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from recommendations.core.progress import progress_bar
from recommendations.encoders import selection
from recommendations.indexing import embedding_jobs, wakeup
from recommendations.indexing.compaction import compact
from recommendations.models.embeddings import EmbeddingJob


class Command(BaseCommand):
    help = (
        "Select the encoder that IMAGE_BACKBONE and IMAGE_WEIGHTS name, and embed every listing with it. "
        "Listings that it has embedded already are skipped."
    )

    def add_arguments(self, parser):
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--here", action="store_true", help="embed in this process instead of the workers")
        where.add_argument("--no-wait", action="store_true", help="queue the work and return")
        parser.add_argument("--retry-failed", action="store_true", help="retry failed listings")
        parser.add_argument("--patience", type=float, default=60, help="seconds without progress to wait for")

    def handle(self, here: bool, no_wait: bool, retry_failed: bool, patience: float, **options):
        selection.ensure_encoder(self.stdout.write)
        if retry_failed:
            EmbeddingJob.objects.exclude(failed_at=None).update(
                failed_at=None, attempts=0, claimed_until=None
            )
        embedding_jobs.request_missing()
        waiting = embedding_jobs.waiting_count()
        self.stdout.write(f"{waiting} listings wait for their vectors.")
        if here:
            embedding_jobs.embed_claimed_batches(clock=timezone.now)
        elif waiting:
            wakeup.notify_now()
        if not no_wait:
            self._wait(waiting, patience)
            compact(least_changes=1)
            self._report()

    def _wait(self, total: int, patience: float) -> None:
        """Wait for the workers.   Raises CommandError after `patience` seconds without progress."""
        last, moved_at = total, time.monotonic()
        with progress_bar("Embedding", total) as progress:
            while waiting := embedding_jobs.waiting_count():
                if waiting != last:
                    last, moved_at = waiting, time.monotonic()
                if time.monotonic() - moved_at > patience:
                    raise CommandError(
                        f"{waiting} listings still wait, without progress for {patience:.0f} s. "
                        "Is a worker running? Embed without one: manage.py embed --here"
                    )
                progress(total - waiting, total)
                time.sleep(0.3)

    def _report(self) -> None:
        failed = EmbeddingJob.objects.exclude(failed_at=None).count()
        if failed:
            self.stderr.write(f"{failed} listings could not be embedded. The admin shows the errors.")
        self.stdout.write(
            "Every other listing has its vector." if failed else "Every listing has its vector."
        )
