"""Weights of event kinds, shared by trending, user profiles and training."""

from datetime import timedelta

from django.conf import settings

from recommendations.models.events import Interaction

Kind = Interaction.Kind

NEGATIVE_KINDS: tuple[str, ...] = (Kind.HIDE, Kind.REPORT)  # these hide listings and carry no weight
# From EVENT_WEIGHTS; the weight of a view is the unit.
EVENT_WEIGHTS: dict[str, float] = {
    kind: settings.ENVIRONMENT.event_weights.get(kind, 0.0) for kind in Kind.values
}
# Of one actor for one listing, in profiles and training: a hundred views are not a hundred times one view.
WEIGHT_CAP = 12.0
PROFILE_HALF_LIFE = timedelta(days=settings.ENVIRONMENT.taste_half_life_days)
TRAINING_HALF_LIFE = timedelta(days=30)
