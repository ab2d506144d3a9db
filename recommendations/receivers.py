"""Receiver of the catalogue's signal: requests embeddings, records events and writes the change log."""

from django.db import transaction
from django.dispatch import receiver

from listings.announcing import listings_changed
from recommendations.indexing import embedding_jobs, wakeup
from recommendations.interactions import parking, sales
from recommendations.replica.change_log import append_changes


@receiver(listings_changed)
def note_changes(sender, listing_ids: list[int], **_: object) -> None:
    """Runs inside the transaction that changed the listings, as its last step."""
    embedding_jobs.request_embeddings(listing_ids)
    sales.note_purchases(listing_ids)
    parking.record_parked(listing_ids)
    append_changes(listing_ids)
    transaction.on_commit(wakeup.notify)
