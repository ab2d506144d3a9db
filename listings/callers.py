"""Who is calling. marketplace/authentication.py makes it from a credential; views only ask it."""

from dataclasses import dataclass

from listings.errors import Forbidden
from listings.models import Actor, Listing

READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass
class Caller:
    """A person, a visitor, a service or nobody, and what the credential allows.

    `source` vouches for events. A service has no actor of its own: it names one.
    """

    source: str
    scopes: frozenset[str] = frozenset()
    actor: Actor | None = None
    visitor_id: str | None = None  # of a visitor who may have no actor yet
    is_staff: bool = False
    is_service: bool = False
    is_kept: bool = True  # whether it is kept what they are shown

    @property
    def is_newcomer(self) -> bool:
        """A visitor whose first event will make an actor of them."""
        return self.visitor_id is not None and self.actor is None

    def acting(self) -> Actor:
        """The actor whose events these are; a visitor's row is made here, by the first event."""
        if self.actor is None and self.visitor_id is not None:
            self.actor, _ = Actor.objects.get_or_create(
                external_id=self.visitor_id, defaults={"kind": Actor.Kind.VISITOR}
            )
        if self.actor is None:
            raise Forbidden("A service names the actor.", field="actor")
        return self.actor

    def owns(self, listing: Listing) -> bool:
        return self.actor is not None and listing.seller_id == self.actor.pk

    def may_change(self, listing: Listing) -> bool:
        """Only the owner, staff, or a service with the catalogue scope."""
        return "catalogue" in self.scopes and (self.is_service or self.is_staff or self.owns(listing))
