"""Resolution of the actor of a request: the caller, or another actor that a service or staff names."""

from django.dispatch import Signal

from listings.callers import Caller
from listings.errors import Forbidden
from listings.models import Actor
from recommendations.core.identity import member_of

# Sent with `by` (the login name of the staff), `actor` and `what` (the kind of data). A receiver that raises
# stops the request before anything is answered.
accessed_by_staff = Signal()


def resolve_actor(caller: Caller, named: str | None, *, data_kind: str) -> Actor | None:
    """The actor whose profile is used: the caller, or the actor that a service or staff names.

    A merged visitor gives the member. None for an unknown name, and for a caller without the feed scope.
    Raises Forbidden.
    """
    if named is None:
        return caller.actor if "feed" in caller.scopes else None
    if not caller.asks_for_others:
        raise Forbidden("Only a service or staff may ask in somebody else's name.", field="actor")
    actor = Actor.objects.select_related("merged_into").filter(external_id=named).first()
    actor = actor and member_of(actor)
    if actor and not caller.is_service and actor != caller.actor:
        assert caller.actor is not None and caller.actor.user is not None  # staff are users
        by = caller.actor.user.get_username()
        accessed_by_staff.send(sender=None, by=by, actor=actor, what=data_kind)
    return actor
