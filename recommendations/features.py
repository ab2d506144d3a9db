"""What is known of each candidate as it is ranked: kept with the slate, and what a learned ranker goes by."""

from recommendations.candidates import SOURCES
from recommendations.facts import FACTS

FEATURES: tuple[str, ...] = (*SOURCES, "blend", *FACTS)
