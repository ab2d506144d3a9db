"""Events as other systems export them: Segment's tracks, and GA4's ecommerce events in BigQuery.

Names of events are those of Segment's ecommerce specification and of GA4's recommended events.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from listings.row_files.reading import RowFile
from recommendations.models.events import Interaction

Kind = Interaction.Kind

SEGMENT_KINDS = {
    "product viewed": Kind.VIEW,
    "product clicked": Kind.CLICK,
    "product added": Kind.FAVOURITE,
    "product added to wishlist": Kind.FAVOURITE,
    "product removed from wishlist": Kind.UNFAVOURITE,
    "order completed": Kind.PURCHASE,
}
GA4_KINDS = {
    "view_item": Kind.VIEW,
    "select_item": Kind.CLICK,
    "add_to_wishlist": Kind.FAVOURITE,
    "add_to_cart": Kind.FAVOURITE,
    "generate_lead": Kind.MESSAGE,
    "purchase": Kind.PURCHASE,
}


class NotAnEvent(ValueError):
    """A row of an export that is no event here. The message is the reason."""

    def __init__(self, reason: str, event_id: str = ""):
        super().__init__(reason)
        self.event_id = event_id


@dataclass(frozen=True)
class Shape:
    """The shape of an export: its name, and how a row becomes an event."""

    name: str
    event: Callable[[Mapping[str, Any]], dict[str, object]]


def shape_of(file: RowFile) -> Shape | None:
    """The shape of a file by its columns, or by those of its first row. None for ours."""
    first = next((row.cells for row in file.rows() if not row.problem), {})
    names = set(file.header if file.header is not None else first)
    if {"event_id", "listing"} <= names:
        return None
    if names & {"messageid", "message_id"} or {"event", "properties"} <= names:
        return Shape("Segment", _of_segment)
    return Shape("GA4", _of_ga4) if {"event_name", "event_timestamp"} <= names else None


def _of_segment(cells: Mapping[str, Any]) -> dict[str, object]:
    event_id = str(_first(cells, "messageid", "message_id") or "")
    if cells.get("type") not in ("track", None, ""):
        raise NotAnEvent(f"type: {cells['type']!r} is no track", event_id)
    kind = SEGMENT_KINDS.get(str(cells.get("event") or "").casefold().replace("_", " "))
    if kind is None:
        raise NotAnEvent(f"event: {cells.get('event')!r} has no kind here", event_id)
    properties = _object(cells.get("properties")) or cells
    listing = properties.get("product_id") or _only(properties.get("products"), "product_id", event_id)
    return _without_empty(
        {
            "event_id": event_id,
            "occurred_at": _first(cells, "timestamp", "originaltimestamp", "original_timestamp"),
            "actor": _first(cells, "userid", "user_id", "anonymousid", "anonymous_id"),
            "listing": listing,
            "kind": kind.value,
            "position": properties.get("position"),
        }
    )


def _of_ga4(cells: Mapping[str, Any]) -> dict[str, object]:
    actor = cells.get("user_id") or cells.get("user_pseudo_id")
    stamp, name = str(cells.get("event_timestamp") or ""), str(cells.get("event_name") or "")
    listing = cells.get("item_id") or _only(cells.get("items"), "item_id")
    # GA4 gives its events no ids. The same row has the same id, so that a second import adds nothing.
    event_id = sha256("\n".join(map(str, (actor, stamp, name, listing))).encode()).hexdigest()[:32]
    kind = GA4_KINDS.get(name)
    if kind is None:
        raise NotAnEvent(f"event_name: {name!r} has no kind here", event_id)
    return _without_empty(
        {
            "event_id": event_id,
            "occurred_at": _time_of(stamp, event_id),
            "actor": actor,
            "listing": listing,
            "kind": kind.value,
        }
    )


def _time_of(stamp: str, event_id: str) -> str:
    """The time of a number of microseconds since 1970."""
    try:
        return datetime.fromtimestamp(int(stamp) / 1e6, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        raise NotAnEvent(f"event_timestamp: {stamp!r} is no number of microseconds", event_id) from None


def _only(items: object, name: str, event_id: str = "") -> object:
    """The listing of an event. An event of several listings is refused, since an event here has one."""
    entries = [item.get(name) for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    if len(set(map(str, entries))) > 1:
        raise NotAnEvent("it names several listings; split it into one event for each", event_id)
    return entries[0] if entries else None


def _object(value: object) -> Mapping[str, Any]:
    """An object, or that of a text of JSON; empty for anything else."""
    if isinstance(value, str) and value.startswith("{"):
        with suppress(ValueError, RecursionError):
            value = json.loads(value, parse_int=str, parse_float=str)
    return value if isinstance(value, dict) else {}


def _first(cells: Mapping[str, Any], *names: str) -> Any:
    """The first of these cells that is not empty."""
    return next((cells[name] for name in names if cells.get(name)), None)


def _without_empty(event: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in event.items() if value not in ("", None)}
