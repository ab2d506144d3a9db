"""Serialisers of the catalogue. Coordinates are rounded to 0.01 degrees in all responses."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from listings.api.fields import PriceField
from listings.api.strict import BoundedList, StrictSerializer
from listings.batches.listings import ListingRow, UpsertOutcome
from listings.models import Category, Listing, Photo, Place
from listings.photo_services import MAXIMUM_PHOTOS
from listings.photos import processing
from listings.photos.download import MAXIMUM_URL_LENGTH, BadPhotoUrl, check_photo_url
from listings.photos.requests import RequestedPhoto
from listings.places import places_written
from listings.validation import check_external_id, check_title

COORDINATE_DIGITS = 2
UNKNOWN_PLACE = "The gazetteer knows no place {!r}."


class PhotoCard(serializers.ModelSerializer):
    """A photo in its three sizes. The fields describe what `to_representation` writes."""

    id = serializers.CharField(source="external_id")
    urls = serializers.SerializerMethodField()

    class Meta:
        model = Photo
        fields = ("id", "width", "height", "urls")

    @extend_schema_field(serializers.DictField(child=serializers.CharField()))
    def get_urls(self, photo: Photo) -> dict[str, str]:
        return {size.value: processing.url_of(photo.file_name, size) for size in processing.Size}

    def to_representation(self, instance: Photo) -> dict[str, Any]:
        return {
            "id": instance.external_id,
            "width": instance.width,
            "height": instance.height,
            "urls": self.get_urls(instance),
        }


_PHOTO_CARD = PhotoCard()


class RoundedCoordinate(serializers.FloatField):
    """A coordinate rounded to about 1 km, so that responses do not reveal a seller's address."""

    def to_representation(self, value: Any) -> Any:
        return round(float(value), COORDINATE_DIGITS)


class ListingCard(serializers.ModelSerializer):
    """A listing as anyone sees it. The fields describe what `to_representation` writes.

    It is written without them: fields take twice as long, and a page has twenty listings.
    """

    id = serializers.CharField(source="external_id")
    seller = serializers.CharField(source="seller.external_id")
    category = serializers.CharField(source="category.path")
    place: "serializers.StringRelatedField[Place]" = serializers.StringRelatedField(allow_null=True)
    currency = serializers.SerializerMethodField()
    latitude = RoundedCoordinate(allow_null=True)
    longitude = RoundedCoordinate(allow_null=True)
    photos = PhotoCard(many=True)

    class Meta:
        model = Listing
        fields = (
            *("id", "seller", "title", "description", "price", "currency", "condition", "category", "place"),
            *("latitude", "longitude", "status", "created_at", "updated_at", "source_version", "photos"),
        )
        read_only_fields = fields

    def get_currency(self, listing: Listing) -> str:
        return settings.ENVIRONMENT.currency

    def to_representation(self, instance: Listing) -> dict[str, Any]:
        return {
            "id": instance.external_id,
            "seller": instance.seller.external_id,
            "title": instance.title,
            "description": instance.description,
            "price": f"{instance.price:.2f}",
            "currency": settings.ENVIRONMENT.currency,
            "condition": instance.condition,
            "category": instance.category.path,
            "place": None if instance.place is None else str(instance.place),
            "latitude": _rounded(instance.latitude),
            "longitude": _rounded(instance.longitude),
            "status": instance.status,
            "created_at": _written_time(instance.created_at),
            "updated_at": _written_time(instance.updated_at),
            "source_version": instance.source_version,
            "photos": [_PHOTO_CARD.to_representation(photo) for photo in instance.photos.all()],
        }


def _rounded(degrees: float | None) -> float | None:
    return None if degrees is None else round(float(degrees), COORDINATE_DIGITS)


def _written_time(moment: datetime) -> str:
    """As REST framework's DateTimeField writes it: ISO 8601 in the current time zone, Z for UTC."""
    return timezone.localtime(moment).isoformat().replace("+00:00", "Z")


class ListingContent(StrictSerializer):
    """The fields of a listing that its seller writes."""

    title = serializers.CharField(max_length=300, validators=[check_title])
    description = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    price = PriceField(max_digits=12, decimal_places=2, min_value=0)
    condition = serializers.ChoiceField(choices=Listing.Condition.choices, required=False)
    category = serializers.CharField(max_length=500)
    place = serializers.CharField(
        max_length=200,
        required=False,
        allow_null=True,
        help_text="A town of the gazetteer, such as `Leeds` or `Leeds, West Yorkshire`.",
    )
    latitude = serializers.FloatField(min_value=-90, max_value=90, required=False, allow_null=True)
    longitude = serializers.FloatField(min_value=-180, max_value=180, required=False, allow_null=True)
    source_version = serializers.IntegerField(
        min_value=0, max_value=2**63 - 1, required=False, allow_null=True
    )

    def validate_price(self, price):
        if price > settings.ENVIRONMENT.maximum_price:
            raise serializers.ValidationError(f"A price is at most {settings.ENVIRONMENT.maximum_price}.")
        return price or Decimal(0)  # for -0

    def validate_place(self, name: str | None) -> Place | None:
        if name is None:
            return None
        place = self.find_place(name)
        if place is None:
            raise serializers.ValidationError(UNKNOWN_PLACE.format(name))
        return place

    def find_place(self, name: str) -> Place | None:
        places = self.context.get("places")  # read once for a whole batch
        return (places_written([name]) if places is None else places).get(name)

    def validate(self, attributes: dict) -> dict:
        """A listing without coordinates gets those of its place."""
        is_sent = [name in attributes for name in ("latitude", "longitude")]
        is_set = [attributes.get(name) is not None for name in ("latitude", "longitude")]
        if is_sent[0] != is_sent[1] or is_set[0] != is_set[1]:
            raise serializers.ValidationError({"latitude": "latitude and longitude belong together."})
        if (place := attributes.get("place")) and attributes.get("latitude") is None:
            attributes |= {"latitude": place.latitude, "longitude": place.longitude}
        return attributes


