"""Constraints of embeddings, features and copies of photos."""

import pytest
from django.db import IntegrityError, transaction

from recommendations.models.embeddings import ListingEmbedding, PhotoCopy, PhotoFeatures
from tests import factories


def test_a_photo_cannot_be_a_copy_of_itself(sofa):
    photo, other = factories.photo(sofa), factories.photo(sofa)
    facts = {"hamming": 0, "likeness": 1, "other_seller": False}
    with pytest.raises(IntegrityError), transaction.atomic():
        PhotoCopy.objects.create(photo=photo, original=photo, **facts)
    PhotoCopy.objects.create(photo=photo, original=other, **facts)


def test_a_photo_has_its_features_once_for_each_backbone(sofa):
    photo = factories.photo(sofa)
    PhotoFeatures.objects.create(photo=photo, backbone="one", features=b"")
    PhotoFeatures.objects.create(photo=photo, backbone="other", features=b"")
    with pytest.raises(IntegrityError), transaction.atomic():
        PhotoFeatures.objects.create(photo=photo, backbone="one", features=b"")


def test_a_listing_has_one_embedding_for_each_encoder_version(sofa):
    for version in ("1", "2"):
        ListingEmbedding.objects.create(listing=sofa, encoder_version=version, content_version=1, vector=b"")
    with pytest.raises(IntegrityError), transaction.atomic():
        ListingEmbedding.objects.create(listing=sofa, encoder_version="1", content_version=2, vector=b"")
