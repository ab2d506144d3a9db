"""Retractions: the interactions that still count, because they were not taken back.

A retraction takes back what the same actor, or a visitor merged into them, did with the same listing before
it or at the same moment, in whatever order the events arrived. Later interactions count again. No row is
deleted. Everything that reads preferences reads interactions through this module.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat

from listings.models import Actor
from recommendations.core.identity import PERSON_KEYS, identities_of
from recommendations.interactions.weights import NEGATIVE_KINDS
from recommendations.models.events import Interaction

Kind = Interaction.Kind

RETRACTS: dict[str, str] = {  # each name is "un" and the kind that it takes back; the SQL relies on it
    Kind.UNFAVOURITE: Kind.FAVOURITE,
    Kind.UNHIDE: Kind.HIDE,
    Kind.UNREPORT: Kind.REPORT,
    Kind.UNOFFER: Kind.OFFER,
}


def _sql_list(kinds: Iterable[str]) -> str:
    return ", ".join(f"'{Kind(kind)}'" for kind in kinds)


# LIKE makes PostgreSQL use the partial index interaction_taken_back, and an array of actors makes it use both
# of its columns: a popular listing has many retractions. Kinds that cannot be taken back are not looked up.
_STANDS = f"""(
    interaction.kind NOT IN ({_sql_list(RETRACTS)})
    AND (interaction.kind NOT IN ({_sql_list(RETRACTS.values())}) OR NOT EXISTS (
        SELECT FROM recommendations_interaction retraction
        WHERE retraction.listing_id = interaction.listing_id
          AND retraction.actor_id = ANY({PERSON_KEYS})
          AND retraction.kind LIKE 'un%%' AND retraction.kind = 'un' || interaction.kind
          AND retraction.occurred_at >= interaction.occurred_at
          AND ({{known}})
    ))
)"""


def is_not_retracted(known_retractions: str) -> str:
    """SQL condition, for a query with parameters: `interaction`, done by `actor`, was not taken back.

    known_retractions: SQL condition on `retraction` that limits retractions to those known at the time in
    question.
    """
    return _STANDS.format(known=known_retractions)


def not_retracted_of(actor_ids: Iterable[int], *, until: datetime | None = None) -> QuerySet[Interaction]:
    """The interactions of these actors that count, up to a time if given, without the retractions.

    actor_ids: all ids of each person: see identity.identities_of.
    """
    ids = list(actor_ids)
    by_then = Q(actor__in=ids) if until is None else Q(actor__in=ids, occurred_at__lte=until)
    retractions = Interaction.objects.filter(
        by_then,
        kind__startswith="un",  # makes PostgreSQL use the partial index
        kind=Concat(Value("un"), OuterRef("kind")),
        listing=OuterRef("listing"),
        occurred_at__gte=OuterRef("occurred_at"),
    )
    done = Interaction.objects.filter(by_then).exclude(kind__in=RETRACTS)
    return done.filter(~Q(kind__in=RETRACTS.values()) | ~Exists(retractions))


def unwanted_by(actor: Actor | None) -> frozenset[int]:
    """Keys of the listings that this actor, or an identity merged into them, has hidden or reported."""
    if actor is None:
        return frozenset()
    hidden = not_retracted_of(identities_of(actor)).filter(kind__in=NEGATIVE_KINDS)
    return frozenset(hidden.values_list("listing_id", flat=True))
