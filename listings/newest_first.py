"""Pages of listings, newest first: each begins at a place in the index, and none counts rows to get there."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import F, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from listings.models import Listing

_PLACE = re.compile(r"(\S{1,40}) (\d{1,18})", re.ASCII)


class NewestFirst(CursorPagination):
    """A cursor names the listing before it by its time and its id: those of one batch share their time.

    REST framework's own would name the time alone and count on from there, as far as a cursor says.
    """

    ordering = ("-created_at", "-id")
    page_size = 20
    page_size_query_param = "limit"
    max_page_size = 100

    def paginate_queryset(self, queryset: QuerySet[Listing], request: Request, view=None) -> list[Listing]:
        self.base_url = request.build_absolute_uri()
        self.page_size = self.get_page_size(request)
        self.cursor = self.decode_cursor(request)
        is_back = self.cursor is not None and self.cursor.reverse
        found = list(self._from_cursor(queryset)[: self.page_size + 1])
        self.page = found[: self.page_size][:: -1 if is_back else 1]
        has_more = len(found) > self.page_size
        self.has_next = is_back or has_more
        self.has_previous = has_more if is_back else self.cursor is not None
        return self.page

    def decode_cursor(self, request: Request) -> Cursor | None:
        """With a position (time, id). Raises NotFound."""
        cursor = super().decode_cursor(request)
        if cursor is None:
            return None
        place = _place(cursor.position or "")
        if cursor.offset or place is None:
            raise NotFound(self.invalid_cursor_message)
        return cursor._replace(position=place)

    def get_next_link(self) -> str | None:
        return self._link(-1, is_back=False) if self.has_next else None

    def get_previous_link(self) -> str | None:
        return self._link(0, is_back=True) if self.has_previous else None

    def _from_cursor(self, queryset: QuerySet[Listing]) -> QuerySet[Listing]:
        if self.cursor is None:
            return queryset.order_by(*self.ordering)
        is_back, place = self.cursor.reverse, Tuple(F("created_at"), F("id"))
        beyond: Callable = TupleGreaterThan if is_back else TupleLessThan
        order = ("created_at", "id") if is_back else self.ordering
        return queryset.filter(beyond(place, self.cursor.position)).order_by(*order)

    def _link(self, end: int, *, is_back: bool) -> str:
        """To what lies beyond this end of the page; of an empty one, beyond where it was looked for."""
        if self.page:
            time, pk = self.page[end].created_at, self.page[end].pk
        else:
            time, beside = self.cursor.position
            pk = beside - 1 if is_back else beside + 1  # and what lies there itself
        return self.encode_cursor(Cursor(offset=0, reverse=is_back, position=f"{time.isoformat()} {pk}"))


def _place(text: str) -> tuple[datetime, int] | None:
    """The time, in UTC as we write it, and the id that a cursor names."""
    told = _PLACE.fullmatch(text)
    try:
        time = datetime.fromisoformat(told[1]) if told else None
    except ValueError:
        return None
    return (time, int(told[2])) if time is not None and time.utcoffset() == timedelta(0) else None
