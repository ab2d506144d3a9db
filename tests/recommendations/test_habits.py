"""What an actor usually pays and how far they look."""

from decimal import Decimal

import numpy as np
import pytest

from recommendations.habits import Habits, roots_of
from recommendations.taste import read_taste
from tests import factories

LEEDS = {"latitude": 53.8, "longitude": -1.55}
YORK = {"latitude": 53.96, "longitude": -1.08}
BATH = {"latitude": 51.38, "longitude": -2.36}
BIKES = "Sports / Bicycles"


@pytest.fixture
def catalogue(alice, encoder):
    return {
        "touched": factories.listing(alice, "Oak table", price=50, **LEEDS),
        "like it": factories.listing(alice, "Pine table", price=60, **YORK),
        "dear": factories.listing(alice, "Walnut table", price=900, **BATH),
        "nowhere": factories.listing(alice, "Glass table", price=50),
        "free": factories.listing(alice, "Old table", price=Decimal(0), **LEEDS),
        "bicycle": factories.listing(alice, "Bicycle", path=BIKES, price=900, **LEEDS),
    }


@pytest.fixture
def did(now):
    return lambda who, what, kind="view": factories.event(who, what, kind, at=now)


@pytest.fixture
def habits_of(follow, now):
    def read(actor) -> Habits:
        return read_taste(actor, follow(), now=now).habits

    return read


def by_name(scores: np.ndarray, catalogue, view) -> dict[str, float]:
    rows = view.rows_of(np.array([listing.pk for listing in catalogue.values()]))
    return dict(zip(catalogue, scores[rows].tolist(), strict=True))


def test_prices_near_those_that_were_touched_score_best(bob, catalogue, did, habits_of, follow):
    did(bob, catalogue["touched"])
    view = follow()
    scores = by_name(habits_of(bob).price_scores(view, np.arange(view.row_count)), catalogue, view)
    assert scores["nowhere"] > scores["like it"] > scores["dear"]
    assert np.isfinite(scores["free"])


def test_a_price_speaks_for_its_own_kind_of_thing_above_all(bob, catalogue, did, habits_of, follow):
    did(bob, catalogue["touched"])
    did(bob, catalogue["bicycle"])
    view = follow()
    scores = by_name(habits_of(bob).price_scores(view, np.arange(view.row_count)), catalogue, view)
    assert scores["bicycle"] > scores["dear"], "a table for the price of a bicycle"


def test_what_lies_near_scores_best_and_nowhere_is_not_judged(bob, catalogue, did, habits_of, follow):
    did(bob, catalogue["touched"])
    view = follow()
    scores = by_name(habits_of(bob).place_scores(view, np.arange(view.row_count)), catalogue, view)
    assert scores["free"] > scores["like it"] > scores["dear"]
    assert np.isnan(scores["nowhere"])


def test_whoever_touched_nothing_has_none(bob, catalogue, habits_of, follow):
    view = follow()
    rows = np.arange(view.row_count)
    assert np.isnan(habits_of(bob).price_scores(view, rows)).all()
    assert np.isnan(habits_of(bob).place_scores(view, rows)).all()


def test_a_root_category_is_its_own_root_and_a_new_one_is_found(catalogue):
    chairs = factories.category("Home & Garden / Chairs / Office")
    home = factories.category("Home & Garden")
    assert roots_of(np.array([chairs.pk, home.pk, chairs.pk])).tolist() == [home.pk] * 3
    new = factories.category("Toys / Trains")
    assert roots_of(np.array([new.pk])).tolist() == [factories.category("Toys").pk]


def test_what_was_taken_back_says_nothing_more(bob, catalogue, did, habits_of):
    did(bob, catalogue["touched"], "favourite")
    assert len(habits_of(bob).shares) == 1
    did(bob, catalogue["touched"], "unfavourite")
    assert len(habits_of(bob).shares) == 0
