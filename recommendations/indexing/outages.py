"""Distinction of outages, which make all work fail, from failures of single listings."""

from collections.abc import Sequence

from django.db import InterfaceError, OperationalError

from listings.models import Photo
from listings.photos import processing

# Other errors of the database are about the data, such as a text that it cannot hold, and never go away.
_OUTAGES = (MemoryError, OperationalError, InterfaceError)


def is_outage(error: Exception, listing_ids: Sequence[int]) -> bool:
    """Whether embedding these listings failed by an outage: no memory, no database, photos not mounted.

    A single missing photo is not an outage.
    """
    if isinstance(error, _OUTAGES) or _is_out_of_memory(error):
        return True
    return not processing.folder_has_files() and Photo.objects.filter(listing__in=listing_ids).exists()


def _is_out_of_memory(error: Exception) -> bool:
    """Whether torch ran out of memory. Its CPU allocator raises a RuntimeError, accelerators a subclass."""
    message = str(error).casefold()
    return isinstance(error, RuntimeError) and ("allocate memory" in message or "out of memory" in message)