class ListingEdit(ListingContent):
    """Changes of a listing. A service or staff may make it that of another seller."""

    seller = serializers.CharField(max_length=200, required=False, validators=[check_external_id])


class NewListing(ListingContent):
    """A listing to publish, or to keep as a draft. A service names the seller and may name the id."""

    id = serializers.CharField(max_length=200, required=False, validators=[check_external_id])
    seller = serializers.CharField(max_length=200, required=False, validators=[check_external_id])
    status = serializers.ChoiceField(choices=["draft", "active"], default="active")


class NamedPhotoBody(StrictSerializer):
    """A photo to be fetched: from a host that the operator has listed, over https."""

    id = serializers.CharField(max_length=200, validators=[check_external_id])
    url = serializers.CharField(max_length=MAXIMUM_URL_LENGTH)

    def validate_url(self, url: str) -> str:
        try:
            check_photo_url(url)
        except BadPhotoUrl as error:
            raise serializers.ValidationError(error.detail) from None
        return url


class BatchRow(ListingContent):
    """One listing of a batch; `status` is taken as it is in the marketplace's own system.

    What a row leaves out stays as it is, and null clears it.
    """

    notes: tuple[str, ...] = ()
    CLEARED = {"description": "", "condition": Listing.Condition.UNKNOWN}

    description = serializers.CharField(
        max_length=20_000, required=False, allow_blank=True, allow_null=True, help_text="null clears it."
    )
    condition = serializers.ChoiceField(
        choices=Listing.Condition.choices, required=False, allow_null=True, help_text="null clears it."
    )
    external_id = serializers.CharField(max_length=200, validators=[check_external_id])
    seller = serializers.CharField(max_length=200, validators=[check_external_id])
    status = serializers.ChoiceField(choices=Listing.Status.choices, required=False)
    created_at = serializers.DateTimeField(required=False)
    # The stubs lack the arguments that many=True passes on to the list.
    photos = NamedPhotoBody(many=True, required=False, max_length=MAXIMUM_PHOTOS)  # type: ignore[call-arg]

    def validate_place(self, name: str | None) -> Place | None:
        """None for an unknown place too, unless UNKNOWN_PLACES refuses it: it costs its coordinates."""
        if settings.ENVIRONMENT.unknown_places == "refuse":
            return super().validate_place(name)
        place = self.find_place(name) if name else None
        if name and place is None:
            self.notes = (f"place: {UNKNOWN_PLACE.format(name)}",)
        return place

    def validate(self, attributes: dict) -> dict:
        attributes = super().validate(attributes)
        if self.notes:
            attributes = {"latitude": None, "longitude": None} | attributes
        return attributes

    def validate_photos(self, named: list[dict]) -> list[dict]:
        if len({photo["id"] for photo in named}) < len(named):
            raise serializers.ValidationError("Two photos have the same id.")
        return named

    def to_row(self) -> ListingRow:
        sent = dict(self.validated_data)
        content = sent | {name: empty for name, empty in self.CLEARED.items() if sent.get(name, "") is None}
        left_out = frozenset({*self.CLEARED, "place", "latitude", "longitude"} - sent.keys())
        named = tuple(RequestedPhoto(photo["id"], photo["url"]) for photo in content.pop("photos", ()))
        return ListingRow(**content, photos=named, left_out=left_out, notes=self.notes)


class BatchResult(serializers.Serializer):
    """What became of one row."""

    external_id = serializers.CharField()
    outcome = serializers.ChoiceField(choices=[outcome.value for outcome in UpsertOutcome])
    reason = serializers.CharField()
    notes = serializers.ListField(
        child=serializers.CharField(), help_text="What was taken otherwise than it was sent."
    )


class Batch(serializers.Serializer):
    """Up to 500 listings; each row is judged alone."""

    listings = BoundedList(child=serializers.DictField(), min_length=1, max_length=500)


class BatchReply(serializers.Serializer):
    results = BatchResult(many=True)


class Sale(StrictSerializer):
    """The buyer, if known."""

    buyer = serializers.CharField(max_length=200, required=False, validators=[check_external_id])


class PhotoUpload(serializers.Serializer):
    """A JPEG, PNG, WebP or AVIF file."""

    photo = serializers.FileField()


class CategoryCard(serializers.ModelSerializer):
    class Meta:
        model = Category
        fields = ("path",)
