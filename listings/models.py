"""Tables of the catalogue: actors, categories, places, listings and photos, with their constraints."""

import secrets
import uuid
from datetime import datetime

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Substr

from listings.validation import check_external_id, check_title
from listings.words import broken


def new_external_id() -> str:
    return uuid.uuid4().hex


class Actor(models.Model):
    """A member or visitor: seller, buyer or shopper. Only this table refers to Django's users."""

    class Kind(models.TextChoices):
        MEMBER = "member"
        VISITOR = "visitor"

    external_id = models.CharField(max_length=200, unique=True, validators=[check_external_id])
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.MEMBER)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="actor"
    )
    # The member that a visitor logged in as. The visitor's events keep their actor and are read with the
    # member's.
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="merged"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(merged_into=F("pk")), name="actor_not_merged_into_itself"),
        ]

    def __str__(self) -> str:
        return self.external_id

    @staticmethod
    def new_visitor_id() -> str:
        return f"visitor-{secrets.token_hex(16)}"


class Writer(models.TextChoices):
    """A kind of caller who changes listings. Later ones outrank earlier ones."""

    OWNER = "owner"
    SERVICE = "service"
    STAFF = "staff"


class Category(models.Model):
    """A node of the category tree. `path` holds all names from the root: `Home & Garden / Garden & Patio`."""

    SEPARATOR = " / "

    path = models.CharField(max_length=500, unique=True)
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )
    root = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="descendants", editable=False
    )

    class Meta:
        verbose_name_plural = "categories"
        ordering = ["path"]

    def __str__(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        return self.path.rsplit(self.SEPARATOR, 1)[-1]


class Place(models.Model):
    """A town of the gazetteer, or a county: no population, coordinates the mean of its towns."""

    name = models.CharField(max_length=200)
    county = models.CharField(max_length=200, blank=True)
    country = models.CharField(max_length=2)
    latitude = models.FloatField()
    longitude = models.FloatField()
    population = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["country", "name", "county", "latitude", "longitude"], name="place_once"
            ),
            models.CheckConstraint(
                condition=Q(latitude__range=(-90, 90), longitude__range=(-180, 180)), name="place_on_earth"
            ),
        ]

    def __str__(self) -> str:
        return ", ".join(
            part for part in (self.name, self.county if self.county != self.name else "") if part
        )


class Listings(models.Manager["Listing"]):
    """Default manager. Defers `search_words`, which only PostgreSQL's full-text search uses."""

    def get_queryset(self) -> models.QuerySet["Listing"]:
        return super().get_queryset().defer("search_words")


