"""Constraints of the catalogue's tables."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import DatabaseError, connections, transaction

from listings.models import Actor, Listing, Photo, Place
from tests import factories


class TestTheDatabaseRefuses:
    def refused(self, write) -> None:
        with pytest.raises(DatabaseError), transaction.atomic():
            write()

    @pytest.mark.parametrize(
        "bad",
        [
            {"title": ""},
            {"price": Decimal("-0.01")},
            {"status": "sold"},
            {"sold_at": datetime(2026, 3, 2, tzinfo=UTC)},
            {"latitude": 91.0, "longitude": 0.0},
            {"latitude": 0.0, "longitude": -181.0},
            {"latitude": float("nan"), "longitude": 0.0},
            {"latitude": 1.0},
        ],
        ids=str,
    )
    def test_the_database_refuses_a_bad_listing(self, sofa, bad):
        self.refused(lambda: Listing.objects.filter(pk=sofa.pk).update(**bad))

    def test_the_database_refuses_a_buyer_of_an_unsold_listing(self, sofa, bob):
        self.refused(lambda: Listing.objects.filter(pk=sofa.pk).update(buyer=bob))

    def test_the_database_refuses_two_listings_with_one_id(self, sofa, alice):
        self.refused(
            lambda: Listing.objects.filter(pk=factories.listing(alice).pk).update(
                external_id=sofa.external_id
            )
        )

    def test_the_database_refuses_two_photos_in_one_position(self, sofa):
        first, second = factories.photo(sofa), factories.photo(sofa)

        def collide():
            Photo.objects.filter(pk=second.pk).update(position=first.position)
            with connections["default"].cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

        self.refused(collide)

    def test_the_database_refuses_an_actor_merged_into_itself(self, alice):
        self.refused(lambda: Actor.objects.filter(pk=alice.pk).update(merged_into=alice))

    def test_the_database_refuses_a_place_with_impossible_coordinates(self, db):
        self.refused(lambda: Place.objects.create(name="Mars", country="GB", latitude=0, longitude=200))

    def test_the_database_refuses_to_delete_a_seller_or_category_in_use(self, sofa):
        self.refused(sofa.seller.delete)
        self.refused(sofa.category.delete)
