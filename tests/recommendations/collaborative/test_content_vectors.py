import numpy as np
import pytest

from listings.models import Listing
from recommendations.collaborative.content_vectors import read_content, read_showable
from recommendations.models.embeddings import ListingEmbedding
from recommendations.models.trained_models import TrainedModel


@pytest.fixture
def embedded(encoder, sofas) -> list[int]:
    """Three sofas with vectors by the active encoder, the first also by another."""

    def embed(sofa, version: str, value: float) -> None:
        vector = np.full(4, value, "<f2").tobytes()
        ListingEmbedding.objects.create(
            listing=sofa, encoder_version=version, content_version=1, vector=vector
        )

    ListingEmbedding.objects.all().delete()
    for number, sofa in enumerate(sofas[:3]):
        embed(sofa, encoder.version, number)
    return [sofa.pk for sofa in sofas[:3]]


def test_content_is_read_of_all_listings_that_the_active_encoder_embedded(embedded, encoder):
    content = read_content()
    assert content.encoder_version == encoder.version
    assert content.listing_ids.tolist() == embedded
    assert content.vectors.tolist() == [[0] * 4, [1] * 4, [2] * 4]
    assert content.vectors.dtype == np.float16


def test_content_may_be_read_of_some_listings_sold_ones_too(embedded, now):
    Listing.objects.filter(pk=embedded[1]).update(status="sold", sold_at=now)
    assert read_content(listing_ids=np.array(embedded[1:])).listing_ids.tolist() == embedded[1:]


def test_there_is_no_content_by_an_encoder_that_embedded_nothing(embedded):
    assert read_content("another") is None
    assert read_content(listing_ids=[0]) is None
    TrainedModel.objects.all().delete()
    assert read_content() is None


def test_showable_are_all_listings_that_are_not_sold_or_withdrawn(sofas, now):
    statuses = dict(
        zip([sofa.pk for sofa in sofas], ("active", "reserved", "draft", "sold", "withdrawn"), strict=False)
    )
    Listing.objects.exclude(pk__in=statuses).delete()
    for pk, status in statuses.items():
        Listing.objects.filter(pk=pk).update(status=status, sold_at=now if status == "sold" else None)
    assert sorted(read_showable().tolist()) == sorted(statuses)[:3]
