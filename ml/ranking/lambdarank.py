"""The learned ranker: LightGBM's LambdaRank on logged slates and the interactions that followed.

Serving imports this module. Only `fit` imports lightgbm, and only when it is called.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ml.arrays import Matrix, Rows, ShapeError, Vector, require_matrix, require_vector
from ml.model_files import ModelFileError, read_settings, write_settings
from ml.ranking.boosted_trees import BoostedTrees, TreesError
from ml.ranking.position_bias import GREATEST_WEIGHT, inverse_propensity_weights

TREES, SETTINGS, FORM = "ranker.txt", "ranker.json", "ranker-1"
# Grades of a row: the strongest interaction that followed.
HIDDEN, NO_INTERACTION, CLICK, FAVOURITE, MESSAGE, OFFER, PURCHASE = range(-1, 6)
# DCG gain of each grade. NO_INTERACTION is slightly above HIDDEN, so that hidden listings are ranked lower,
# and far below CLICK, since otherwise rows without interactions would dominate the ideal DCG of most slates.
GAINS = (0.0, 0.1, 1.0, 3.0, 4.0, 5.0, 7.0)
NDCG_AT = 20  # places on a page; early stopping uses the NDCG of these
LARGEST_SLATE = 10_000  # LightGBM's own limit
INTEGERS = (np.int8, np.int16, np.int32, np.int64)
NAME = re.compile(r"\w+", re.ASCII)  # LightGBM changes other names, or refuses them


class FeatureMismatch(ModelFileError):
    """A ranker was trained on other features than those that serving computes."""


class NoPreferences(ValueError):
    """No slate has listings of different grades, so there is no preference to learn."""


@dataclass(frozen=True)
class Slates:
    """Logged slates: the listings in the order shown, with the features that were logged then.

    features (n, f) float32, NaN = unknown; grades (n,) int, HIDDEN to PURCHASE; sizes (q,) int >= 1: the
    first sizes[0] rows are the first slate. examined (n,) float in (0, 1]: examination probability of the
    row's place, 1 everywhere for no correction of position bias.   Raises ShapeError.
    """

    features: Matrix
    grades: Rows
    sizes: Rows
    examined: Vector

    def __post_init__(self) -> None:
        require_matrix(self.features, rows=len(self.grades), dtypes=[np.float32])
        require_vector(self.grades, dtypes=INTEGERS)
        require_vector(self.sizes, dtypes=INTEGERS)
        require_vector(self.examined, length=len(self.grades))
        if np.isinf(self.features).any():
            raise ShapeError("expected features that are finite, or NaN for unknown; found infinity")
        if not ((self.grades >= HIDDEN) & (self.grades <= PURCHASE)).all():
            raise ShapeError(
                f"expected grades from {HIDDEN} to {PURCHASE}, "
                f"found {self.grades.min()} to {self.grades.max()}"
            )
        if (
            self.sizes.sum() != len(self.grades)
            or not ((self.sizes > 0) & (self.sizes <= LARGEST_SLATE)).all()
        ):
            raise ShapeError(
                f"expected slates of 1 to {LARGEST_SLATE} rows that sum to {len(self.grades)}, "
                f"found a sum of {self.sizes.sum()}"
            )

    @property
    def has_preferences(self) -> bool:
        """True if any slate has listings of different grades."""
        slates = np.repeat(np.arange(len(self.sizes)), self.sizes)
        return bool(((self.grades[1:] != self.grades[:-1]) & (slates[1:] == slates[:-1])).any())

    def weights(self, greatest: float) -> Vector:
        """Weights of rows: 1 / examined, clipped at the greatest, where an interaction followed, else 1.

        A row with an interaction was examined, and stands for equally good rows that were not. Joachims,
        Swaminathan & Schnabel 2017 weight each pair by its clicked row. LightGBM weights rows instead: the
        clicked row is pushed up by its weight, and the rows below it are pushed down by 1.   (n,) float32
        """
        return np.where(
            self.grades == NO_INTERACTION, np.float32(1), inverse_propensity_weights(self.examined, greatest)
        )


@dataclass(frozen=True)
class Boosting:
    """Options of boosting. The defaults suit some ten thousand slates and a dozen features."""

    learning_rate: float = 0.05
    leaves: int = 31
    least_rows_in_leaf: int = 50
    most_trees: int = 500
    patience: int = 30  # trees without improvement of the validation NDCG after which training ends
    greatest_weight: float = GREATEST_WEIGHT


@dataclass(frozen=True)
class RankerModel:
    """A trained ranker: its trees, and the names of its features in the order of the columns."""

    text: str  # LightGBM's model format
    feature_names: tuple[str, ...]
    validation_ndcg: float  # at 20, on the slates used for early stopping
    boosting: Mapping[str, Any]

    def predict(self, features: Matrix) -> Vector:
        """Scores of the candidates of one request, on one thread. Scores of two requests are not comparable.

        features (n, f) float32, NaN = unknown -> (n,) float32.   Raises ShapeError.
        """
        return self._trees.score(features)

    @cached_property
    def _trees(self) -> BoostedTrees:
        return BoostedTrees(self.text)

    def save(self, folder: Path) -> None:
        """Write ranker.txt and ranker.json into a folder, which is created if it does not exist."""
        settings = {
            "feature_names": list(self.feature_names),
            "sha256": _digest(self.text),
            "validation_ndcg": self.validation_ndcg,
            "boosting": dict(self.boosting),
        }
        write_settings(folder / SETTINGS, settings, form=FORM)
        (folder / TREES).write_text(self.text)

    @classmethod
    def load(cls, folder: Path, *, feature_names: Sequence[str]) -> "RankerModel":
        """Read what `save` wrote, for rows with these features.

        Raises ModelFileError for missing, damaged or inconsistent files, and FeatureMismatch for a good model
        that was trained on other features or on another order of them.
        """
        settings, text = read_settings(folder / SETTINGS, form=FORM), _read(folder / TREES)
        try:
            model = cls(
                text=text,
                feature_names=tuple(str(name) for name in settings["feature_names"]),
                validation_ndcg=float(settings["validation_ndcg"]),
                boosting=dict(settings["boosting"]),
            )
            digest = settings["sha256"]
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{folder / SETTINGS} cannot be read: {error!r}") from error
        # Checked before LightGBM reads it, since a damaged model may crash the process.
        if digest != _digest(text):
            raise ModelFileError(f"{folder / TREES} differs from the file that was saved: wrong sha256")
        _require_same_features(model, feature_names)
        return model


def fit(
    training: Slates,
    validation: Slates,
    *,
    feature_names: Sequence[str],
    monotone: Mapping[str, int],
    seed: int,
    thread_count: int,
    boosting: Boosting | None = None,
) -> RankerModel:
    """Train a ranker by LambdaRank (Burges 2010) with LightGBM.

    feature_names (f,): letters, digits and underscores; monotone: by name 1 where a greater value may only
    raise the score, -1 where it may only lower it (distance). Training stops early by the NDCG@20 of the
    validation slates, which should be later ones, and keeps the trees up to the best. The same arguments,
    thread count included, give the same model.   Raises ShapeError, NoPreferences.
    """
    _require_features(training, validation, feature_names, monotone)
    if not training.has_preferences or not validation.has_preferences:
        raise NoPreferences("no slate has listings of different grades; accepted: at least one in each part")
    import lightgbm

    boosting = boosting or Boosting()
    signs = [monotone.get(name, 0) for name in feature_names]
    parameters = _parameters(boosting, signs, seed, thread_count)
    data = [_dataset(slates, feature_names, boosting.greatest_weight) for slates in (training, validation)]
    booster = lightgbm.train(
        parameters,
        data[0],
        num_boost_round=boosting.most_trees,
        valid_sets=[data[1]],
        callbacks=[lightgbm.early_stopping(boosting.patience, verbose=False)],
    )
    return RankerModel(
        text=booster.model_to_string(num_iteration=booster.best_iteration),
        feature_names=tuple(feature_names),
        validation_ndcg=float(booster.best_score["valid_0"][f"ndcg@{NDCG_AT}"]),
        boosting=asdict(boosting),
    )


def _parameters(boosting: Boosting, signs: Sequence[int], seed: int, thread_count: int) -> dict[str, Any]:
    return {
        "objective": "lambdarank",
        "metric": "ndcg",
        "eval_at": [NDCG_AT],
        "label_gain": list(GAINS),
        "learning_rate": boosting.learning_rate,
        "num_leaves": boosting.leaves,
        "min_data_in_leaf": boosting.least_rows_in_leaf,
        "monotone_constraints": list(signs),
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": thread_count,
        "verbosity": -1,
    }


def _dataset(slates: Slates, feature_names: Sequence[str], greatest_weight: float) -> Any:
    """Slates as a LightGBM data set, whose labels start at 0."""
    import lightgbm

    return lightgbm.Dataset(
        slates.features,
        label=slates.grades.astype(np.int32) - HIDDEN,
        weight=slates.weights(greatest_weight),
        group=slates.sizes,
        feature_name=list(feature_names),
        params={"verbosity": -1},
    )


def _require_features(
    training: Slates, validation: Slates, feature_names: Sequence[str], monotone: Mapping[str, int]
) -> None:
    if not all(NAME.fullmatch(name) for name in feature_names) or len(set(feature_names)) < len(
        feature_names
    ):
        raise ShapeError(
            f"expected different names of letters, digits and underscores, found {list(feature_names)}"
        )
    for slates in (training, validation):
        require_matrix(slates.features, columns=len(feature_names))
    if unknown := set(monotone) - set(feature_names):
        raise ShapeError(f"expected monotone features among the feature names, found {sorted(unknown)}")
    if not set(monotone.values()) <= {-1, 0, 1}:
        raise ShapeError("expected 1 for rising, -1 for falling or 0 for either in monotone")


def _require_same_features(model: RankerModel, feature_names: Sequence[str]) -> None:
    """Raises ModelFileError if the model's files disagree, FeatureMismatch if it needs other features."""
    try:
        column_count = model._trees.feature_count
    except TreesError as error:
        raise ModelFileError(f"LightGBM cannot load the ranker: {error}") from error
    if f"\nfeature_names={' '.join(model.feature_names)}\n" not in model.text:
        raise ModelFileError(f"{TREES} and {SETTINGS} name different features")
    if tuple(feature_names) != model.feature_names or column_count != len(feature_names):
        raise FeatureMismatch(
            f"the ranker was trained on {list(model.feature_names)}, serving computes {list(feature_names)}; "
            "train a new one"
        )


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} cannot be read: {error}") from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
