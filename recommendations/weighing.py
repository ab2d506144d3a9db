"""How much each source of the feed is to say, fitted on what actors did after a moment in the past."""

from datetime import datetime

import numpy as np

from ml.arrays import Matrix
from ml.blending import fit_weights
from ml.progress import Progress, unwatched
from recommendations import hindsight
from recommendations.asking import Asked, ask_each
from recommendations.collaborative import Collaborative
from recommendations.ranking import WARMTH_WEIGHTS
from recommendations.recipe import Warmth

LEAST_CASES = 50  # actors; with fewer, weights are fitted to chance
MOST_ACTORS = 1500
AT = 20
SEED = 17

Case = tuple[float, Matrix]  # what is known of an actor, and their candidates' scores


def fit_blend(
    model: Collaborative | None,
    moment: datetime,
    *,
    end: datetime,
    most: int = MOST_ACTORS,
    seed: int = SEED,
    progress: Progress = unwatched,
) -> tuple[Warmth, ...]:
    """The weights, for `Recipe.blend`, that order best what the feed would have chosen from at a moment.

    model: fitted on what had happened by the moment, and no more. Judged is by what actors touched from then
    to the end. Each bucket of ranking.WARMTH_WEIGHTS is fitted by itself, the greatest weight 1; one with
    fewer than LEAST_CASES actors for whom anything was to be found keeps its weights as set by hand.
    Raises NoWorld.
    """
    view = hindsight.world_at(moment, end=end).with_collaborative(model)
    after = hindsight.aftermath(view, moment, end=end, most=most, seed=seed)
    answers = ask_each(view, moment, after.actors, _chosen_from, progress)
    cases: dict[float, list[tuple[Matrix, np.ndarray]]] = {least: [] for least, _ in WARMTH_WEIGHTS}
    for place, (event_weight, rows, scores) in enumerate(answers):
        least = next((least for least, _ in WARMTH_WEIGHTS if event_weight > least), None)
        wanted = np.isin(rows, after.relevant[place].indices)
        if least is not None and wanted.any():
            cases[least].append((scores, wanted))
    return tuple((least, _fitted(by_hand, cases[least])) for least, by_hand in WARMTH_WEIGHTS)


def _chosen_from(asked: Asked) -> tuple[float, np.ndarray, Matrix]:
    return asked.taste.event_weight, asked.candidates.rows, asked.candidates.scores


def _fitted(by_hand: tuple[float, ...], cases: list[tuple[Matrix, np.ndarray]]) -> tuple[float, ...]:
    if len(cases) < LEAST_CASES:
        return by_hand
    scores, wanted = zip(*cases, strict=True)
    weights = fit_weights(scores, wanted, start=np.array(by_hand, np.float32), k=AT)
    return tuple(round(float(weight), 3) for weight in weights / weights.max())
