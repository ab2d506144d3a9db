"""Categories in which an actor has bought what they looked for."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from recommendations.interactions.weights import EVENT_WEIGHTS
from recommendations.models.events import Interaction
from recommendations.taste.category_paths import paths_of

SATISFIED_FOR = timedelta(days=30)  # after that they may want another


def satisfied_categories(
    events: Sequence[tuple[int, str, int, datetime]], *, now: datetime
) -> frozenset[int]:
    """Ids of categories in which the actor bought something lately and touched nothing else since.

    events: listing, kind, category and time, the last one first. Root categories are too wide and never
    among them: who bought a phone may still want a lamp.
    """
    purchased = {listing for listing, kind, _, _ in events if kind == Interaction.Kind.PURCHASE}
    satisfied, touched_since = set[int](), set[int]()
    for listing, kind, category, at in events:
        if kind == Interaction.Kind.PURCHASE:
            satisfied |= {category} if at > now - SATISFIED_FOR and category not in touched_since else set()
        elif (
            EVENT_WEIGHTS[kind] > 0 and listing not in purchased
        ):  # a message about the purchase is no new interest
            touched_since.add(category)
    category_ids = np.fromiter(satisfied, np.int64, len(satisfied))
    is_root = paths_of(category_ids)[:, 0] == category_ids
    return frozenset(category_ids[~is_root].tolist())
