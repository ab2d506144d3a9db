"""The tables of recommendations: what is stored, its constraints and its indexes.

Every module holds the tables of one subject and is imported by its own name; importing the package
registers all of them with Django. Models know fields and each other, and nothing of what is computed from
them.
"""

from recommendations.models import (  # noqa: F401  Django finds models by this import
    boosts,
    catalogue_changes,
    doubts,
    embeddings,
    events,
    experiments,
    slates,
    trained_models,
)
