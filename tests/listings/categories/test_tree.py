"""Categories are found in any spelling."""

import pytest

from listings.categories.paths import clean_path
from listings.categories.tree import ensure_category, find_category
from listings.models import Category

BEDS = "Home & Garden / Beds"


@pytest.mark.parametrize(
    "written",
    [
        *(
            "Home & Garden > Beds",
            "home & garden / BEDS",
            "Home &amp; Garden / Beds",
            " Home  & Garden /\tBeds ",
        ),
        *("Home & Garden>Beds", "Home &amp;amp; Garden » Beds", "HOME & GARDEN → Beds"),
    ],
)
def test_a_category_in_another_spelling_is_the_one_that_is_there(db, written):
    beds = ensure_category(BEDS)
    assert ensure_category(written) == beds == find_category(written)
    assert set(Category.objects.values_list("path", flat=True)) == {"Home & Garden", BEDS}


def test_a_new_category_below_one_in_another_spelling_joins_it(db):
    ensure_category(BEDS)
    assert ensure_category("home & garden > Bunks").path == "Home & Garden / Bunks"


def test_a_slash_within_a_name_stays():
    assert clean_path("Phones > Ham/Amateur Radios") == "Phones / Ham/Amateur Radios"
