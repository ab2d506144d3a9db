from datetime import timedelta

import numpy as np

from recommendations.training import holdout
from recommendations.training.holdout import HoldoutCases
from tests.recommendations.collaborative.histories import MOMENT, history_of

EARLIER = history_of((1, [10, 11]), (2, [11]), (3, [12]), (4, [10]))
LATER = history_of(
    (1, [10, 11, 12]),  # touched 12 first
    (2, [11]),  # nothing new
    (3, [12, 99]),  # only a listing that nobody had touched
    (4, [10, 11, 12]),
    (9, [10]),  # an actor without a history
    until=MOMENT + timedelta(days=1),
)


def cases(most: int = 100) -> HoldoutCases:
    return HoldoutCases.between(EARLIER, LATER, most=most)


def test_the_right_answers_are_known_listings_that_an_actor_first_touched_afterwards():
    holdout_cases = cases()
    assert holdout_cases.listing_ids.tolist() == [10, 11, 12]
    assert len(holdout_cases) == 2, "the first and the fourth actor"
    assert (holdout_cases.touched.toarray() > 0).tolist() == [[True, True, False], [True, False, False]]
    assert holdout_cases.relevant.toarray().tolist() == [[0, 0, 1], [0, 1, 1]]


def test_of_too_many_actors_the_same_sample_is_drawn_again():
    assert len(cases(most=1)) == 1
    assert (cases(most=1).relevant != cases(most=1).relevant).nnz == 0


def test_listings_that_an_actor_had_touched_take_no_place_in_the_ranking():
    assert cases().ndcg(lambda touched: 9 * touched.toarray() + [0, 0, 1]).tolist()[0] == 1


def test_the_ndcg_of_holdout_cases_does_not_depend_on_how_many_are_scored_at_once(monkeypatch):
    def scores(touched) -> np.ndarray:
        return np.tile([3.0, 1.0, 2.0], (touched.shape[0], 1))

    whole = cases().ndcg(scores)
    monkeypatch.setattr(holdout, "CHUNK", 1)
    assert cases().ndcg(scores).tolist() == whole.tolist()


def test_without_later_events_there_are_no_holdout_cases():
    nobody = HoldoutCases.between(EARLIER, EARLIER, most=9)
    assert len(nobody) == 0
    assert nobody.ndcg(lambda touched: touched.toarray()).shape == (0,)
