from dataclasses import replace

import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.ranking.lambdarank import (
    CLICK,
    HIDDEN,
    NO_INTERACTION,
    PURCHASE,
    NoPreferences,
    Slates,
)
from tests.ml.ranking.shoppers import NAMES, QUICK, Shoppers, trained


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
    def test_the_ranker_scores_no_candidates_as_no_rows(self, model):
        assert model.predict(np.empty((0, 3), np.float32)).shape == (0,)

    @pytest.mark.parametrize(
        "features", [np.zeros((2, 2), np.float32), np.zeros((2, 3)), np.zeros(3, np.float32)]
    )
    def test_the_ranker_refuses_features_of_another_shape_or_dtype(self, model, features):
        with pytest.raises(ShapeError):
            model.predict(features)
