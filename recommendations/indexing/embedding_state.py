"""Where the embedding of one listing stands, in a sentence."""

from listings.models import Listing
from recommendations.encoders import selection
from recommendations.models.embeddings import EmbeddingJob, ListingEmbedding


def embedding_state(listing: Listing) -> str:
    """Whether its vectors are current, waited for, or have failed and why."""
    job = EmbeddingJob.objects.filter(listing=listing).first()
    if job is not None and job.failed_at is not None:
        return f"Failed after {job.attempts} attempts: {job.last_error or 'no error was kept'}"
    if job is not None:
        return (
            f"Waits for its vectors, after {job.attempts} attempts"
            if job.attempts
            else "Waits for its vectors"
        )
    version = selection.target_version()
    stored = ListingEmbedding.objects.filter(listing=listing, encoder_version=version).first()
    if stored is None:
        return "Has no vectors of the encoder in service"
    if stored.content_version != listing.content_version:
        return "Was changed since its vectors were made"
    return f"Current, with {len(stored.photo_ids)} photos"
