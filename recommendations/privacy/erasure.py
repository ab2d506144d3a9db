"""Erasure of a person's data: a member's, and that of the visitors merged into them.

`ACTOR_RULES` has a line for each foreign key to an actor, `ACCOUNT_RULES` for each one to their account,
`LISTING_RULES` for each one to their listings. A test walks all models and fails on a foreign key without a
rule.

After erasure these remain:
- Their listings, because others' events refer to them: withdrawn unless sold, with a new id and an anonymous
  seller, without text, photos and place. Category and price stay.
- Until the next training, the actor's key in the counts of the collaborative model, which no row has any
  more. Models kept for a rollback hold it longer (KEPT_MODEL_COUNT).
- For some minutes, words that only they wrote, in the vocabulary of spelling.py.
- Whatever is in backups.

Trending and exposure are counted again at once, and the index is written without their listings' vectors.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.apps import apps
from django.contrib.auth.models import User
from django.db import models
from django.db.models import QuerySet
from redis.exceptions import RedisError

from listings.announcing import CatalogueChanges, catalogue_transaction
from listings.errors import Conflict, Missing, Unavailable
from listings.models import Actor, Listing, Photo, new_external_id
from listings.photo_services import hold_for_deletion
from recommendations.core import locks
from recommendations.core.identity import all_identities
from recommendations.indexing import compaction
from recommendations.models.slates import ReaderPosition
from recommendations.popularity import impression_counts, trending
from recommendations.privacy import redaction
from recommendations.ranking import boosts
from recommendations.replica import generations

ERASED_TITLE = "Erased"


class Rule(StrEnum):
    DELETE = "delete"  # the row is deleted
    CLEAR = "clear"  # the row stays, and the column becomes null
    ANONYMISE = "anonymise"  # the row stays because others' rows refer to it, without their data
    PERSON = "person"  # the row is one of the person's own identities
    KEEP = "keep"  # the row is about others and holds no data of theirs


ACTOR_RULES: dict[str, Rule] = {
    "listings.Actor.merged_into": Rule.PERSON,
    "listings.Listing.seller": Rule.ANONYMISE,
    "listings.Listing.buyer": Rule.CLEAR,
    "recommendations.Interaction.actor": Rule.DELETE,
    "recommendations.ParkedInteraction.actor": Rule.DELETE,
    "recommendations.Slate.actor": Rule.DELETE,
    "recommendations.Doubt.actor": Rule.DELETE,
    "recommendations.Boost.seller": Rule.DELETE,
    "marketplace.StaffAccess.whose": Rule.DELETE,
}
# Of their Django user. Rows of permissions and groups are deleted with it.
ACCOUNT_RULES: dict[str, Rule] = {
    "listings.Actor.user": Rule.PERSON,
    "admin.LogEntry.user": Rule.DELETE,
    "auth.User_groups.user": Rule.DELETE,
    "auth.User_user_permissions.user": Rule.DELETE,
    "marketplace.PersonToken.user": Rule.DELETE,
}
LISTING_RULES: dict[str, Rule] = {
    "listings.Photo.listing": Rule.DELETE,
    "listings.PhotoSource.listing": Rule.DELETE,
    "recommendations.Interaction.listing": Rule.KEEP,
    "recommendations.Exposure.listing": Rule.KEEP,
    "recommendations.Boost.listing": Rule.DELETE,
    "recommendations.EmbeddingJob.listing": Rule.DELETE,
    "recommendations.ListingEmbedding.listing": Rule.DELETE,
    "recommendations.TextFeatures.listing": Rule.DELETE,
}


class NoSuchActor(Missing):
    def __init__(self, external_id: str):
        super().__init__(f"There is no actor {external_id!r}.")


class IsStaff(Conflict):
    """Staff accounts are not erased: their actions are records of the marketplace."""

    def __init__(self, external_id: str):
        super().__init__(f"{external_id} is a staff account. Remove its staff status first.")


class RedisNeeded(Unavailable):
    """Trending cannot be counted again without Redis."""

    def __init__(self, error: Exception):
        super().__init__(
            f"Redis cannot be reached, and erasing counts trending again. Start Redis first: {error}"
        )


@dataclass(frozen=True)
class Person:
    """A member and the visitors merged into them."""

    actors: list[Actor]  # the member first

    @property
    def ids(self) -> list[int]:
        return [actor.pk for actor in self.actors]

    @property
    def names(self) -> list[str]:
        return [actor.external_id for actor in self.actors]

    @property
    def users(self) -> list[User]:
        return [actor.user for actor in self.actors if actor.user is not None]


def find_person(external_id: str) -> Person:
    """The person with this id, with all of their identities.   Raises NoSuchActor."""
    actor = Actor.objects.filter(external_id=external_id).first()
    if actor is None:
        raise NoSuchActor(external_id)
    actors = Actor.objects.filter(pk__in=all_identities([actor.pk])).select_related("user")
    return Person(sorted(actors, key=lambda actor: (actor.merged_into_id is not None, actor.pk)))


def field_of(name: str) -> tuple[type[models.Model], str]:
    """Model and field name of a foreign key as ACTOR_RULES and ACCOUNT_RULES name it."""
    label, _, field = name.rpartition(".")
    return apps.get_model(label), field


def erase(person: Person, *, now: datetime) -> dict[str, int]:
    """Erase a person's data, except what the module's docstring names. Returns row counts by table.

    If listings were erased, call rewrite_index afterwards. Raises IsStaff. Raises RedisNeeded before
    anything is erased, or, if Redis fails meanwhile, after everything is: then call recount.
    """
    if any(user.is_staff for user in person.users):
        raise IsStaff(person.names[0])
    with _redis_needed():
        trending.client().ping()
    with catalogue_transaction() as changes:
        list(Actor.objects.filter(pk__in=person.ids).select_for_update())  # blocks new events of theirs
        listings = list(_listings_of(person).select_for_update(no_key=True).order_by("pk"))
        redaction.redact_names(redaction.PersonNames(person.actors, person.users, listings))
        counts = _erase_traces(person) | _erase_listings(person, listings, changes)
        for user in person.users:
            user.delete()
        counts["listings.Actor"] = Actor.objects.filter(pk__in=person.ids).delete()[1]["listings.Actor"]
    boosts.forget()
    recount(now=now)
    return counts


def recount(*, now: datetime) -> None:
    """Count trending and exposure again from the remaining rows.   Raises RedisNeeded."""
    impression_counts.roll_up(now=now, wait=True)
    with _redis_needed():
        with locks.advisory_lock(
            locks.TRENDING, wait=True
        ):  # a running roll-up would write what it read before
            trending.client().delete(trending.SCORES, trending.STATE)
        trending.roll_up(now=now)


def rewrite_index() -> None:
    """Rewrite all kept index generations from the tables alone.

    Raises AlreadyCompacting, ReplicaNotReady.
    """
    for _ in range(generations.KEPT_GENERATIONS):
        compaction.rebuild()


def _listings_of(person: Person) -> QuerySet[Listing]:
    return Listing.objects.filter(seller__in=person.ids)


def _erase_listings(person: Person, listings: list[Listing], changes: CatalogueChanges) -> dict[str, int]:
    """Withdraw and anonymise their listings, and clear the buyer of those that they bought."""
    bought_count = Listing.objects.filter(buyer__in=person.ids).update(buyer=None)
    hold_for_deletion(Photo.objects.filter(listing__in=listings))
    changes.dropped_files.extend(Photo.objects.filter(listing__in=listings).values_list("file", flat=True))
    for name in [name for name, rule in LISTING_RULES.items() if rule == Rule.DELETE]:
        model, field = field_of(name)
        rows = model._base_manager.filter(**{f"{field}__in": listings})
        redaction.delete_log_entries(rows)
        rows.delete()
    if listings:
        anonymous = Actor.objects.create(external_id=f"erased-{new_external_id()}")
        for listing in listings:
            _anonymise(listing, anonymous)
    changes.listing_ids.update(listing.pk for listing in listings)
    return {"listings.Listing": len(listings), "listings.Listing.buyer": bought_count}


def _anonymise(listing: Listing, seller: Actor) -> None:
    if listing.status != Listing.Status.SOLD:
        listing.status = Listing.Status.WITHDRAWN
    listing.seller, listing.external_id = seller, new_external_id()
    listing.title, listing.description = ERASED_TITLE, ""
    listing.place = listing.latitude = listing.longitude = listing.source_version = None
    listing.content_version += 1  # discards an embedding of the old text that is being computed
    listing.save()


def _erase_traces(person: Person) -> dict[str, int]:
    """Delete the rows that refer to them. Returns row counts by table."""
    counts = {}
    for name, rule in ACTOR_RULES.items():
        if rule == Rule.DELETE:
            model, field = field_of(name)
            rows = model._base_manager.filter(**{f"{field}__in": person.ids})
            redaction.delete_log_entries(rows)
            counts[model._meta.label] = rows.delete()[1].get(model._meta.label, 0)
    # From position 0, exposure is counted again from the remaining slates.
    ReaderPosition.objects.filter(reader=impression_counts.READER).update(transaction=0)
    return counts


@contextmanager
def _redis_needed() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise RedisNeeded(error) from None
