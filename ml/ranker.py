"""A learned order of candidates: LightGBM's LambdaRank on slates and on what followed from them.

Serving imports this module: `fit` alone imports lightgbm, and only when it is called.
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
from ml.boosted_trees import BoostedTrees, TreesError
from ml.examination import GREATEST_WEIGHT, inverse_weights
from ml.model_files import ModelFileError, read_settings, write_settings

TREES, SETTINGS, FORM = "ranker.txt", "ranker.json", "ranker-1"
# What followed, the strongest of it; grades are what callers give.
HIDDEN, NOTHING, CLICK, FAVOURITE, MESSAGE, OFFER, PURCHASE = range(-1, 6)
# What each grade adds to a slate's DCG. Nothing lies a little above hidden, so that hiding is unlearned, and
# far below a click, or the ideal order of a slate where little follows would be mostly about nothing.
GAINS = (0.0, 0.1, 1.0, 3.0, 4.0, 5.0, 7.0)
NDCG_AT = 20  # places on a page; early stopping asks for the NDCG of these
LARGEST_SLATE = 10_000  # LightGBM's own limit
INTEGERS = (np.int8, np.int16, np.int32, np.int64)
NAME = re.compile(r"\w+", re.ASCII)  # LightGBM rewrites other names, or refuses them


class OtherFeatures(ModelFileError):
    """A ranker was trained on other features than those it is to be asked with."""


class NothingToLearn(ValueError):
    """No slate tells one listing from another: nothing followed from any, or the same from all."""


@dataclass(frozen=True)
class Slates:
    """Listings as they were shown, slate after slate, with the features that were logged then.

    features (n, f) float32, NaN = unknown; grades (n,) int, HIDDEN to PURCHASE; sizes (q,) int >= 1: the
    first sizes[0] rows are the first slate. examined (n,) float in (0, 1]: how likely it is that anybody
    looked at the row's place (ml/examination.py), 1 everywhere for no correction.   Raises ShapeError.
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
            raise ShapeError("expected features that are finite, or NaN for unknown")
        if not ((self.grades >= HIDDEN) & (self.grades <= PURCHASE)).all():
            raise ShapeError(f"expected grades from {HIDDEN} to {PURCHASE}")
        if (
            self.sizes.sum() != len(self.grades)
            or not ((self.sizes > 0) & (self.sizes <= LARGEST_SLATE)).all()
        ):
            raise ShapeError(f"expected slates of 1 to {LARGEST_SLATE} rows, {len(self.grades)} together")

    @property
    def tells_anything(self) -> bool:
        """Whether any slate has listings of different grades."""
        slates = np.repeat(np.arange(len(self.sizes)), self.sizes)
        return bool(((self.grades[1:] != self.grades[:-1]) & (slates[1:] == slates[:-1])).any())

    def weights(self, greatest: float) -> Vector:
        """What each row counts for: (n,) float32

        What something followed from was looked at, and stands for all that were as good at its place and were
        not: 1 / examined, clipped at the greatest. What nothing followed from counts 1 (Joachims, Swaminathan
        & Schnabel 2017 weigh each pair by the clicked one; LightGBM weighs rows, so that the clicked row is
        pushed up by that weight, and those below it are pushed down by 1).
        """
        return np.where(self.grades == NOTHING, np.float32(1), inverse_weights(self.examined, greatest))


@dataclass(frozen=True)
class Boosting:
    """How trees are grown. The defaults suit some ten thousand slates and a dozen features."""

    learning_rate: float = 0.05
    leaves: int = 31
    least_rows_in_leaf: int = 50
    most_trees: int = 500
    patience: int = 30  # trees without a better NDCG on the validation slates, after which the best is kept
    greatest_weight: float = GREATEST_WEIGHT


@dataclass(frozen=True)
class RankerModel:
    """Trees, and the names of the features that they ask for, in the order of the columns."""

    text: str  # LightGBM's own format
    feature_names: tuple[str, ...]
    validation_ndcg: float  # at 20, on the slates that stopped the training
    boosting: Mapping[str, Any]

    def predict(self, features: Matrix) -> Vector:
        """Scores to order the candidates of one request by, on one thread; no two requests' compare.

        features (n, f) float32, NaN = unknown -> (n,) float32.   Raises ShapeError.
        """
        return self._trees.score(features)

    @cached_property
    def _trees(self) -> BoostedTrees:
        return BoostedTrees(self.text)

    def save(self, folder: Path) -> None:
        """Write ranker.txt and ranker.json into a folder, which is made if need be."""
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

        Raises ModelFileError, whatever is wrong with the files; OtherFeatures where nothing is, but the model
        was trained on others, or in another order.
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
        # Before LightGBM sees it: a damaged model may crash the process instead of being refused.
        if digest != _digest(text):
            raise ModelFileError(f"{folder / TREES} is not the file that was saved")
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
    """Learn to put what more followed from first: LambdaRank (Burges 2010) by LightGBM.

    feature_names (f,): letters, digits and underscores; monotone: by name 1 where a greater value may only
    raise the score, -1 where it may only lower it (distance). Trees grow until NDCG@20 of the validation
    slates has not risen for a while; those up to the best are kept. The validation slates should be later.
    The same arguments, thread count included, give the same model.   Raises ShapeError, NothingToLearn.
    """
    _require_features(training, validation, feature_names, monotone)
    if not training.tells_anything or not validation.tells_anything:
        raise NothingToLearn("no slate tells one listing from another")
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
    """What LightGBM learns from; its labels start at 0."""
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
        raise ShapeError("expected names of letters, digits and underscores, none twice")
    for slates in (training, validation):
        require_matrix(slates.features, columns=len(feature_names))
    if unknown := set(monotone) - set(feature_names):
        raise ShapeError(f"there are no features {sorted(unknown)} to be monotone in")
    if not set(monotone.values()) <= {-1, 0, 1}:
        raise ShapeError("expected 1 for rising, -1 for falling, 0 for either")


def _require_same_features(model: RankerModel, feature_names: Sequence[str]) -> None:
    """That the model's files agree with each other, and with what is asked for."""
    try:
        column_count = model._trees.feature_count
    except TreesError as error:
        raise ModelFileError(f"LightGBM refuses the ranker: {error}") from error
    if f"\nfeature_names={' '.join(model.feature_names)}\n" not in model.text:
        raise ModelFileError(f"{TREES} and {SETTINGS} name different features")
    if tuple(feature_names) != model.feature_names or column_count != len(feature_names):
        raise OtherFeatures(f"trained on {list(model.feature_names)}, asked with {list(feature_names)}")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} cannot be read: {error}") from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
