"""Identities of one person: a member, and the visitors that were merged into them when they logged in.

A visitor who logs in keeps the events of before under the visitor's row, whose `merged_into` is the member.
Everything that counts events by person goes through here. In SQL and Python alike, a person is named by the
key of the member, or by the visitor's own key while there is no member.
"""

from collections.abc import Iterable

from django.db.models import Q
from django.db.models.functions import Coalesce

from listings.models import Actor


def person_key_sql(table: str) -> str:
    """SQL: the key of the person whom this row of listings_actor belongs to."""
    return f"coalesce({table}.merged_into_id, {table}.id)"


PERSON_KEY = person_key_sql("actor")
# SQL: the keys of all rows of one person, as bigint[]. As an array PostgreSQL looks them up in an index.
PERSON_KEYS = f"""ARRAY(
    SELECT {PERSON_KEY} UNION ALL SELECT id FROM listings_actor WHERE merged_into_id = {PERSON_KEY}
)"""


def person_key(relation: str) -> Coalesce:
    """A query expression: the key of the person whom this foreign key to Actor leads to."""
    return Coalesce(f"{relation}__merged_into_id", f"{relation}_id")


def member_of(actor: Actor) -> Actor:
    """The member whom a visitor was merged into; any other actor as they are."""
    return actor.merged_into or actor


def identities_of(actor: Actor) -> list[int]:
    """The keys of a member and of the visitors merged into them, the member first.

    Queried before the events: an OR over a join would keep PostgreSQL from the index on actor and time.
    """
    return [actor.pk, *Actor.objects.filter(merged_into=actor).values_list("pk", flat=True)]


def all_identities(actor_ids: Iterable[int]) -> list[int]:
    """The keys of all persons whom these actors belong to: members, and the visitors merged into them.

    Queried before the events, so that PostgreSQL finds these by the index on actors.
    """
    given = Actor.objects.filter(pk__in=[int(pk) for pk in actor_ids])
    selves = list(given.values_list(Coalesce("merged_into_id", "pk"), flat=True))
    return list(
        Actor.objects.filter(Q(pk__in=selves) | Q(merged_into__in=selves)).values_list("pk", flat=True)
    )


def is_identity_of(actor_id: int, actor: Actor | None) -> bool:
    """Whether this key is the actor's own, or that of a visitor merged into them. False without an actor."""
    if actor is None or actor_id == actor.pk:
        return actor is not None
    return Actor.objects.filter(pk=actor_id, merged_into=actor).exists()
