"""One transaction and one announcement for a verb, however many verbs it is made of."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from django.db import transaction

from listings import photos
from listings.models import Listing
from listings.signals import listings_changed


@dataclass
class Changes:
    """What the verbs of one transaction did: listings touched, photo files written and given up."""

    listing_ids: set[int] = field(default_factory=set)
    stored_files: list[str] = field(default_factory=list)
    dropped_files: list[str] = field(default_factory=list)


_outermost: ContextVar[Changes | None] = ContextVar("changes", default=None)


@contextmanager
def announcing() -> Iterator[Changes]:
    """A transaction whose last statement announces every listing that was added to `listing_ids`.

    Verbs may nest: only the outermost announces, once, with all ids sorted, because receivers take
    the change-log lock and must hold it only to the end of that statement's transaction. Photo files
    written by a transaction that fails are removed; those given up go away after the commit. What a process
    leaves behind that is killed in between, photo_sweeping finds.
    """
    if (outer := _outermost.get()) is not None:
        yield outer
        return
    changes = Changes()
    token = _outermost.set(changes)
    try:
        with transaction.atomic():
            yield changes
            transaction.on_commit(lambda: photos.delete_files(changes.dropped_files))
            if changes.listing_ids:
                listings_changed.send(sender=Listing, listing_ids=sorted(changes.listing_ids))
    except BaseException:
        photos.delete_files(changes.stored_files)
        raise
    finally:
        _outermost.reset(token)
