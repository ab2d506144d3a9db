"""Kinds of things that somebody has bought and is not looking for any more."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from recommendations.affinity import paths_of
from recommendations.interaction_weights import WEIGHTS
from recommendations.models import Interaction

LASTS = timedelta(days=30)  # then one may well want another


def satisfied_categories(
    events: Sequence[tuple[int, str, int, datetime]], *, now: datetime
) -> frozenset[int]:
    """Categories in which something was bought lately and nothing else was touched since.

    events: listing, kind, category and time, the last one first. Root categories are too wide to be a kind of
    thing: a phone is no reason against every other thing that has a plug. Keys of categories.
    """
    own = {listing for listing, kind, _, _ in events if kind == Interaction.Kind.PURCHASE}
    bought, looked_since = set[int](), set[int]()
    for listing, kind, category, at in events:
        if kind == Interaction.Kind.PURCHASE:
            bought |= {category} if at > now - LASTS and category not in looked_since else set()
        elif WEIGHTS[kind] > 0 and listing not in own:  # where is it to be fetched? is no new wish
            looked_since.add(category)
    kinds = np.fromiter(bought, np.int64, len(bought))
    return frozenset(kinds[paths_of(kinds)[:, 0] != kinds].tolist())
