"""What is kept about a person, handed out or erased: a member, with the visitors that they came as.

`RULES` has a line for every relation to an actor, `ACCOUNT` for every one to their account, `OF_LISTINGS` for
every one to what they sell. A test walks all models, so that a new table without a rule fails.

What erasing leaves: their listings, for others' events refer to them, off the market, without words, photos,
place and id, of a seller that stands for nobody; category and price stay. Trending and the counts of exposure
are counted anew at once, and the index is written without their listings' vectors. Until the next training a
collaborative model keeps the number of their row in its counts, which leads to nobody; those to roll back to
keep it longer (model_registry.KEPT). Words that only they wrote go from the vocabulary of spelling.py within
minutes. Backups keep what they hold.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.apps import apps
from django.db import models
from django.db.models import QuerySet
from redis.exceptions import RedisError

from listings.announcing import Changes, announcing
from listings.errors import Conflict, Missing, Unavailable
from listings.models import Actor, Listing, Photo, new_external_id
from recommendations import boosts, compaction, exposure, forgetting, generations, locks, trending
from recommendations.identity import with_merged
from recommendations.models import ReaderPosition

ERASED_TITLE = "Erased"


class Rule(StrEnum):
    DELETE = "delete"  # the row goes
    CLEAR = "clear"  # the row stays, and names nobody
    ANONYMISE = "anonymise"  # the row stays for others' sake, with nothing of theirs in it
    PERSON = "person"  # the row is one of those that are the person
    KEEP = "keep"  # the row is about what others did, and says nothing of them


RULES: dict[str, Rule] = {
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
# Of their Django user. Permissions and groups are rows of pairs, which go with it.
ACCOUNT: dict[str, Rule] = {
    "listings.Actor.user": Rule.PERSON,
    "admin.LogEntry.user": Rule.DELETE,
    "auth.User_groups.user": Rule.DELETE,
    "auth.User_user_permissions.user": Rule.DELETE,
    "marketplace.PersonToken.user": Rule.DELETE,
}
OF_LISTINGS: dict[str, Rule] = {
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
    """What staff did is a record of the house."""

    def __init__(self, external_id: str):
        super().__init__(f"{external_id} is staff: take that from their account first.")


class RedisNeeded(Unavailable):
    """What is trending could not be counted anew."""

    def __init__(self, error: Exception):
        super().__init__(f"Redis has to be there, for what is trending is counted anew: {error}")


@dataclass(frozen=True)
class Person:
    """A member and the visitors that they came as."""

    actors: list[Actor]  # the member first

    @property
    def ids(self) -> list[int]:
        return [actor.pk for actor in self.actors]

    @property
    def names(self) -> list[str]:
        return [actor.external_id for actor in self.actors]

    @property
    def users(self) -> list[models.Model]:
        return [actor.user for actor in self.actors if actor.user_id is not None]


def find(external_id: str) -> Person:
    """Whose id this is, with all who are one with them.   Raises NoSuchActor."""
    actor = Actor.objects.filter(external_id=external_id).first()
    if actor is None:
        raise NoSuchActor(external_id)
    found = Actor.objects.filter(pk__in=with_merged([actor.pk])).select_related("user")
    return Person(sorted(found, key=lambda one: (one.merged_into_id is not None, one.pk)))


def column(name: str) -> tuple[type[models.Model], str]:
    """Model and column of a relation as RULES and ACCOUNT name it."""
    label, _, field = name.rpartition(".")
    return apps.get_model(label), field


def erase(person: Person, *, now: datetime) -> dict[str, int]:
    """Delete everything about a person but what the module says stays; how many rows of each table.

    Whoever erased listings has the index written anew, too: see write_index_anew. Raises IsStaff, and
    RedisNeeded: then nothing is erased yet; or all is, if Redis went away meanwhile, and count_anew is left.
    """
    if any(user.is_staff for user in person.users):
        raise IsStaff(person.names[0])
    with _redis_needed():
        trending.client().ping()
    with announcing() as changes:
        list(Actor.objects.filter(pk__in=person.ids).select_for_update())  # who sends events now, waits
        listings = list(_listings_of(person).select_for_update(no_key=True).order_by("pk"))
        forgetting.forget_names(forgetting.Names(person.actors, person.users, listings))
        counts = _erase_traces(person) | _erase_listings(person, listings, changes)
        for user in person.users:
            user.delete()
        counts["listings.Actor"] = Actor.objects.filter(pk__in=person.ids).delete()[1]["listings.Actor"]
    boosts.forget()
    count_anew(now=now)
    return counts


def count_anew(*, now: datetime) -> None:
    """Count what is trending and what was shown from the rows that are left.   Raises RedisNeeded."""
    exposure.roll_up(now=now, wait=True)
    with _redis_needed():
        with locks.alone(locks.TRENDING, wait=True):  # a roll-up that runs would write what it has read
            trending.client().delete(trending.SCORES, trending.STATE)
        trending.roll_up(now=now)


def write_index_anew() -> None:
    """All generations that are kept, from the tables alone.   Raises AlreadyCompacting, NotReady."""
    for _ in range(generations.KEPT):
        compaction.rebuild()


def _listings_of(person: Person) -> QuerySet[Listing]:
    return Listing.objects.filter(seller__in=person.ids)


def _erase_listings(person: Person, listings: list[Listing], changes: Changes) -> dict[str, int]:
    """Their listings leave the market and say nothing any more; what they bought was bought by nobody."""
    bought = Listing.objects.filter(buyer__in=person.ids).update(buyer=None)
    changes.dropped_files.extend(Photo.objects.filter(listing__in=listings).values_list("file", flat=True))
    for name in [name for name, rule in OF_LISTINGS.items() if rule == Rule.DELETE]:
        model, field = column(name)
        rows = model._base_manager.filter(**{f"{field}__in": listings})
        forgetting.forget_in_log(rows)
        rows.delete()
    nobody = Actor.objects.create(external_id=f"erased-{new_external_id()}") if listings else None
    for listing in listings:
        _empty(listing, nobody)
    changes.listing_ids.update(listing.pk for listing in listings)
    return {"listings.Listing": len(listings), "listings.Listing.buyer": bought}


def _empty(listing: Listing, seller: Actor) -> None:
    if listing.status != Listing.Status.SOLD:
        listing.status = Listing.Status.WITHDRAWN
    listing.seller, listing.external_id = seller, new_external_id()
    listing.title, listing.description = ERASED_TITLE, ""
    listing.place = listing.latitude = listing.longitude = listing.source_version = None
    listing.content_version += 1  # a worker that embeds what it said, has embedded in vain
    listing.save()


def _erase_traces(person: Person) -> dict[str, int]:
    """Delete what refers to them; how many rows of each table."""
    counts = {}
    for name, rule in RULES.items():
        if rule == Rule.DELETE:
            model, field = column(name)
            rows = model._base_manager.filter(**{f"{field}__in": person.ids})
            forgetting.forget_in_log(rows)
            counts[model._meta.label] = rows.delete()[1].get(model._meta.label, 0)
    # From 0 on, exposure is counted from the slates that are left.
    ReaderPosition.objects.filter(reader=exposure.READER).update(transaction=0)
    return counts


@contextmanager
def _redis_needed() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise RedisNeeded(error) from None
