"""Words of category names."""

from datetime import timedelta

import pytest

from recommendations.query_parsing.wording import Unit
from recommendations.search import categories
from tests import factories


@pytest.mark.django_db
class TestSupport:
    def support(self, path: str, *words: str, now) -> float:
        category = factories.category(path)
        categories.forget()
        return categories.supporting(Unit(words), now).get(category.pk, 0.0)

    @pytest.mark.parametrize(
        ("path", "words", "support"),
        [
            ("Appliances / Dishwashers", ("dishwasher",), categories.NAMED),
            ("Appliances / Washing Machines", ("washing", "machine"), categories.NAMED),
            ("Home / Dining Tables & Chairs", ("chairs",), categories.SHARED),
            ("Home / Sofas / Private", ("sofa",), categories.NAMED),
            ("Home / Dining Tables & Chairs", ("dining",), categories.ROOT),
            ("Appliances / Dishwashers", ("appliances",), categories.ROOT),
            ("Appliances / Dishwashers", ("appliances", "dishwasher"), categories.NAMED),
            ("Appliances / Dishwashers", ("dishwasher", "tablets"), 0.0),
        ],
    )
    def test_a_deep_name_says_more_than_a_root_and_the_thing_more_than_what_describes_it(
        self, path, words, support, now
    ):
        assert self.support(path, *words, now=now) == support

    def test_a_new_category_counts_a_few_seconds_later(self, now):
        assert categories.supporting(Unit(("hutch",)), now) == {}
        factories.category("Pets / Hutches")
        assert categories.supporting(Unit(("hutch",)), now + timedelta(seconds=5))
