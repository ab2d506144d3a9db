"""Backtest for `manage.py evaluate`: models are fitted on the earlier events and evaluated on the later ones.

Nothing is published and nothing in the database changes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from listings.errors import DomainError
from ml.progress import Progress
from recommendations.analysis.rendering import format_time
from recommendations.collaborative.config import TrainingConfig
from recommendations.collaborative.content_vectors import read_content
from recommendations.collaborative.history import InteractionHistory, read_history
from recommendations.collaborative.model import Collaborative, Content, fit
from recommendations.core.json_values import to_json_values
from recommendations.core.progress import Steps, unwatched_steps
from recommendations.evaluation import point_in_time
from recommendations.evaluation.baselines import BASELINES, EvaluationContext
from recommendations.evaluation.comparison import AT, MOST_ACTORS, SEED, EvaluationResult, measure
from recommendations.interactions.simulation import SOURCE as SIMULATION
from recommendations.models.events import Interaction
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.training.collaborative import TooFewEvents, active_config, require_enough_events
from recommendations.training.distance_decay import learn_decays
from recommendations.training.source_weights import with_fitted_blend

SHARE = 0.9  # of the events, those that models are fitted on


class NothingHeldOut(DomainError):
    """No interaction after the split can be used as a right answer."""


@dataclass(frozen=True)
class Backtest:
    """The figures of a backtest, and the data that they come from."""

    moment: datetime  # the split: models are fitted on the events up to here
    end: datetime  # the events from the split up to here are held out
    event_count: int  # up to the split
    actor_count: int  # with a history up to the split
    answer_count: int  # events after the split
    simulated_count: int  # of all these events
    encoder: str
    recipe: TrainingConfig
    measured: EvaluationResult

    def to_json(self) -> dict[str, Any]:
        """Times in ISO 8601; unknown figures are null."""
        return to_json_values(asdict(self) | {"recipe": self.recipe.to_json()})


def run_backtest(
    *,
    share: float = SHARE,
    since: datetime | None = None,
    k: int = AT,
    max_actors: int = MOST_ACTORS,
    seed: int = SEED,
    methods: Sequence[str] = tuple(BASELINES),
    steps: Steps = unwatched_steps,
) -> Backtest:
    """Fit on the events up to a split, and measure each method on those after it.

    The split is where this share of the events has happened, or `since`. The recipe is that of the active
    model; the weights of its sources are fitted again, on a split of the same share before the moment.
    `seed` samples the actors, where there are more than `max_actors`, and the bootstrap.
    Raises TooFewEvents, NothingHeldOut, SnapshotUnavailable.
    """
    end = point_in_time.last_event()
    moment = since or point_in_time.split_time(share)
    if moment is None or end is None:
        raise TooFewEvents("There are no events yet: send some, or run `manage.py simulate`.")
    history = _history_until(moment, end)
    snapshot = point_in_time.snapshot_at(moment, end=end)
    held_out = point_in_time.read_held_out(snapshot, moment, end=end, max_actors=max_actors, seed=seed)
    if not len(held_out):
        raise NothingHeldOut(_nothing_after(moment, end))
    content = read_content()
    recipe = active_config().with_environment().replaced(decays=learn_decays(history))
    if "blend" in methods:
        recipe = _with_source_weights(recipe, content, moment, share, steps)
    with steps("Fitting on the earlier events") as progress:
        model = _fit(history, recipe, content, snapshot, progress)
    context = EvaluationContext(snapshot.with_collaborative(model), history)
    with steps(f"Ranking for {len(held_out):,} actors") as progress:
        measured = measure(context, held_out, methods=methods, k=k, seed=seed, progress=progress)
    return Backtest(
        moment=moment,
        end=end,
        actor_count=len(history.actors),
        **_event_counts(moment, end),
        encoder=snapshot.encoder_version,
        recipe=recipe,
        measured=measured,
    )


def _event_counts(moment: datetime, end: datetime) -> dict[str, int]:
    """Counts of events up to the split, after it, and simulated ones."""
    events = Interaction.objects.filter(occurred_at__lte=end)
    return {
        "event_count": events.filter(occurred_at__lte=moment).count(),
        "answer_count": events.filter(occurred_at__gt=moment).count(),
        "simulated_count": events.filter(source=SIMULATION).count(),
    }


def _history_until(moment: datetime, end: datetime) -> InteractionHistory:
    history = read_history(until=min(moment, end))
    if not len(history):
        raise TooFewEvents(f"There are no events before {format_time(moment)} to learn from: split later.")
    require_enough_events(history)
    if moment >= end:
        raise NothingHeldOut(_nothing_after(moment, end))
    return history


def _nothing_after(moment: datetime, end: datetime) -> str:
    return (
        f"Nobody touched anything new after {format_time(moment)} that could have been recommended; the "
        f"last event is of {format_time(end)}. Split earlier."
    )


def _with_source_weights(
    recipe: TrainingConfig, content: Content | None, moment: datetime, share: float, steps: Steps
) -> TrainingConfig:
    """The recipe with source weights that were fitted on the last share of the events before the moment.

    The weights are the manual ones where there are no earlier events to fit a model on. Those of the recipe
    are set aside: they were fitted on events after the moment.
    """
    recipe = recipe.replaced(blend=())
    until = point_in_time.split_time(share, until=moment)
    assert until is not None  # there are events before the moment
    earlier = read_history(until=until)
    if not len(earlier):
        return recipe
    snapshot = point_in_time.snapshot_at(earlier.until, end=moment)

    def fit_earlier(progress: Progress) -> Collaborative:
        return _fit(earlier, recipe, content, snapshot, progress)

    return with_fitted_blend(recipe, fit_earlier, earlier.until, end=moment, steps=steps)


def _fit(
    history: InteractionHistory,
    recipe: TrainingConfig,
    content: Content | None,
    snapshot: CatalogueSnapshot,
    progress: Progress,
) -> Collaborative:
    showable = snapshot.attributes["listing_id"]
    return fit(history, recipe, version="", content=content, showable=showable, progress=progress)[0]
