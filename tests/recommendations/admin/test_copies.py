"""Photo copies in the admin: listings whose photo another seller used first, and the two side by side."""

import pytest

from listings.announcing import catalogue_transaction
from listings.models import Listing
from recommendations.admin.copies import MOST_SHOWN, copies_of, with_used_before
from recommendations.models.embeddings import PhotoCopy
from tests import factories


def copy(later: Listing, earlier: Listing) -> PhotoCopy:
    """A photo of the later listing that the earlier one showed before."""
    return PhotoCopy.objects.create(
        photo=factories.photo(later),
        original=factories.photo(earlier),
        hamming=0,
        likeness=1,
        other_seller=later.seller_id != earlier.seller_id,
    )


@pytest.fixture
def sofas(alice, bob):
    """Two of Alice and one of Bob."""
    with catalogue_transaction():
        return [factories.listing(seller, f"Sofa {n}") for n, seller in enumerate((alice, alice, bob))]


def used_before() -> set[str]:
    return {listing.title for listing in with_used_before(Listing.objects.all()) if listing.used_before}


def test_a_listing_with_a_photo_of_another_seller_is_marked_as_used_before(sofas):
    copy(later=sofas[2], earlier=sofas[0])
    assert used_before() == {"Sofa 2"}


def test_a_listing_with_a_photo_of_the_same_seller_is_not_marked_as_used_before(sofas):
    copy(later=sofas[1], earlier=sofas[0])
    assert used_before() == set()


def test_the_copies_of_a_listing_say_who_showed_the_photo_before_and_after(sofas):
    first, again, foreign = sofas
    copy(later=again, earlier=first)
    copy(later=foreign, earlier=first)
    shown = copies_of(first)
    assert shown.count("Shown again") == 2
    assert "by alice" in shown and ", the same seller" in shown
    assert "by bob" in shown and ", another seller" in shown
    assert "Shown before by alice" in copies_of(foreign)


def test_a_listing_without_copies_says_so(sofas):
    assert copies_of(sofas[0]) == "None of its photos is shown elsewhere."


def test_the_page_of_a_listing_shows_a_limited_number_of_copies(sofas, monkeypatch):
    monkeypatch.setattr("recommendations.admin.copies.MOST_SHOWN", 2)
    for _ in range(3):
        copy(later=sofas[2], earlier=sofas[0])
    assert MOST_SHOWN > 2
    assert copies_of(sofas[2]).count("Shown before") == 2
