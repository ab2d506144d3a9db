"""Whether work failed for want of what all work needs, and not for what it was about."""

from collections.abc import Sequence

from django.db import InterfaceError, OperationalError

from listings import photos
from listings.models import Photo

# Of the database, not what it refuses: a text that it cannot hold is refused for ever.
_OF_ALL = (MemoryError, OperationalError, InterfaceError)


def is_outage(error: Exception, listing_ids: Sequence[int]) -> bool:
    """Whether embedding these listings failed by an outage: no memory, no database, photos not mounted.

    A photo that is missing by itself is none.
    """
    if isinstance(error, _OF_ALL) or _is_of_memory(error):
        return True
    return not photos.are_there() and Photo.objects.filter(listing__in=listing_ids).exists()


def _is_of_memory(error: Exception) -> bool:
    """As torch says it: DefaultCPUAllocator raises a RuntimeError, an accelerator a kind of one."""
    said = str(error).casefold()
    return isinstance(error, RuntimeError) and ("allocate memory" in said or "out of memory" in said)
