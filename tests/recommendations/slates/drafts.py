"""Drafts of slates with two features."""

import numpy as np

from recommendations.slates.store import SlateDraft

NAMES = ("content", "distance_km")


def draft(listing_ids, actor=None, **changed) -> SlateDraft:
    """Of listings with two features each, the second unknown for the first of them."""
    length = len(listing_ids)
    features = np.arange(2 * length, dtype=np.float32).reshape(length, 2)
    features[:1, 1] = np.nan
    defaults = {
        "surface": "feed",
        "actor": actor,
        "listing_ids": list(listing_ids),
        "feature_names": NAMES,
        "features": features,
        "propensities": np.linspace(1, 0.5, length, dtype=np.float32),
        "reasons": ["exploring"] * length,
        "seed": 2**40,
        "versions": {"encoder": "e-1", "ranker": None, "index": "g-7"},
        "parameters": {"limit": 20},
    }
    return SlateDraft(**(defaults | changed))
