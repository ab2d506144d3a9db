"""The caller of a request and their permissions.

marketplace/authentication.py builds it from a credential.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rest_framework.request import Request

from listings.errors import Forbidden
from listings.models import Actor, Listing, Writer

# Permissions of Django that staff may be given, with what the API lets them do then.
VIEW_LISTINGS = "listings.view_listing"  # read drafts and what was withdrawn
ADD_LISTINGS = "listings.add_listing"  # publish in the name of others, under ids of their choice
CHANGE_LISTINGS = "listings.change_listing"  # change any listing
CHANGE_CATEGORIES = "listings.change_category"  # rename, merge and remove categories
VIEW_EVENTS = "recommendations.view_interaction"  # see feeds and searches as somebody else would
VIEW_OPERATIONS = "marketplace.view_operations"  # read metrics, and what is wrong with the installation
STAFF_PERMISSIONS = (
    *(VIEW_LISTINGS, ADD_LISTINGS, CHANGE_LISTINGS, CHANGE_CATEGORIES, VIEW_EVENTS, VIEW_OPERATIONS),
)

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
    permissions: frozenset[str] = frozenset()  # of staff, among STAFF_PERMISSIONS
    is_service: bool = False
    is_kept: bool = True  # whether slates shown to them are stored
    doubted_listings: frozenset[str] = frozenset()  # ids of which their address sent too many events today

    @property
    def is_logged_in(self) -> bool:
        """Whether they are a person with an account, or a service."""
        return self.visitor_id is None

    @property
    def is_new_visitor(self) -> bool:
        """A visitor without an actor: their first event will create one."""
        return self.visitor_id is not None and self.actor is None

    @property
    def writer(self) -> Writer:
        """As whom they change listings that they may change."""
        if self.is_service:
            return Writer.SERVICE
        return Writer.STAFF if CHANGE_LISTINGS in self.permissions else Writer.OWNER

    @property
    def acts_for_others(self) -> bool:
        """Whether they may change any listing, and name its seller, buyer and version."""
        return self.is_service or CHANGE_LISTINGS in self.permissions

    @property
    def adds_for_others(self) -> bool:
        """Whether they may publish for any seller, and choose the id and version."""
        return self.is_service or ADD_LISTINGS in self.permissions

    @property
    def sees_hidden(self) -> bool:
        """Whether they may read listings that are not public."""
        if self.is_service:
            return "catalogue" in self.scopes
        return bool(self.permissions & {VIEW_LISTINGS, CHANGE_LISTINGS})

    @property
    def asks_for_others(self) -> bool:
        """Whether they may ask for feeds and searches in the name of others."""
        return "feed" in self.scopes and (self.is_service or VIEW_EVENTS in self.permissions)

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
    """REST framework's request with what CallerAuthentication and RateLimit set. For annotations only."""

    caller: Caller
    charge: Callable[[int], None]  # counts so much more against the view's rate limit
