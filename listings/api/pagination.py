"""Keyset pagination of listings: newest first, cheapest first or dearest first."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
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


@dataclass(frozen=True)
class Order:
    """An order of listings: by a column, and by id in the same direction among equals."""

    column: str
    is_ascending: bool
    read: Callable[[str], Any]  # the value in a cursor; raises ValueError, or returns None, when malformed


def _time(text: str) -> datetime | None:
    time = datetime.fromisoformat(text)
    return time if time.utcoffset() == timedelta(0) else None


def _price(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(r"\d{1,10}\.\d{2}", text, re.ASCII) else None


ORDERS = {
    "newest": Order("created_at", False, _time),
    "price": Order("price", True, _price),
    "-price": Order("price", False, _price),
}
SORT = "sort"


class ListingPages(CursorPagination):
    """Cursor pagination by time or price and id, because listings of one batch share their time.

    REST framework's CursorPagination uses the time alone, with an offset among equal times that a cursor can
    set to any number.
    """

    order: Order
    page_size = 20
    page_size_query_param = "limit"
    max_page_size = 100
    position: tuple[Any, int] | None  # time or price, and id of the listing before the page

    def paginate_queryset(  # type: ignore[override]  # it pages listings only
        self, queryset: QuerySet[Listing], request: Request, view: APIView | None = None
    ) -> list[Listing]:
        self.base_url = request.build_absolute_uri()
        self.page_size = self.get_page_size(request)
        self.order = _order(request)
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
        self.position = None if cursor is None else _position(str(cursor.position or ""), self.order)
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
        column = self.order.column
        is_back = self.cursor is not None and self.cursor.reverse
        is_ascending = self.order.is_ascending != is_back
        order = (column, "id") if is_ascending else (f"-{column}", "-id")
        if self.position is None:
            return queryset.order_by(*order)
        beyond: Callable = TupleGreaterThan if is_ascending else TupleLessThan
        return queryset.filter(beyond(Tuple(F(column), F("id")), self.position)).order_by(*order)

    def _link(self, end: int, *, is_back: bool) -> str:
        """URL of the listings beyond this end of the page; for an empty page, beyond the cursor itself."""
        page = self.page or []
        if page or self.position is None:
            value, pk = getattr(page[end], self.order.column), page[end].pk
        else:
            value, cursor_pk = self.position
            # Includes the cursor's own listing.
            pk = cursor_pk - 1 if is_back != self.order.is_ascending else cursor_pk + 1
        text = value.isoformat() if isinstance(value, datetime) else str(value)
        position: Any = f"{text} {pk}"  # the stubs ask for an int
        return self.encode_cursor(Cursor(offset=0, reverse=is_back, position=position))


def _order(request: Request) -> Order:
    """The order that a request asks for. Raises Invalid for an unknown one."""
    name = request.query_params.get(SORT) or "newest"
    if name not in ORDERS:
        raise Invalid(f"Accepted: {', '.join(ORDERS)}.", field=SORT)
    return ORDERS[name]


def _position(text: str, order: Order) -> tuple[Any, int] | None:
    """The UTC time or the price, and the id in a cursor; None when the text is malformed."""
    match = _POSITION.fullmatch(text)
    if match is None:
        return None
    try:
        value = order.read(match[1])
    except ValueError:
        return None
    return None if value is None else (value, int(match[2]))
