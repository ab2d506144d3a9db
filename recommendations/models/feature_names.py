"""Names of the features of a candidate: stored with slates, and the input of the learned ranker."""

CONTEXT_FEATURES = ("distance_km", "age_days", "log_price", "price_gap", "warmth")


SOURCES = (
    "content",
    "collaborative",
    "covisitation",
    "trending",
    "fresh",
    "place",
    "affinity",
    "popularity",
)


FEATURES: tuple[str, ...] = (*SOURCES, "blend", *CONTEXT_FEATURES)
