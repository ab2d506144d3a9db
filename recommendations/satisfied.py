"""Kinds of things that an actor has bought and is not looking for any more."""

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from recommendations import standing
from recommendations.interaction_weights import WEIGHTS
from recommendations.models import Interaction

LASTS = timedelta(days=30)  # then one may well want another
LOOKS_FOR = tuple(
    kind for kind, weight in WEIGHTS.items() if weight > 0 and kind != Interaction.Kind.PURCHASE
)


def satisfied_categories(actor_ids: list[int], *, now: datetime) -> frozenset[int]:
    """Categories in which these actors bought something lately and have touched nothing since.

    Root categories are too wide to be a kind of thing: a phone is no reason against every other thing that
    has a plug. Keys of categories.
    """
    own = standing.of(actor_ids, until=now)
    bought = own.filter(kind=Interaction.Kind.PURCHASE, occurred_at__gt=now - LASTS)
    looked_since = Interaction.objects.filter(
        actor__in=actor_ids,
        kind__in=LOOKS_FOR,
        listing__category=OuterRef("listing__category"),
        occurred_at__gt=OuterRef("occurred_at"),
        occurred_at__lte=now,
    )
    kinds = bought.filter(listing__category__parent__isnull=False).exclude(Exists(looked_since))
    return frozenset(kinds.values_list("listing__category", flat=True))
