"""Categories are renamed, merged and removed, with everything below and in them."""

from datetime import timedelta

import pytest

from listings.categories.changes import move_category, remove_category
from listings.categories.tree import ensure_category, find_category
from listings.errors import Conflict, Invalid
from listings.models import Category, Listing
from recommendations.models.boosts import Boost
from recommendations.models.catalogue_changes import CatalogueChange
from tests import factories


def paths() -> set[str]:
    return set(Category.objects.values_list("path", flat=True))


class TestMoves:
    def test_a_rename_moves_all_below_and_announces_the_listings(self, alice):
        sofa = factories.listing(alice, path="Home / Seats / Sofas")
        CatalogueChange.objects.all().delete()
        move_category(category=find_category("Home / Seats"), path="Living > Seating")
        assert paths() == {"Home", "Living", "Living / Seating", "Living / Seating / Sofas"}
        category = Listing.objects.get(pk=sofa.pk).category
        assert (category.path, category.root.path) == ("Living / Seating / Sofas", "Living")
        assert CatalogueChange.objects.filter(listing_id=sofa.pk).exists()

    def test_a_merge_takes_in_listings_boosts_and_what_is_below(self, alice, now):
        for path in (
            "Home / Beds",
            "Home > Beds / Bunks",
            "Sleeping / Beds / Bunks",
            "Sleeping / Beds / Cots",
        ):
            factories.listing(alice, path=path)
        source, target = find_category("Sleeping"), find_category("Home")
        until = now + timedelta(days=1)
        boost = Boost.objects.create(category=source, factor=2, starts_at=now, ends_at=until, created_at=now)
        assert move_category(category=source, path="home") == target
        assert paths() == {"Home", "Home / Beds", "Home / Beds / Bunks", "Home / Beds / Cots"}
        assert Listing.objects.filter(category__path="Home / Beds / Bunks").count() == 2
        boost.refresh_from_db()
        assert boost.category == target

    def test_capitals_can_be_changed(self, db):
        beds = ensure_category("home / beds")
        move_category(category=beds, path="Home / Beds")
        assert paths() == {"home", "home / Beds"}
        move_category(category=find_category("home"), path="Home")
        assert paths() == {"Home", "Home / Beds"}

    def test_a_category_cannot_be_moved_below_itself(self, db):
        with pytest.raises(Invalid, match="below itself"):
            move_category(category=ensure_category("Home"), path="Home / Garden")


class TestRemoval:
    def test_an_empty_category_is_removed(self, db):
        remove_category(category=ensure_category("Home / Beds"))
        assert paths() == {"Home"}

    def test_a_category_that_holds_anything_stays(self, alice):
        factories.listing(alice, path="Home / Beds")
        for path in ("Home", "Home / Beds"):
            with pytest.raises(Conflict, match="Merge it"):
                remove_category(category=find_category(path))


class TestTheApi:
    MOVE, REMOVE = "/api/v1/categories/move/", "/api/v1/categories/remove/"

    def test_a_service_renames_and_removes(self, as_service):
        ensure_category("Home / Beds")
        moved = as_service.post(self.MOVE, {"path": "home > beds", "to": "Home / Bunks"})
        assert moved.json() == {"path": "Home / Bunks"}
        assert as_service.post(self.REMOVE, {"path": "Home / Bunks"}).status_code == 204
        assert paths() == {"Home"}

    def test_a_category_that_is_unknown_or_in_use_is_a_problem(self, as_service, alice):
        factories.listing(alice, path="Home / Beds")
        assert as_service.post(self.REMOVE, {"path": "Home / Beds"}).status_code == 409
        assert as_service.post(self.MOVE, {"path": "Nowhere", "to": "x"}).status_code == 400
