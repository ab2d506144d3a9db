import numpy as np
import pytest

from recommendations.models.feature_names import CONTEXT_FEATURES, SOURCES
from recommendations.ranking.scoring import COLD_WEIGHTS, WARMTH_WEIGHTS, rank, source_weights_for
from recommendations.retrieval.candidates import Candidates
from tests.recommendations.small_world import load, taste

UP = tuple(float(number) for number in range(1, len(SOURCES) + 1))
FITTED = ((8.0, UP), (2.0, UP[::-1]))
UNKNOWN = np.nan


def warm(event_weight: float):
    return taste(load(), {1: event_weight} if event_weight else {})


def candidates(*scores: tuple[float, ...]) -> Candidates:
    """By the first sources; the others think the same of all."""
    padded = [(*known, *[0.0] * (len(SOURCES) - len(known))) for known in scores]
    facts = np.zeros((len(scores), len(CONTEXT_FEATURES)), np.float32)
    known = np.array(padded, np.float32).reshape(-1, len(SOURCES))
    return Candidates(np.arange(len(scores), dtype=np.int32), known, facts)


class TestWeights:
    def test_every_source_has_a_weight_at_every_warmth(self):
        assert {len(weights) for _, weights in WARMTH_WEIGHTS} == {len(COLD_WEIGHTS)} == {len(SOURCES)}

    def test_the_weights_of_behaviour_grow_with_the_warmth_of_the_profile(self):
        behaviour = [source_weights_for(warm(known))[1:3].sum() for known in (0, 1, 6, 30)]
        assert behaviour == sorted(behaviour)
        assert behaviour[0] == 0 < behaviour[1] < behaviour[2] < behaviour[3]

    @pytest.mark.parametrize(("known", "expected"), [(9.0, FITTED[0][1]), (2.5, FITTED[1][1])])
    def test_weights_fitted_with_the_model_replace_the_default_ones(self, known, expected):
        assert source_weights_for(warm(known), FITTED).tolist() == list(expected)

    def test_a_warmth_without_fitted_weights_has_the_default_ones(self):
        assert source_weights_for(warm(1.0), FITTED).tolist() == pytest.approx(WARMTH_WEIGHTS[-1][1])
        assert source_weights_for(warm(0), FITTED).tolist() == pytest.approx(COLD_WEIGHTS)

    def test_weights_fitted_for_other_sources_are_not_used(self):
        others = ((0.0, (1.0, 1.0, 1.0, 1.0)),)
        for known in (1.0, 30.0):
            assert (
                source_weights_for(warm(known), others).tolist() == source_weights_for(warm(known)).tolist()
            )
        assert (
            source_weights_for(warm(9.0), (FITTED[0], *others)).tolist()
            == source_weights_for(warm(9.0)).tolist()
        )


class TestRank:
    OTHERS = (0.0,) * (len(SOURCES) - 3)
    CONTENT_OR_VISITS = candidates((1, UNKNOWN, 0, 0, 0), (0, UNKNOWN, 1, 0, 0), (-1, UNKNOWN, -1, 0, 0))

    @pytest.mark.parametrize(
        ("weights", "order"),
        [((1.0, 0.0, 0.5, *OTHERS), [0, 1, 2]), ((0.5, 0.0, 1.0, *OTHERS), [1, 0, 2])],
    )
    def test_fitted_weights_decide_the_order_of_the_ranking(self, weights, order):
        ranked = rank(self.CONTENT_OR_VISITS, warm(1.0), ((0.0, weights),))
        assert ranked.rows.tolist() == order
        assert ranked.rows.dtype == np.int32
        assert (ranked.sources[:, 0] == self.CONTENT_OR_VISITS.scores[order, 0]).all()

    def test_candidates_with_equal_scores_are_ranked_newest_first(self):
        alike = candidates(*[(1.0, 1.0, 1.0, 1.0, 1.0)] * 4)
        assert rank(alike, warm(1.0)).rows.tolist() == [3, 2, 1, 0]

    def test_a_listing_that_no_source_knows_comes_last(self):
        nothing = (UNKNOWN,) * len(SOURCES)
        ranked = rank(candidates((-9, -9, -9, -9, -9), nothing, (9, 9, 9, 9, 9)), warm(1.0))
        assert ranked.rows.tolist() == [2, 0, 1]

    def test_a_stated_location_gives_nearness_more_weight(self):
        place = SOURCES.index("place")
        far, near = [[0.0] * len(SOURCES) for _ in range(2)]
        far[0], near[place] = 0.5, 1.0
        known, stated = (
            rank(candidates(far, near), warm(1.0), states_location=states_location).weights[place]
            for states_location in (False, True)
        )
        assert stated > known
        assert rank(candidates(far, near), warm(0), states_location=True).rows.tolist() == [1, 0]

    def test_ranking_no_candidates_gives_no_rows(self):
        assert rank(candidates(), warm(1.0)).rows.shape == (0,)
