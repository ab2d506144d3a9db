"""Backtest for `manage.py evaluate`: models are fitted on the earlier events and evaluated on the later ones.

Nothing is published and nothing in the database changes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from listings.errors import DomainError
from ml.progress import Progress
from recommendations import hindsight
from recommendations.behaviour import Behaviour, read_behaviour
from recommendations.collaborative import Collaborative, Content, fit
from recommendations.contenders import CONTENDERS, Known
from recommendations.content import read_content
from recommendations.decays import learn_decays
from recommendations.evaluation import AT, MOST_ACTORS, SEED, Measured, measure
from recommendations.models.events import Interaction
from recommendations.plain import plain
from recommendations.progress import Steps, unwatched_steps
from recommendations.recipe import Recipe
from recommendations.rendering import format_time
from recommendations.simulation import SOURCE as SIMULATION
from recommendations.training import TooFewEvents, enough, recipe_in_use
from recommendations.view import View
from recommendations.weighing import with_fitted_blend

SHARE = 0.9  # of the events, those that models are fitted on


class NothingAfter(DomainError):
    """No interaction after the split can be used as a right answer."""


@dataclass(frozen=True)
class Rehearsal:
    """The figures of a backtest, and the data that they come from."""

    moment: datetime  # the split: models are fitted on the events up to here
    end: datetime  # the events from the split up to here are held out
    event_count: int  # up to the split
    actor_count: int  # with a history up to the split
    answer_count: int  # events after the split
    simulated_count: int  # of all these events
    encoder: str
    recipe: Recipe
    measured: Measured

    def to_json(self) -> dict[str, Any]:
        """Times in ISO 8601; unknown figures are null."""
        return plain(asdict(self) | {"recipe": self.recipe.to_json()})


def rehearse(
    *,
    share: float = SHARE,
    since: datetime | None = None,
    k: int = AT,
    most: int = MOST_ACTORS,
    seed: int = SEED,
    methods: Sequence[str] = tuple(CONTENDERS),
    steps: Steps = unwatched_steps,
) -> Rehearsal:
    """Fit on the events up to a split, and measure each method on those after it.

    The split is where this share of the events has happened, or `since`. The recipe is that of the active
    model; the weights of its sources are fitted again, on a split of the same share before the moment.
    `seed` samples the actors, where there are more than `most`, and the bootstrap.
    Raises TooFewEvents, NothingAfter, NoWorld.
    """
    end = hindsight.last_event()
    moment = since or hindsight.split_time(share)
    behaviour = _history_until(moment, end)
    snapshot = hindsight.world_at(moment, end=end)
    held_out = hindsight.aftermath(snapshot, moment, end=end, most=most, seed=seed)
    if not len(held_out):
        raise NothingAfter(_nothing_after(moment, end))
    content, recipe = read_content(), recipe_in_use().as_set().changed(decays=learn_decays(behaviour))
    if "blend" in methods:
        recipe = _with_source_weights(recipe, content, moment, share, steps)
    with steps("Fitting on the earlier events") as progress:
        model = _fit(behaviour, recipe, content, snapshot, progress)
    context = Known(snapshot.with_collaborative(model), behaviour)
    with steps(f"Ranking for {len(held_out):,} actors") as progress:
        measured = measure(context, held_out, methods=methods, k=k, seed=seed, progress=progress)
    events = Interaction.objects.filter(occurred_at__lte=end)
    return Rehearsal(
        moment=moment,
        end=end,
        event_count=events.filter(occurred_at__lte=moment).count(),
        actor_count=len(behaviour.actors),
        answer_count=events.filter(occurred_at__gt=moment).count(),
        simulated_count=events.filter(source=SIMULATION).count(),
        encoder=snapshot.encoder_version,
        recipe=recipe,
        measured=measured,
    )


def _history_until(moment: datetime | None, end: datetime | None) -> Behaviour:
    if moment is None or end is None:
        raise TooFewEvents("There are no events yet: send some, or run `manage.py simulate`.")
    behaviour = read_behaviour(until=min(moment, end))
    if not len(behaviour):
        raise TooFewEvents(f"There are no events before {format_time(moment)} to learn from: split later.")
    enough(behaviour)
    if moment >= end:
        raise NothingAfter(_nothing_after(moment, end))
    return behaviour


def _nothing_after(moment: datetime, end: datetime) -> str:
    return (
        f"Nobody touched anything new after {format_time(moment)} that could have been recommended; the "
        f"last event is of {format_time(end)}. Split earlier."
    )


def _with_source_weights(
    recipe: Recipe, content: Content | None, moment: datetime, share: float, steps: Steps
) -> Recipe:
    """The recipe with source weights that were fitted on the last share of the events before the moment.

    The weights are the manual ones where there are no earlier events to fit a model on.
    """
    earlier = read_behaviour(until=hindsight.split_time(share, until=moment))
    if not len(earlier):
        return recipe.changed(blend=())
    snapshot = hindsight.world_at(earlier.until, end=moment)

    def fit_earlier(progress: Progress) -> Collaborative:
        return _fit(earlier, recipe, content, snapshot, progress)

    return with_fitted_blend(recipe, fit_earlier, earlier.until, end=moment, steps=steps)


def _fit(
    behaviour: Behaviour, recipe: Recipe, content: Content | None, snapshot: View, progress: Progress
) -> Collaborative:
    showable = snapshot.attributes["listing_id"]
    return fit(behaviour, recipe, version="", content=content, showable=showable, progress=progress)[0]
