"""Constraints of boosts."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from recommendations.models.boosts import Boost
from tests.recommendations.boosted import HOUR, boost


class TestConstraints:
    @pytest.mark.parametrize("factor", [0, -1, 10.01, float("nan"), float("inf")])
    def test_a_boost_factor_out_of_range_is_refused(self, alice, now, factor):
        with pytest.raises(IntegrityError), transaction.atomic():
            boost(now, factor, seller=alice)

    def test_boost_factors_at_the_ends_of_the_range_are_accepted(self, alice, now):
        boost(now, 10, seller=alice)
        boost(now, 0.01, seller=alice)

    def test_a_boost_without_a_target_or_with_two_is_refused(self, sofa, alice, now):
        for targets in ({}, {"seller": alice, "listing": sofa}):
            with pytest.raises(IntegrityError), transaction.atomic():
                boost(now, **targets)

    def test_a_boost_that_does_not_end_after_its_start_is_refused(self, alice, now):
        with pytest.raises(IntegrityError), transaction.atomic():
            boost(now, hours=(1, 1), seller=alice)

    def test_a_form_with_an_invalid_boost_names_every_reason(self, alice, now):
        wrong = Boost(factor=11, starts_at=now, ends_at=now - HOUR, created_at=now, created_by="sue")
        with pytest.raises(ValidationError) as refused:
            wrong.full_clean()
        assert len(refused.value.messages) == 3
        assert "Choose exactly one: a category, a seller or a listing." in refused.value.messages
