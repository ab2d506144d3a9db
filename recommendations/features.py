"""What is known of each candidate as it is ranked: kept with the slate, and what a learned ranker goes by."""

from recommendations.candidates import SOURCES

FEATURES: tuple[str, ...] = (
    *SOURCES,
    "blend",
    "distance_km",
    "age_days",
    "log_price",
    "price_gap",
    "warmth",
)
