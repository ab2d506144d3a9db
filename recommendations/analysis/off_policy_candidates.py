"""Target policies of an off-policy evaluation: other feed parameters or another ranker, read from a file."""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from listings.errors import Invalid, Missing
from ml.arrays import Rows, Vector
from ml.ranking.blending import blend, z_scores
from recommendations.model_registry.artifacts import ModelDamaged
from recommendations.models.experiments import Variant
from recommendations.models.feature_names import FEATURES, SOURCES
from recommendations.models.feed_parameters import BadParameters, FeedParameters
from recommendations.ranker import store
from recommendations.ranker.model import Ranker
from recommendations.ranker.served_slates import ServedSlate

ACTIVE = "active"
BLEND = FEATURES.index("blend")
KEYS = ("parameters", "ranker")
# Parameters that exploration slots cannot evaluate, and why; the reasons are shown in the error.
ARRANGING = "it arranges listings beside each other, and a slot that is filled by chance holds one"
NOT_EVALUABLE = {
    "relevance_share": ARRANGING,
    "seller_cap": ARRANGING,
    "category_cap": ARRANGING,
    "rest_after": "it decides which listings are candidates, and those left out stand in no logged pool",
    "explore_share": "it decides how many slots there are, and the others were not filled by chance",
}


class BadPolicy(Invalid):
    """The policy file is not valid, or asks for what cannot be evaluated."""


class NoSuchRanker(Missing):
    """There is no ranker of that version, or its files cannot be read."""


@dataclass(frozen=True)
class Policy:
    """An order of listings.   ranker None: by the blend"""

    parameters: FeedParameters = field(default_factory=FeedParameters)
    ranker: Ranker | None = None

    @classmethod
    def read(cls, path: Path) -> "Policy":
        """Read a JSON file.   Raises OSError, and as from_json."""
        try:
            policy = json.loads(path.read_text())
        except ValueError as error:
            raise BadPolicy(f"{path} is not JSON: {error}.") from None
        return cls.from_json(policy)

    @classmethod
    def from_json(cls, policy: Any) -> "Policy":
        """The policy of {"parameters": {...}, "ranker": "active", a version or null}; both keys are optional.

        Raises BadPolicy, BadParameters, NoSuchRanker.
        """
        if not isinstance(policy, dict):
            raise BadPolicy('Expected an object such as {"parameters": {"source_weights": {"fresh": 2}}}.')
        if unknown := [name for name in policy if name not in KEYS]:
            message = f"A policy has no {unknown[0]!r}; known: {', '.join(KEYS)}."
            raise BadPolicy(message, field=str(unknown[0]))
        return cls(_parameters(policy.get("parameters", {})), _ranker(policy.get("ranker")))

    def scores(self, slate: ServedSlate, rows: Rows, multipliers: "SourceMultipliers") -> Vector | None:
        """The scores by which the policy orders these places (n,) of a slate: (n,) float32, NaN = unknown.

        Computed from the logged features, with the logged adjustments for boosts and hidden listings. None if
        the log does not suffice: see SourceMultipliers.
        """
        blended = self._blended(slate, multipliers)
        if blended is None or self.ranker is None:
            return None if blended is None else (blended + slate.adjusted)[rows]
        features = slate.features.copy()
        features[:, BLEND] = blended
        predicted = z_scores(self.ranker.model.predict(features)[:, None])[:, 0]
        return (predicted + slate.adjusted)[rows]

    def _blended(self, slate: ServedSlate, multipliers: "SourceMultipliers") -> Vector | None:
        """The blend score of each place (m,) under the policy's weights, None if the log does not suffice.

        The logged score where the weights are the same. Otherwise z-scores are computed over the slate, since
        the candidates that it was cut from are not stored.
        """
        target = np.array([self.parameters.source_weights.get(name, 1.0) for name in SOURCES])
        applied = multipliers.of(slate)
        if applied is None:
            return None
        if (target == applied).all():
            return slate.features[:, BLEND]
        logged = slate.parameters.get("weights") or {}
        if not logged or ((applied == 0) & (target > 0)).any():
            return None
        weights = np.array([float(logged.get(name, 0.0)) for name in SOURCES])
        weights = weights * np.divide(target, applied, out=np.zeros(len(SOURCES)), where=applied > 0)
        return blend(slate.features[:, : len(SOURCES)], weights.astype(np.float32))


class SourceMultipliers:
    """The factors that experiments applied to source weights. Logged weights include them.

    The factors of a deleted variant are unknown, and a weight that was multiplied by 0 cannot be recovered.
    """

    def __init__(self) -> None:
        variants = Variant.objects.values_list("experiment__name", "name", "parameters")
        self._parameters: dict[tuple[str, str | None], Any] = {
            (experiment, name): parameters for experiment, name, parameters in variants
        }

    def of(self, slate: ServedSlate) -> Vector | None:
        """The factors of the slate's variant: (len(SOURCES),) float64, None if unknown"""
        experiment = slate.parameters.get("experiment")
        if experiment is None:
            return np.ones(len(SOURCES))
        parameters = self._parameters.get((experiment, slate.parameters.get("variant")))
        if parameters is None:
            return None
        factors = parameters.get("source_weights", {})
        return np.array([float(factors.get(name, 1.0)) for name in SOURCES])


def _parameters(given: Any) -> FeedParameters:
    """Raises BadParameters, also for parameters that exploration slots cannot evaluate."""
    parameters = FeedParameters.from_json(given)
    parameters.require_sources(SOURCES)
    defaults = FeedParameters()
    for name in (each.name for each in fields(FeedParameters)):
        if name != "source_weights" and getattr(parameters, name) != getattr(defaults, name):
            reason = NOT_EVALUABLE.get(name, "slots that were filled by chance do not depend on it")
            message = f"{name}: a replay cannot judge it: {reason}. Run an experiment."
            raise BadParameters(message, field=f"parameters.{name}")
    return parameters


def _ranker(version: Any) -> Ranker | None:
    if version is None:
        return None
    if not isinstance(version, str):
        raise BadPolicy('ranker: expected "active", a version, or null for the blend.', field="ranker")
    rows = store.trainings()
    row = store.active() if version == ACTIVE else rows.filter(version=version).first()
    if row is None:
        stored = ", ".join(rows.exclude(path="").order_by("-pk").values_list("version", flat=True)) or "none"
        raise NoSuchRanker(f"There is no ranker {version!r}; with files there are: {stored}.", field="ranker")
    try:
        if not row.path:
            raise ModelDamaged("its files were not kept")
        return store.load(row)
    except ModelDamaged as error:
        raise NoSuchRanker(f"The {row} cannot be loaded: {error}.", field="ranker") from None
