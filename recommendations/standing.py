"""Which interactions still count: those that were not taken back. Whoever asks what somebody likes asks here.

A retraction takes back what the same actor, or a visitor who is one with them, did with the same listing
before it or at the same moment, whatever order they arrived in. What follows it counts again. Rows stay.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat

from recommendations.identity import ALL_OF_SELF
from recommendations.models import Interaction

Kind = Interaction.Kind

RETRACTS: dict[str, str] = {  # each is called as what it takes back, with un before it
    Kind.UNFAVOURITE: Kind.FAVOURITE,
    Kind.UNHIDE: Kind.HIDE,
    Kind.UNREPORT: Kind.REPORT,
    Kind.UNOFFER: Kind.OFFER,
}


def _listed(kinds: Iterable[str]) -> str:
    return ", ".join(f"'{Kind(kind)}'" for kind in kinds)


# LIKE leads to the partial index interaction_taken_back, and by an array of actors it is entered with both
# columns: a popular listing has many retractions. Kinds that cannot be taken back are not looked up.
_STANDS = f"""(
    interaction.kind NOT IN ({_listed(RETRACTS)})
    AND (interaction.kind NOT IN ({_listed(RETRACTS.values())}) OR NOT EXISTS (
        SELECT FROM recommendations_interaction retraction
        WHERE retraction.listing_id = interaction.listing_id
          AND retraction.actor_id = ANY({ALL_OF_SELF})
          AND retraction.kind LIKE 'un%%' AND retraction.kind = 'un' || interaction.kind
          AND retraction.occurred_at >= interaction.occurred_at
          AND ({{known}})
    ))
)"""


def stands(known: str) -> str:
    """A condition of SQL, for a query with parameters: `interaction`, done by `actor`, still counts.

    known: a condition on `retraction`, which ones were known at the time that is asked about.
    """
    return _STANDS.format(known=known)


def of(actor_ids: Iterable[int], *, until: datetime | None = None) -> QuerySet[Interaction]:
    """What these actors did up to a time and had not taken back by then, without the retractions themselves.

    Of somebody with visitors merged into them, all of their ids are to be given.
    """
    who = list(actor_ids)
    by_then = Q(actor__in=who) if until is None else Q(actor__in=who, occurred_at__lte=until)
    retractions = Interaction.objects.filter(
        by_then,
        kind__startswith="un",  # leads to the index
        kind=Concat(Value("un"), OuterRef("kind")),
        listing=OuterRef("listing"),
        occurred_at__gte=OuterRef("occurred_at"),
    )
    done = Interaction.objects.filter(by_then).exclude(kind__in=RETRACTS)
    return done.filter(~Q(kind__in=RETRACTS.values()) | ~Exists(retractions))
