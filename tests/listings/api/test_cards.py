"""Cards of listings are written without REST framework's fields, but as these would write them."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from rest_framework import serializers

from listings.api.serializers import ListingCard, PhotoCard
from listings.models import Listing, Place
from tests import factories


def by_fields(serializer: serializers.Serializer, instance: object) -> dict:
    return serializers.ModelSerializer.to_representation(serializer, instance)


class TestListingCard:
    @pytest.fixture
    def lamp(self, alice) -> Listing:
        lamp = factories.listing(alice, "Lamp", price=Decimal("7.5"), latitude=53.80456, longitude=-1.5)
        lamp.place = Place.objects.create(
            name="Leeds", county="West Yorkshire", country="GB", latitude=53.8, longitude=-1.5
        )
        lamp.created_at = datetime(2026, 7, 1, 12, tzinfo=UTC)
        lamp.source_version = 3
        lamp.save()
        return Listing.objects.get(pk=lamp.pk)

    def test_a_card_is_what_its_fields_would_write(self, lamp):
        assert ListingCard(lamp).data == by_fields(ListingCard(lamp), lamp)

    @pytest.mark.parametrize("time_zone", ["UTC", "Europe/London", "Asia/Kolkata"])
    def test_times_are_written_in_the_current_time_zone(self, lamp, settings, time_zone):
        settings.TIME_ZONE = time_zone
        assert ListingCard(lamp).data["created_at"] == by_fields(ListingCard(lamp), lamp)["created_at"]

    def test_a_card_without_place_and_photos_is_too(self, sofa):
        assert ListingCard(sofa).data == by_fields(ListingCard(sofa), sofa)

    def test_every_field_is_written(self, sofa):
        assert list(ListingCard(sofa).data) == list(ListingCard.Meta.fields)

    def test_photos_are_written_with_all_sizes(self, lamp):
        photo = factories.photo(lamp)
        assert PhotoCard(photo).data == by_fields(PhotoCard(photo), photo)
