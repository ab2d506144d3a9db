"""Who asks: the caller, or somebody whom a service or staff names."""

from listings.callers import Caller
from listings.errors import Forbidden
from listings.models import Actor


def asking_actor(caller: Caller, named: str | None) -> Actor | None:
    """Whose taste counts: the caller's own; a service or staff may name an actor. None for whom nobody knows.

    A visitor who was merged is the member. Raises Forbidden.
    """
    if named is None:
        return caller.actor
    if "feed" not in caller.scopes or not (caller.is_service or caller.is_staff):
        raise Forbidden("Only a service or staff may ask in somebody else's name.", field="actor")
    actor = Actor.objects.select_related("merged_into").filter(external_id=named).first()
    return actor and (actor.merged_into or actor)
