"""Keyset pagination of listings, newest first."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

from listings.errors import Invalid
from listings.models import Listing

_POSITION = re.compile(r"(\S{1,40}) (\d{1,18})", re.ASCII)


class BadCursor(Invalid):
    """The cursor was not made here."""

    def __init__(self) -> None:
        super().__init__("This is no cursor of a page before.", field="cursor")


class NewestFirst(CursorPagination):
    """Cursor pagination by creation time and id, because listings of one batch share their time.

    REST framework's CursorPagination uses the time alone, with an offset among equal times that a cursor can
    set to any number.
    """

    ordering = ("-created_at", "-id")
    page_size = 20
    page_size_query_param = "limit"
    max_page_size = 100
    position: tuple[datetime, int] | None  # time and id of the listing before the page

    def paginate_queryset(  # type: ignore[override]  # it pages listings only
        self, queryset: QuerySet[Listing], request: Request, view: APIView | None = None
    ) -> list[Listing]:
        self.base_url = request.build_absolute_uri()
        self.page_size = self.get_page_size(request)
        self.cursor = self.decode_cursor(request)
        is_back = self.cursor is not None and self.cursor.reverse
        listings = list(self._from_cursor(queryset)[: self.page_size + 1])
        self.page = listings[: self.page_size][:: -1 if is_back else 1]
        has_more = len(listings) > self.page_size
        self.has_next = is_back or has_more
        self.has_previous = has_more if is_back else self.cursor is not None
        return self.page

    def decode_cursor(self, request: Request) -> Cursor | None:
        """The cursor of the request. Sets `position`. Raises Invalid for a cursor that is none."""
        try:
            cursor = super().decode_cursor(request)
        except NotFound:
            raise BadCursor from None
        self.position = None if cursor is None else _position(str(cursor.position or ""))
        if cursor is not None and (cursor.offset or self.position is None):
            raise BadCursor
        return cursor

    def get_page_size(self, request: Request) -> int:
        """The limit of the request. Raises Invalid for one that is no number from 1 to 100."""
        limit = request.query_params.get(self.page_size_query_param)
        if limit is None:
            return self.page_size
        if not re.fullmatch(r"\d{1,3}", limit, re.ASCII) or not 1 <= int(limit) <= self.max_page_size:
            raise Invalid(f"A limit is a number from 1 to {self.max_page_size}.", field="limit")
        return int(limit)

    def get_next_link(self) -> str | None:
        return self._link(-1, is_back=False) if self.has_next else None

    def get_previous_link(self) -> str | None:
        return self._link(0, is_back=True) if self.has_previous else None

    def _from_cursor(self, queryset: QuerySet[Listing]) -> QuerySet[Listing]:
        if self.cursor is None or self.position is None:
            return queryset.order_by(*self.ordering)
        is_back, key = self.cursor.reverse, Tuple(F("created_at"), F("id"))
        beyond: Callable = TupleGreaterThan if is_back else TupleLessThan
        order = ("created_at", "id") if is_back else self.ordering
        return queryset.filter(beyond(key, self.position)).order_by(*order)

    def _link(self, end: int, *, is_back: bool) -> str:
        """URL of the listings beyond this end of the page; for an empty page, beyond the cursor itself."""
        page = self.page or []
        if page or self.position is None:
            time, pk = page[end].created_at, page[end].pk
        else:
            time, cursor_pk = self.position
            pk = cursor_pk - 1 if is_back else cursor_pk + 1  # includes the cursor's own listing
        position: Any = f"{time.isoformat()} {pk}"  # the stubs ask for an int
        return self.encode_cursor(Cursor(offset=0, reverse=is_back, position=position))


def _position(text: str) -> tuple[datetime, int] | None:
    """The UTC time and the id in a cursor; None when the text is malformed."""
    match = _POSITION.fullmatch(text)
    if match is None:
        return None
    try:
        time = datetime.fromisoformat(match[1])
    except ValueError:
        return None
    return (time, int(match[2])) if time.utcoffset() == timedelta(0) else None
