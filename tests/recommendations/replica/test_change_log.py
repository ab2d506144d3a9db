"""Change log of the catalogue: what is written, read and pruned."""

import pytest
from django.db import transaction

from listings import services
from listings.announcing import catalogue_transaction
from recommendations.core import locks
from recommendations.models.catalogue_changes import CatalogueChange
from recommendations.replica import change_log
from tests import factories


@pytest.fixture
def chairs(alice) -> list[int]:
    """The ids of three listings, whose changes so far are forgotten."""
    with catalogue_transaction():
        listings = [factories.listing(alice, f"Chair {number}") for number in range(3)]
    services.withdraw(listing=listings[2])
    CatalogueChange.objects.all().delete()
    return [listing.pk for listing in listings]


def test_a_change_of_an_active_listing_is_an_upsert_and_of_any_other_a_removal(chairs):
    change_log.append_changes([chairs[2], chairs[0], chairs[0]])
    changes = list(CatalogueChange.objects.order_by("seq").values_list("listing_id", "op"))
    assert changes == [(chairs[0], "upsert"), (chairs[2], "remove")]


@pytest.mark.django_db(transaction=True)
def test_the_change_log_is_locked_by_a_change_until_the_transaction_ends():
    sofa = factories.listing(factories.actor("alice"))
    with transaction.atomic():
        change_log.append_changes([])
        assert not locks.is_held(locks.CHANGE_LOG)
        change_log.append_changes([sofa.pk])
        assert locks.is_held(locks.CHANGE_LOG)
    assert not locks.is_held(locks.CHANGE_LOG)


def test_changes_are_read_in_order_from_a_position(chairs):
    assert CatalogueChange.objects.count() == change_log.last_seq() == 0
    change_log.append_changes(chairs)
    first, second, third = change_log.changed_since(0)
    assert [listing_id for _, listing_id in (first, second, third)] == chairs
    assert change_log.changed_since(first[0], limit=1) == [second]
    assert change_log.changed_since(third[0]) == []
    assert change_log.last_seq() == third[0]


def test_a_reader_before_the_pruned_changes_is_told_and_one_after_them_is_not(chairs):
    assert not change_log.is_pruned_past(0)
    change_log.append_changes(chairs)
    first, second, _ = (seq for seq, _ in change_log.changed_since(0))
    assert change_log.prune_to(second) == 1
    assert change_log.is_pruned_past(first)
    assert not change_log.is_pruned_past(second)
