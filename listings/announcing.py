"""One transaction and one `listings_changed` signal for any number of nested service calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from django.db import transaction
from django.dispatch import Signal

from listings.models import Listing
from listings.photos import processing

# Sent with listing_ids (list of primary keys) once for each transaction, as its last statement.
listings_changed = Signal()


@dataclass
class CatalogueChanges:
    """Changes of one transaction: listings touched, photo files written, photo files to delete."""

    listing_ids: set[int] = field(default_factory=set)
    stored_files: list[str] = field(default_factory=list)
    dropped_files: list[str] = field(default_factory=list)


_outermost: ContextVar[CatalogueChanges | None] = ContextVar("changes", default=None)


@contextmanager
def catalogue_transaction() -> Iterator[CatalogueChanges]:
    """A transaction that ends by sending `listings_changed` for every listing added to `listing_ids`.

    Calls may nest: only the outermost sends the signal, once, with all ids sorted. It does so last, because
    receivers take the change-log lock and hold it until the commit. Photo files written by a transaction that
    fails are deleted at once; files in `dropped_files` are deleted after the commit. Files left behind by a
    process that was killed in between are deleted by photos.cleanup.
    """
    if (outer := _outermost.get()) is not None:
        yield outer
        return
    changes = CatalogueChanges()
    token = _outermost.set(changes)
    try:
        with transaction.atomic():
            yield changes
            transaction.on_commit(lambda: processing.delete_files(changes.dropped_files))
            if changes.listing_ids:
                listings_changed.send(sender=Listing, listing_ids=sorted(changes.listing_ids))
    except BaseException:
        processing.delete_files(changes.stored_files)
        raise
    finally:
        _outermost.reset(token)
