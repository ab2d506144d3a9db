from django.core.management.base import BaseCommand

from listings.models import Listing
from recommendations.core.progress import progress_bar
from recommendations.indexing import photo_copies
from recommendations.models.embeddings import PhotoCopy

BATCH = 200


class Command(BaseCommand):
    help = (
        "Find photos that another listing had shown before, over the whole catalogue. Embedding finds the "
        "copies of new photos by itself; this command finds older ones and missed ones. Safe to repeat."
    )

    def handle(self, **options):
        listings = Listing.objects.filter(photos__isnull=False).distinct().order_by("pk")
        listing_ids = list(listings.values_list("pk", flat=True))
        with progress_bar("Comparing photos", len(listing_ids)) as progress:
            for start in range(0, len(listing_ids), BATCH):
                batch = listing_ids[start : start + BATCH]
                photo_copies.record_copies(batch)
                progress(start + len(batch), len(listing_ids))
        count = PhotoCopy.objects.count()
        foreign_count = PhotoCopy.objects.filter(other_seller=True).count()
        self.stdout.write(f"{count} photos were shown before, {foreign_count} of them by another seller.")
