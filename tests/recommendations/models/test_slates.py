"""Constraints of impressions and exposure."""

import pytest
from django.db import IntegrityError, transaction

from recommendations.models.slates import Exposure, Impression, Slate


def test_more_clicks_than_impressions_of_a_listing_are_refused(sofa):
    with pytest.raises(IntegrityError), transaction.atomic():
        Exposure.objects.create(listing=sofa, impressions=1, clicks=2)
    Exposure.objects.create(listing=sofa, impressions=2, clicks=2)


def test_a_page_of_a_slate_from_one_offset_has_one_impression(db, now):
    slate = Slate.objects.create(surface="feed", listing_ids=[1, 2], created_at=now)
    Impression.objects.create(slate=slate, offset=0, count=1, served_at=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        Impression.objects.create(slate=slate, offset=0, count=2, served_at=now)
    Impression.objects.create(slate=slate, offset=1, count=1, served_at=now)
