"""What each kind of event says about taste: the one table, for trending, taste and training alike."""

from datetime import timedelta

from django.conf import settings

from recommendations.models import Interaction

Kind = Interaction.Kind

UNWANTED: tuple[str, ...] = (Kind.HIDE, Kind.REPORT)  # they say what to leave out, and nothing of taste
# As EVENT_WEIGHTS has them; in the units of one view.
WEIGHTS: dict[str, float] = {kind: settings.ENVIRONMENT.event_weights.get(kind, 0.0) for kind in Kind.values}
# Of one actor for one listing, in taste and training: a hundred views are not a hundred times the interest.
WEIGHT_CAP = 12.0
TASTE_HALF_LIFE = timedelta(days=settings.ENVIRONMENT.taste_half_life_days)
TRAINING_HALF_LIFE = timedelta(days=30)
