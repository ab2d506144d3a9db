"""What a replay asks about: other feed parameters, or another ranker, as a file says them."""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from listings.errors import Invalid, Missing
from ml.arrays import Rows, Vector
from ml.blending import blend, z_scores
from recommendations import ranker_store
from recommendations.candidates import SOURCES
from recommendations.features import FEATURES
from recommendations.feed_parameters import BadParameters, FeedParameters
from recommendations.model_folders import ModelDamaged
from recommendations.models import Variant
from recommendations.ranker_slates import ServedSlate
from recommendations.served_ranker import Ranker

ACTIVE = "active"
BLEND = FEATURES.index("blend")
KEYS = ("parameters", "ranker")
# Why slots that were filled by chance do not judge a parameter.
ARRANGING = "it arranges listings beside each other, and a slot that is filled by chance holds one"
UNJUDGED = {
    "relevance_share": ARRANGING,
    "seller_cap": ARRANGING,
    "category_cap": ARRANGING,
    "rest_after": "it decides which listings are candidates, and those left out stand in no logged pool",
    "explore_share": "it decides how many slots there are, and the others were not filled by chance",
}


class BadPolicy(Invalid):
    """A policy file that does not say what to ask about, or asks what cannot be told."""


class NoSuchRanker(Missing):
    """No ranker of that version can be asked."""


@dataclass(frozen=True)
class Policy:
    """How listings would have been ordered.   ranker None: by the blend."""

    parameters: FeedParameters = field(default_factory=FeedParameters)
    ranker: Ranker | None = None

    @classmethod
    def read(cls, path: Path) -> "Policy":
        """Raises OSError, and as from_json."""
        try:
            said = json.loads(path.read_text())
        except ValueError as error:
            raise BadPolicy(f"{path} is not JSON: {error}.") from None
        return cls.from_json(said)

    @classmethod
    def from_json(cls, said: Any) -> "Policy":
        """Of {"parameters": {...}, "ranker": "active", a version or null}; what is left out is as by default.

        Raises BadPolicy, BadParameters, NoSuchRanker.
        """
        if not isinstance(said, dict):
            raise BadPolicy('Expected an object such as {"parameters": {"source_weights": {"fresh": 2}}}.')
        if unknown := [name for name in said if name not in KEYS]:
            told = f"A policy has no {unknown[0]!r}; known: {', '.join(KEYS)}."
            raise BadPolicy(told, field=str(unknown[0]))
        return cls(_parameters(said.get("parameters", {})), _ranker(said.get("ranker")))

    def scores(self, slate: ServedSlate, rows: Rows, multipliers: "Multipliers") -> Vector | None:
        """What these places (n,) of a slate would have been ordered by: (n,) float32, NaN = unknown.

        From what was logged alone: boosts and what was hidden count as they did. None where that does not
        tell: see Multipliers.
        """
        blended = self._blended(slate, multipliers)
        if blended is None or self.ranker is None:
            return None if blended is None else (blended + slate.adjusted)[rows]
        features = slate.features.copy()
        features[:, BLEND] = blended
        predicted = z_scores(self.ranker.model.predict(features)[:, None])[:, 0]
        return (predicted + slate.adjusted)[rows]

    def _blended(self, slate: ServedSlate, multipliers: "Multipliers") -> Vector | None:
        """As logged where no weight would change, else z-scored anew over the slate, as what it was cut from
        is not kept."""
        wanted = np.array([self.parameters.source_weights.get(name, 1.0) for name in SOURCES])
        given = multipliers.of(slate)
        if given is None:
            return None
        if (wanted == given).all():
            return slate.features[:, BLEND]
        logged = slate.parameters.get("weights") or {}
        if not logged or ((given == 0) & (wanted > 0)).any():
            return None
        weights = np.array([float(logged.get(name, 0.0)) for name in SOURCES])
        weights = weights * np.divide(wanted, given, out=np.zeros(len(SOURCES)), where=given > 0)
        return blend(slate.features[:, : len(SOURCES)], weights.astype(np.float32))


class Multipliers:
    """By what an experiment had multiplied the weights of a slate, which are logged with it in.

    That of a variant that is gone is not known, and what was multiplied by 0 cannot be multiplied otherwise.
    """

    def __init__(self) -> None:
        variants = Variant.objects.values_list("experiment__name", "name", "parameters")
        self._known = {(experiment, name): said for experiment, name, said in variants}

    def of(self, slate: ServedSlate) -> Vector | None:
        """(len(SOURCES),) float64"""
        experiment = slate.parameters.get("experiment")
        if experiment is None:
            return np.ones(len(SOURCES))
        said = self._known.get((experiment, slate.parameters.get("variant")))
        if said is None:
            return None
        factors = said.get("source_weights", {})
        return np.array([float(factors.get(name, 1.0)) for name in SOURCES])


def _parameters(said: Any) -> FeedParameters:
    parameters = FeedParameters.from_json(said)
    parameters.require_sources(SOURCES)
    usual = FeedParameters()
    for each in fields(FeedParameters):
        if each.name != "source_weights" and getattr(parameters, each.name) != getattr(usual, each.name):
            why = UNJUDGED.get(each.name, "slots that were filled by chance do not depend on it")
            told = f"{each.name}: a replay cannot judge it: {why}. Run an experiment."
            raise BadParameters(told, field=f"parameters.{each.name}")
    return parameters


def _ranker(version: Any) -> Ranker | None:
    if version is None:
        return None
    if not isinstance(version, str):
        raise BadPolicy('ranker: expected "active", a version, or null for the blend.', field="ranker")
    rows = ranker_store.trainings()
    row = ranker_store.active() if version == ACTIVE else rows.filter(version=version).first()
    if row is None:
        known = ", ".join(rows.exclude(path="").order_by("-pk").values_list("version", flat=True)) or "none"
        raise NoSuchRanker(f"There is no ranker {version!r}; with files there are: {known}.", field="ranker")
    try:
        if not row.path:
            raise ModelDamaged("its files were not kept")
        return ranker_store.load(row)
    except ModelDamaged as error:
        raise NoSuchRanker(f"The {row} cannot be asked: {error}.", field="ranker") from None
