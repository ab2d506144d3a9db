"""Who asks: the caller, or somebody whom a service or staff names."""

from django.dispatch import Signal

from listings.callers import Caller
from listings.errors import Forbidden
from listings.models import Actor
from recommendations.identity import member_of

# With `by`, the name of who asks, `actor`, and `what` is asked for. If a receiver raises, nobody is told.
asked_by_staff = Signal()


def asking_actor(caller: Caller, named: str | None, *, what: str) -> Actor | None:
    """Whose taste counts: the caller's own; a service or staff may name an actor. None for whom nobody knows.

    A visitor who was merged is the member. Without the feed scope a caller is a stranger. Raises Forbidden.
    """
    if named is None:
        return caller.actor if "feed" in caller.scopes else None
    if "feed" not in caller.scopes or not (caller.is_service or caller.is_staff):
        raise Forbidden("Only a service or staff may ask in somebody else's name.", field="actor")
    actor = Actor.objects.select_related("merged_into").filter(external_id=named).first()
    actor = actor and member_of(actor)
    if actor and caller.is_staff and actor != caller.actor:
        by = caller.actor.user.get_username()
        asked_by_staff.send(sender=None, by=by, actor=actor, what=what)
    return actor
