"""All that decides how a collaborative model is made, as one value that is kept with the model."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from django.conf import settings
from scipy.sparse import csr_matrix

from ml.covisitation import KEPT_NEIGHBOURS, Counting, Normalisation

# Blend weights of candidates.SOURCES by how many views' worth is known of an actor, warmest first.
Warmth = tuple[float, tuple[float, ...]]


@dataclass(frozen=True)
class Recipe:
    """Chosen by hand, by `train collaborative --tune`, or by the environment, which has the last word."""

    factors: int = 64
    iterations: int = 15
    regularisation: float = 5.0
    alpha: float = 8.0  # confidence is 1 + alpha x weight (Hu, Koren & Volinsky 2008, eq. 3)
    counting: Counting = field(
        default_factory=lambda: Counting(
            window=100, distance_decay=0.9, backward_weight=0.6, actor_exponent=0.5
        )
    )
    normalisation: Normalisation = field(
        default_factory=lambda: Normalisation(source_exponent=0.5, target_exponent=0.35)
    )
    neighbours: int = KEPT_NEIGHBOURS
    prior_regularisation: float = 1.0
    smoother_regularisation: float = 3.0
    blend: tuple[Warmth, ...] = ()  # empty: ranking's own, set by hand
    # By path of a root category, the kilometres by which nearness falls to a third; habits.NEAR_KM elsewhere.
    decays: dict[str, float] = field(default_factory=dict)
    seed: int = 42

    def confidence(self, weights: csr_matrix) -> csr_matrix:
        """What ALS is told of how much actors cared: the same cells, 1 + alpha x weight in each."""
        return csr_matrix(
            (1 + self.alpha * weights.data, weights.indices, weights.indptr), shape=weights.shape
        )

    def changed(self, **values: Any) -> "Recipe":
        """The recipe with other values; those of counting and normalisation go by their own names."""
        counting = {k: v for k, v in values.items() if k in Counting.__dataclass_fields__}
        normalisation = {k: v for k, v in values.items() if k in Normalisation.__dataclass_fields__}
        own = {k: v for k, v in values.items() if k not in counting | normalisation}
        return replace(
            self,
            counting=replace(self.counting, **counting),
            normalisation=replace(self.normalisation, **normalisation),
            **own,
        )

    def as_set(self) -> "Recipe":
        """The recipe with what the environment sets in place of its own values."""
        asked = settings.ENVIRONMENT
        exponents = {
            "source_exponent": asked.covisitation_source_exponent,
            "target_exponent": asked.covisitation_target_exponent,
        }
        return self.changed(**{name: value for name, value in exponents.items() if value is not None})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Recipe":
        """What `to_json` gave, also when it went through JSON.   Raises TypeError, KeyError, ValueError."""
        parts = {
            "counting": Counting(**saved["counting"]),
            "normalisation": Normalisation(**saved["normalisation"]),
            "blend": tuple((float(least), tuple(weights)) for least, weights in saved["blend"]),
        }
        return cls(**{**saved, **parts})
