"""Category paths as numbers."""

import numpy as np

from recommendations.taste.category_paths import key_of, paths_of
from tests import factories


def test_a_short_category_path_repeats_its_end_and_a_new_category_is_read(db):
    office = factories.category("Home & Garden / Chairs / Office")
    home, chairs = (factories.category(path) for path in ("Home & Garden", "Home & Garden / Chairs"))
    assert paths_of(np.array([office.pk, home.pk])).tolist() == [
        [home.pk, chairs.pk, office.pk],
        [home.pk] * 3,
    ]
    new = factories.category("Toys / Trains")
    assert paths_of(np.array([new.pk])).tolist() == [[factories.category("Toys").pk, new.pk, new.pk]]


def test_the_key_of_a_category_is_known_once_paths_were_read(db):
    boats = factories.category("Boats / Dinghies")
    assert key_of("Boats / Dinghies") is None
    paths_of(np.array([boats.pk]))
    assert key_of("Boats / Dinghies") == boats.pk


def test_no_category_ids_give_no_paths(db):
    assert paths_of(np.empty(0, np.int64)).shape == (0, 3)
