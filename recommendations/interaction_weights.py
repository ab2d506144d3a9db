"""What each kind of event says about taste: the one table, for trending, taste and training alike."""

from datetime import timedelta

from recommendations.models import Interaction

Kind = Interaction.Kind

# Views are many and cheap; who writes to a seller means it. Negative kinds say what to leave out.
WEIGHTS: dict[str, float] = {
    Kind.VIEW: 1.0,
    Kind.CLICK: 1.5,
    Kind.FAVOURITE: 4.0,
    Kind.MESSAGE: 6.0,
    Kind.OFFER: 7.0,
    Kind.PURCHASE: 8.0,
    Kind.HIDE: 0.0,
    Kind.REPORT: 0.0,
}
UNWANTED: tuple[str, ...] = (Kind.HIDE, Kind.REPORT)
# Of one actor for one listing, in taste and training: a hundred views are not a hundred times the interest.
WEIGHT_CAP = 12.0
TASTE_HALF_LIFE = timedelta(days=3)
TRAINING_HALF_LIFE = timedelta(days=30)