class Listing(models.Model):
    """One item for sale, which can be sold once. Only active listings are shown to shoppers."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        ACTIVE = "active"
        RESERVED = "reserved"
        SOLD = "sold"
        WITHDRAWN = "withdrawn"

    class Condition(models.TextChoices):
        UNKNOWN = "unknown"
        NEW = "new"
        LIKE_NEW = "like_new"
        GOOD = "good"
        FAIR = "fair"
        FOR_PARTS = "for_parts"

    ON_MARKET = (Status.ACTIVE, Status.RESERVED)
    PUBLIC = (*ON_MARKET, Status.SOLD)  # published and not withdrawn

    external_id = models.CharField(
        max_length=200, unique=True, default=new_external_id, validators=[check_external_id]
    )
    seller = models.ForeignKey(Actor, on_delete=models.PROTECT, related_name="listings", db_index=False)
    title = models.CharField(max_length=300, validators=[check_title])
    description = models.TextField(blank=True)
    price = models.DecimalField(max_digits=12, decimal_places=2)
    condition = models.CharField(max_length=10, choices=Condition, default=Condition.UNKNOWN)
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="listings")
    place = models.ForeignKey(
        Place, null=True, blank=True, on_delete=models.SET_NULL, related_name="listings"
    )
    latitude = models.FloatField(null=True, blank=True)
    longitude = models.FloatField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    # It never was on the market or sold: to anyone but its owner it does not exist.
    is_unpublished = models.BooleanField(default=False, db_default=False, editable=False)
    # Who withdrew it, and may put it back. Empty for what is not withdrawn, and where nobody noted who did.
    withdrawn_by = models.CharField(
        max_length=10, choices=Writer, blank=True, default="", editable=False, db_default=""
    )
    buyer = models.ForeignKey(
        Actor, null=True, blank=True, on_delete=models.PROTECT, related_name="purchases"
    )
    sold_at = models.DateTimeField(null=True, blank=True)
    # Counts changes of the embedding's input: title, description and photos.
    content_version = models.PositiveIntegerField(default=1, editable=False)
    # Version number of the marketplace's own system. A write with an older version changes nothing.
    source_version = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField(auto_now=True)
    # Title words are indexed stemmed (A) and verbatim (C), for prefix search.
    search_words = models.GeneratedField(
        expression=SearchVector(broken("title", 300), config="english", weight="A")
        + SearchVector(broken("title", 300), config="simple", weight="C")
        # A tsvector holds at most 1 MB, so a long description is cut.
        + SearchVector(broken("description", 20_000), config="english", weight="D"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    objects = Listings()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(title=""), name="listing_has_title"),
            models.CheckConstraint(condition=Q(price__gte=0), name="listing_price_not_negative"),
            models.CheckConstraint(
                condition=Q(status="sold", sold_at__isnull=False)
                | (~Q(status="sold") & Q(sold_at__isnull=True, buyer__isnull=True)),
                name="listing_sold_exactly_when_sold_at",
            ),
            models.CheckConstraint(
                condition=Q(latitude__isnull=True, longitude__isnull=True)
                # A comparison with NULL is not false, so both columns have to be checked for NULL.
                | Q(latitude__isnull=False, longitude__isnull=False)
                & Q(latitude__range=(-90, 90), longitude__range=(-180, 180)),
                name="listing_on_earth_or_nowhere",
            ),
        ]
        indexes = [
            models.Index(
                fields=["-created_at", "-id"], condition=Q(status="active"), name="listing_active_newest"
            ),
            models.Index(
                fields=["category", "-created_at"],
                condition=Q(status="active"),
                name="listing_active_category",
            ),
            models.Index(fields=["seller", "-created_at"], name="listing_of_seller"),
            GinIndex(fields=["search_words"], condition=Q(status="active"), name="listing_active_words"),
        ]

    def __str__(self) -> str:
        return self.title


class PhotoSource(models.Model):
    """A photo URL that a service submitted, for a worker to fetch.

    Rows stay, so that nothing is fetched twice.
    """

    PROGRESS = ("url", "attempts", "try_after", "fetched_at", "failed_at", "last_error")

    listing = models.ForeignKey("Listing", on_delete=models.CASCADE, related_name="photo_sources")
    external_id = models.CharField(max_length=200, validators=[check_external_id])  # of the photo
    url = models.CharField(max_length=2000)
    attempts = models.PositiveSmallIntegerField(default=0)
    try_after = models.DateTimeField()
    fetched_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["listing", "external_id"], name="photo_source_once"),
        ]
        indexes = [
            models.Index(
                fields=["try_after"],
                condition=models.Q(fetched_at=None, failed_at=None),
                name="photo_source_waits",
            )
        ]

    def __str__(self) -> str:
        return self.external_id

    def reset(self, url: str, now: datetime) -> None:
        """Reset to a source that was not fetched yet, with this URL."""
        self.url, self.attempts, self.try_after = url, 0, now
        self.fetched_at, self.failed_at, self.last_error = None, None, ""


class Photo(models.Model):
    """A photo as re-encoded on receipt. `file` is the large size; the others are stored beside it."""

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="photos")
    position = models.PositiveSmallIntegerField()
    external_id = models.CharField(
        max_length=200, unique=True, default=new_external_id, validators=[check_external_id]
    )
    file = models.FileField(max_length=200)
    sha256 = models.CharField(max_length=64)  # of the received bytes
    perceptual_hash = models.CharField(max_length=16)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["listing", "position"],
                name="photo_position_once",
                deferrable=models.Deferrable.DEFERRED,
            ),
        ]
        # Two hashes that differ in at most three bits agree in at least one of these four bands.
        indexes = [
            models.Index(Substr("perceptual_hash", start, 4), "id", name=f"photo_hash_band_{start}")
            for start in (1, 5, 9, 13)
        ]

    def __str__(self) -> str:
        return f"{self.listing_id}/{self.position}"

    @property
    def file_name(self) -> str:
        """Name of the large size, for photos.processing.path_of and url_of."""
        return str(self.file.name)
