"""The caller of a request and their permissions.

marketplace/authentication.py builds it from a credential.
"""

from dataclasses import dataclass

from rest_framework.request import Request

from listings.errors import Forbidden
from listings.models import Actor, Listing, Writer

READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass
class Caller:
    """A person, a visitor or a service, with the scopes of their credential.

    `source` is stored with the events that they send. A service has no actor: it names one in each request.
    """

    source: str
    scopes: frozenset[str] = frozenset()
    actor: Actor | None = None
    visitor_id: str | None = None  # set for visitors, who have no actor before their first event
    is_staff: bool = False
    is_service: bool = False
    is_kept: bool = True  # whether slates shown to them are stored
    doubted_listings: frozenset[str] = frozenset()  # ids of which their address sent too many events today

    @property
    def is_new_visitor(self) -> bool:
        """A visitor without an actor: their first event will create one."""
        return self.visitor_id is not None and self.actor is None

    @property
    def writer(self) -> Writer:
        """As whom they change listings that they may change."""
        if self.is_service:
            return Writer.SERVICE
        return Writer.STAFF if self.is_staff else Writer.OWNER

    @property
    def acts_for_others(self) -> bool:
        """Whether they may name sellers, buyers, ids and versions, as services and staff do."""
        return self.is_service or self.is_staff

    def require_actor(self) -> Actor:
        """The caller's actor, created for a visitor's first event. Raises Forbidden for a service."""
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
        """True for the owner, staff and services, given the catalogue scope."""
        return "catalogue" in self.scopes and (self.acts_for_others or self.owns(listing))


class CallerRequest(Request):
    """REST framework's request with the attribute that CallerAuthentication sets. For annotations only."""

    caller: Caller
