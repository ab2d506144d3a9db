"""Configuration of a collaborative model's training, stored with the model."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from django.conf import settings
from scipy.sparse import csr_matrix

from ml.collaborative.covisitation import KEPT_NEIGHBOURS, Counting, Normalisation

# A bucket of actors: the least weight of their events, in views, and blend weights of SOURCES.
BlendBucket = tuple[float, tuple[float, ...]]


@dataclass(frozen=True)
class TrainingConfig:
    """Hyperparameters. Tuning changes the default values, and the environment overrides both."""

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
    blend: tuple[BlendBucket, ...] = ()  # most events first; empty: the manual weights of ranking
    # Path of a root category -> kilometres within which the proximity score falls to a third; elsewhere
    # taste.location.DEFAULT_DECAY_KM.
    decays: dict[str, float] = field(default_factory=dict)
    seed: int = 42

    def confidence(self, weights: csr_matrix) -> csr_matrix:
        """The confidence matrix of ALS: 1 + alpha x weight in each stored cell."""
        return csr_matrix(
            (1 + self.alpha * weights.data, weights.indices, weights.indptr), shape=weights.shape
        )

    def replaced(self, **values: Any) -> "TrainingConfig":
        """A copy with other values. Fields of `counting` and `normalisation` are given by their own names."""
        counting = {k: v for k, v in values.items() if k in Counting.__dataclass_fields__}
        normalisation = {k: v for k, v in values.items() if k in Normalisation.__dataclass_fields__}
        own = {k: v for k, v in values.items() if k not in counting | normalisation}
        return replace(
            self,
            counting=replace(self.counting, **counting),
            normalisation=replace(self.normalisation, **normalisation),
            **own,
        )

    def with_environment(self) -> "TrainingConfig":
        """A copy with the values that the environment overrides."""
        environment = settings.ENVIRONMENT
        exponents = {
            "source_exponent": environment.covisitation_source_exponent,
            "target_exponent": environment.covisitation_target_exponent,
        }
        return self.replaced(**{name: value for name, value in exponents.items() if value is not None})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "TrainingConfig":
        """The inverse of `to_json`, also for parsed JSON.   Raises TypeError, KeyError, ValueError."""
        parts = {
            "counting": Counting(**saved["counting"]),
            "normalisation": Normalisation(**saved["normalisation"]),
            "blend": tuple((float(least), tuple(weights)) for least, weights in saved["blend"]),
        }
        return cls(**{**saved, **parts})
