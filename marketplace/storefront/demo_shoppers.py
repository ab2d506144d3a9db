"""Simulated shoppers as whom anyone may look at the demo. Only with DEMO_SHOPPERS, never real people."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import islice

from django.conf import settings
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse

from listings import queries
from listings.callers import Caller
from listings.models import Actor, Category, Listing
from marketplace.web.authentication import PERSON, CallerAuthentication
from recommendations.interactions.simulation import SOURCE
from recommendations.models.events import Interaction

COOKIE = "shopper"
MOST_SHOWN = 12
PHOTOS = 4  # of what each likes
STRONG = (Interaction.Kind.FAVOURITE, Interaction.Kind.MESSAGE, Interaction.Kind.PURCHASE)


@dataclass(frozen=True)
class DemoShopper:
    """A simulated shopper, and what they like: category names, most frequent first, and listings."""

    external_id: str
    categories: list[str]
    liked: list[Listing]


class ShopperAuthentication(CallerAuthentication):
    """As for the API; in the demo also the simulated shopper whom a signed cookie names."""

    def _identify(self, request):
        shopper = chosen(request)
        if shopper is None:
            return super()._identify(request)
        return None, Caller(source=f"actor:{shopper.external_id}", scopes=PERSON, actor=shopper)


def chosen(request: HttpRequest) -> Actor | None:
    """The simulated shopper of the cookie; None without one, and where there are none to choose from."""
    if not settings.ENVIRONMENT.demo_shoppers:
        return None
    try:
        name = request.get_signed_cookie(COOKIE, default=None)
    except BadSignature:
        return None
    return find(name) if name else None


def shopper_of(caller: Caller) -> Actor | None:
    """The simulated shopper as whom a caller was identified: no visitor, and an actor without an account."""
    actor = caller.actor if caller.is_logged_in else None
    return actor if actor is not None and actor.user_id is None else None


def find(external_id: str) -> Actor | None:
    """The simulated shopper with this id: an actor without an account, with simulated events."""
    shopper = Actor.objects.filter(external_id=external_id, user=None).first()
    if shopper is None or not Interaction.objects.filter(actor=shopper, source=SOURCE).exists():
        return None
    return shopper


def remember(request: HttpRequest, response: HttpResponse, shopper: Actor) -> None:
    response.set_signed_cookie(
        COOKIE, shopper.external_id, httponly=True, samesite="Lax", secure=request.is_secure()
    )


def read_shoppers(count: int = MOST_SHOWN) -> list[DemoShopper]:
    """The first simulated shoppers with what they like, in a fixed number of queries."""
    if not settings.ENVIRONMENT.demo_shoppers:
        return []
    first = Interaction.objects.filter(source=SOURCE).order_by("actor_id").values_list("actor_id").distinct()
    rows = (
        Interaction.objects.filter(source=SOURCE, actor__in=[pk for (pk,) in first[:count]])
        .order_by("actor_id", "-occurred_at")
        .values_list("actor__external_id", "listing_id", "listing__category__path", "kind")
    )
    categories: dict[str, Counter[str]] = defaultdict(Counter)
    liked: dict[str, dict[int, None]] = defaultdict(dict)
    for name, listing_id, path, kind in rows:
        categories[name][path.rsplit(Category.SEPARATOR, 1)[-1]] += 1
        if kind in STRONG:
            liked[name][listing_id] = None
    kept = {name: list(islice(own, PHOTOS)) for name, own in liked.items()}
    by_id = {
        shown.pk: shown for shown in queries.public_in_order([pk for own in kept.values() for pk in own])
    }
    return [
        DemoShopper(
            name,
            [category for category, _ in counts.most_common(2)],
            [by_id[pk] for pk in kept.get(name, []) if pk in by_id],
        )
        for name, counts in categories.items()
    ]
