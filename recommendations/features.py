"""Names of the features of a candidate: stored with slates, and the input of the learned ranker."""

from recommendations.candidates import SOURCES
from recommendations.facts import FACTS

FEATURES: tuple[str, ...] = (*SOURCES, "blend", *FACTS)
