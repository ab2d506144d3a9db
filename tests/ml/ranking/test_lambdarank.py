import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.model_files import ModelFileError
from ml.ranking.boosted_trees import BoostedTrees, TreesError
from ml.ranking.lambdarank import (
    CLICK,
    HIDDEN,
    NO_INTERACTION,
    PURCHASE,
    SETTINGS,
    TREES,
    Boosting,
    FeatureMismatch,
    NoPreferences,
    RankerModel,
    Slates,
    fit,
)
from ml.ranking.position_bias import examination_probability

NAMES = ("content", "previous_order", "distance_km")
SLATE = 20
QUICK = Boosting(learning_rate=0.1, leaves=7, least_rows_in_leaf=20, most_trees=60, patience=10)


class Shoppers:
    """Slates in an old order, whose listings shoppers click by merit, if they look at their place at all.

    `content` knows merit but roughly, `previous_order` hardly, and distance lowers it.
    """

    def __init__(self, seed: int, slate_count: int = 300, position_bias: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        shape = (slate_count, SLATE)
        content, distance = rng.standard_normal(shape), rng.exponential(10, shape)
        self.merit = content + 0.5 * rng.standard_normal(shape) - 0.1 * distance
        previous = 0.3 * self.merit + rng.standard_normal(shape)
        places = np.argsort(np.argsort(-previous, axis=1), axis=1)
        examined = examination_probability(places.ravel(), position_bias)
        clicked = rng.random(shape) < self.chances
        clicked &= rng.random(shape) < examined.reshape(shape)
        self.slates = Slates(
            features=np.stack([content, previous, distance], axis=-1).reshape(-1, 3).astype(np.float32),
            grades=np.where(clicked.ravel(), CLICK, NO_INTERACTION),
            sizes=np.full(slate_count, SLATE),
            examined=examined,
        )

    @property
    def chances(self) -> np.ndarray:
        """Of a click on what was looked at: (q, 20)"""
        return 1 / (1 + np.exp(1 - 2 * self.merit))

    def gained(self, scores: np.ndarray) -> float:
        """The NDCG of an order by true merit, without position bias."""
        discounts = 1 / np.log2(np.arange(SLATE) + 2)
        order = np.argsort(-scores.reshape(self.merit.shape), axis=1)
        reached = np.take_along_axis(self.chances, order, axis=1) @ discounts
        return float((reached / (-np.sort(-self.chances, axis=1) @ discounts)).mean())


def trained(training: Slates, validation: Slates, **changes) -> RankerModel:
    options = {
        "feature_names": NAMES,
        "monotone": {"distance_km": -1},
        "seed": 3,
        "thread_count": 1,
        "boosting": QUICK,
    }
    return fit(training, validation, **options | changes)


@pytest.fixture(scope="module")
def earlier() -> Shoppers:
    return Shoppers(0)


@pytest.fixture(scope="module")
def later() -> Shoppers:
    return Shoppers(1, slate_count=100)


@pytest.fixture(scope="module")
def unseen() -> Shoppers:
    return Shoppers(2)


@pytest.fixture(scope="module")
def model(earlier, later) -> RankerModel:
    return trained(earlier.slates, later.slates)


class TestLearning:
    def test_the_ranker_orders_unseen_slates_better_than_any_single_feature(self, model, unseen):
        features = unseen.slates.features
        single = max(unseen.gained(features[:, 0]), unseen.gained(-features[:, 2]))
        assert unseen.gained(model.predict(features)) > single + 0.02

    def test_the_same_seed_trains_the_same_ranker(self, model, earlier, later):
        assert trained(earlier.slates, later.slates).text == model.text

    def test_trees_after_the_best_validation_score_are_not_kept(self, model):
        assert 0 < model.text.count("Tree=") < QUICK.most_trees

    def test_with_a_monotone_constraint_a_greater_distance_never_scores_higher(self, model, unseen):
        features = unseen.slates.features[:50]
        far, near = features.copy(), features.copy()
        near[:, 2], far[:, 2] = features[:, 2] / 4, features[:, 2] * 4
        assert (model.predict(far) <= model.predict(near)).all()

    def test_without_the_monotone_constraint_a_greater_distance_sometimes_scores_higher(
        self, earlier, later, unseen
    ):
        model = trained(earlier.slates, later.slates, monotone={}, boosting=replace(QUICK, leaves=31))
        nearer = [unseen.slates.features * np.float32([1, 1, share]) for share in (0.25, 0.5, 0.75, 1)]
        scores = np.array([model.predict(features) for features in nearer])
        assert (np.diff(scores, axis=0) > 0).any()

    def test_the_ranker_learns_from_features_with_unknown_values(self, earlier, later, unseen):
        gaps = [shoppers.slates.features.copy() for shoppers in (earlier, later, unseen)]
        for features in gaps:
            features[::3, 0] = np.nan
        training, validation = (
            replace(shoppers.slates, features=features)
            for shoppers, features in zip((earlier, later), gaps, strict=False)
        )
        scores = trained(training, validation).predict(gaps[2])
        assert np.isfinite(scores).all()
        assert unseen.gained(scores) > unseen.gained(-gaps[2][:, 2])

    def test_hidden_listings_score_below_those_without_interactions(self, earlier, later, unseen):
        def hiding(slates: Slates) -> Slates:
            return replace(slates, grades=np.where(slates.features[:, 1] < -1, HIDDEN, NO_INTERACTION))

        model = trained(hiding(earlier.slates), hiding(later.slates))
        hidden = unseen.slates.features[:, 1] < -1
        scores = model.predict(unseen.slates.features)
        assert scores[hidden].mean() < scores[~hidden].mean()

    def test_a_purchase_is_worth_more_to_the_ranker_than_a_click(self, earlier, later, unseen):
        """Shoppers click by one feature and buy by another. The second one must dominate."""

        def buying(slates: Slates) -> Slates:
            content, previous = slates.features[:, 0], slates.features[:, 1]
            clicked = np.where(previous > 1, CLICK, NO_INTERACTION)
            return replace(slates, grades=np.where(content > 1, PURCHASE, clicked))

        scores = trained(buying(earlier.slates), buying(later.slates)).predict(unseen.slates.features)
        content, previous = unseen.slates.features[:, 0] > 1, unseen.slates.features[:, 1] > 1
        assert scores[content & ~previous].mean() > scores[previous & ~content].mean()


class TestPositionBias:
    def test_correcting_position_bias_improves_the_order_by_true_merit(self, unseen):
        earlier, later = Shoppers(3, position_bias=1.0), Shoppers(4, slate_count=100, position_bias=1.0)
        corrected = trained(earlier.slates, later.slates)
        naive = trained(
            *(replace(some.slates, examined=np.ones(len(some.slates.grades))) for some in (earlier, later))
        )
        features = unseen.slates.features
        assert unseen.gained(corrected.predict(features)) > unseen.gained(naive.predict(features)) + 0.01

    def test_only_interactions_weigh_by_inverse_examination_and_up_to_a_limit(self):
        slates = Slates(
            features=np.zeros((4, 1), np.float32),
            grades=np.array([CLICK, NO_INTERACTION, HIDDEN, CLICK]),
            sizes=np.array([4]),
            examined=np.array([0.5, 0.5, 0.25, 0.001]),
        )
        assert slates.weights(10).tolist() == [2, 1, 4, 10]


class TestDoor:
    def few(self, **changes) -> Slates:
        usual = Slates(
            features=np.zeros((3, 3), np.float32),
            grades=np.array([NO_INTERACTION, CLICK, NO_INTERACTION]),
            sizes=np.array([2, 1]),
            examined=np.ones(3),
        )
        return replace(usual, **changes)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"features": np.zeros((3, 3))},
            {"features": np.zeros((2, 3), np.float32)},
            {"features": np.full((3, 3), np.inf, np.float32)},
            {"grades": np.array([0, 1, 6])},
            {"grades": np.array([0, 1, -2])},
            {"grades": np.array([0.0, 1, 0])},
            {"sizes": np.array([2, 2])},
            {"sizes": np.array([3, 0])},
            {"sizes": np.array([4, -1])},
            {"examined": np.ones(2)},
        ],
    )
    def test_slates_that_contradict_themselves_are_refused(self, wrong):
        with pytest.raises(ShapeError):
            self.few(**wrong)

    @pytest.mark.parametrize("chance", [0.0, 1.5, np.nan])
    def test_an_examination_chance_outside_zero_to_one_is_refused(self, chance):
        with pytest.raises(ShapeError):
            trained(self.few(examined=np.full(3, chance)), self.few())

    @pytest.mark.parametrize(
        "wrong",
        [
            {"feature_names": NAMES[:2]},
            {"feature_names": ("content", "content", "distance_km")},
            {"feature_names": ("content", "previous order", "distance_km")},
            {"monotone": {"price": -1}},
            {"monotone": {"distance_km": -2}},
        ],
    )
    def test_features_that_do_not_fit_the_ranker_are_refused(self, wrong):
        with pytest.raises(ShapeError):
            trained(self.few(), self.few(), **wrong)

    @pytest.mark.parametrize("grades", [[NO_INTERACTION] * 3, [CLICK] * 3, [CLICK, CLICK, NO_INTERACTION]])
    def test_slates_without_preferences_train_no_ranker(self, grades):
        silent = self.few(grades=np.array(grades))
        for slates in ((silent, self.few()), (self.few(), silent)):
            with pytest.raises(NoPreferences):
                trained(*slates)


