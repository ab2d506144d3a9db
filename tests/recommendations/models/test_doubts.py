"""Constraints of doubts."""

import pytest
from django.db import IntegrityError, transaction

from recommendations.models.doubts import Doubt


@pytest.mark.parametrize("share", [-0.01, 1.01, float("nan")])
def test_a_doubt_with_a_share_out_of_range_is_refused(bob, share):
    with pytest.raises(IntegrityError), transaction.atomic():
        Doubt.objects.create(actor=bob, reason="haste", share=share)


def test_shares_of_doubts_at_the_ends_of_the_range_are_accepted(bob, charlie):
    for actor, share in ((bob, 0), (charlie, 1)):
        Doubt.objects.create(actor=actor, reason="likeness", share=share)


def test_a_second_doubt_about_an_actor_is_refused(bob):
    Doubt.objects.create(actor=bob, reason="haste", share=0)
    with pytest.raises(IntegrityError), transaction.atomic():
        Doubt.objects.create(actor=bob, reason="likeness", share=0.5)