class TestPredicting:
    def test_the_ranker_scores_as_lightgbm_does(self, model, unseen):
        import lightgbm

        features = unseen.slates.features.copy()
        features[::5, 1] = np.nan
        expected = lightgbm.Booster(model_str=model.text).predict(features)
        assert np.allclose(model.predict(features), expected, atol=1e-6)

    def test_the_ranker_reads_features_in_any_memory_order(self, model, unseen):
        features = unseen.slates.features[:40]
        assert (model.predict(np.asfortranarray(features)) == model.predict(features)).all()
        assert (model.predict(features[::2]) == model.predict(features)[::2]).all()

    def test_the_ranker_scores_no_candidates_as_no_rows(self, model):
        assert model.predict(np.empty((0, 3), np.float32)).shape == (0,)

    @pytest.mark.parametrize(
        "features", [np.zeros((2, 2), np.float32), np.zeros((2, 3)), np.zeros(3, np.float32)]
    )
    def test_the_ranker_refuses_features_of_another_shape_or_dtype(self, model, features):
        with pytest.raises(ShapeError):
            model.predict(features)

    def test_text_that_holds_no_trees_is_refused(self):
        with pytest.raises(TreesError):
            BoostedTrees("not a model")


class TestFiles:
    @pytest.fixture
    def folder(self, model, tmp_path) -> Path:
        model.save(tmp_path / "ranker")
        return tmp_path / "ranker"

    def test_a_saved_ranker_is_loaded_unchanged(self, model, folder, unseen):
        loaded = RankerModel.load(folder, feature_names=NAMES)
        assert loaded == model
        assert (loaded.predict(unseen.slates.features) == model.predict(unseen.slates.features)).all()

    @pytest.mark.parametrize("names", [NAMES[:2], NAMES[::-1], (*NAMES, "price")])
    def test_loading_a_ranker_trained_on_other_features_is_refused(self, folder, names):
        with pytest.raises(FeatureMismatch):
            RankerModel.load(folder, feature_names=names)

    @pytest.mark.parametrize("name", [TREES, SETTINGS])
    @pytest.mark.parametrize(
        "damage", [lambda text: text[: len(text) // 2], lambda text: "", lambda text: "\0"]
    )
    def test_damaged_ranker_files_are_refused(self, folder, name, damage):
        (folder / name).write_text(damage((folder / name).read_text()))
        with pytest.raises(ModelFileError):
            RankerModel.load(folder, feature_names=NAMES)

    def test_ranker_trees_that_are_not_text_are_refused(self, folder):
        (folder / TREES).write_bytes(b"tree\n\xff\xfe")
        with pytest.raises(ModelFileError):
            RankerModel.load(folder, feature_names=NAMES)

    @pytest.mark.parametrize("name", [TREES, SETTINGS])
    def test_a_missing_ranker_file_is_refused(self, folder, name):
        (folder / name).unlink()
        with pytest.raises(ModelFileError):
            RankerModel.load(folder, feature_names=NAMES)

    def test_a_changed_threshold_in_the_ranker_trees_is_noticed(self, folder):
        text = (folder / TREES).read_text()
        (folder / TREES).write_text(text.replace("threshold=", "threshold=1", 1))
        with pytest.raises(ModelFileError):
            RankerModel.load(folder, feature_names=NAMES)

    @pytest.mark.parametrize(
        "change",
        [
            {"feature_names": ["a", "b", "c"]},
            {"feature_names": 3},
            {"boosting": 1},
            {"validation_ndcg": "good"},
        ],
    )
    def test_ranker_settings_that_contradict_the_trees_are_refused(self, folder, change):
        settings = json.loads((folder / SETTINGS).read_text())
        (folder / SETTINGS).write_text(json.dumps(settings | change))
        with pytest.raises(ModelFileError):
            RankerModel.load(folder, feature_names=change.get("feature_names", NAMES))


SERVE = """
import sys
import numpy as np
from ml.ranking.lambdarank import RankerModel
from ml.ranking.boosted_trees import _library
def threads():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("Threads"))
from pathlib import Path
_library()
before = threads()
model = RankerModel.load(Path(sys.argv[1]), feature_names=sys.argv[2].split(","))
model.predict(np.zeros((5000, 3), np.float32))
print(threads() - before, *sorted({name.split(".")[0] for name in sys.modules}))
"""


class TestServing:
    def test_serving_a_ranker_loads_neither_sklearn_nor_lightgbm_and_starts_no_thread(self, model, tmp_path):
        model.save(tmp_path)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
        served = subprocess.run(
            [sys.executable, "-c", SERVE, str(tmp_path), ",".join(NAMES)],
            env=environment | {"OMP_NUM_THREADS": "2"},
            capture_output=True,
            text=True,
        )
        assert served.returncode == 0, served.stderr
        started, *loaded = served.stdout.split()
        assert started == "0"
        assert "numpy" in loaded
        assert not {"sklearn", "pandas", "lightgbm", "torch"} & set(loaded)
