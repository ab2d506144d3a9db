"""Order of listings found by words: the thing itself before what belongs to it."""

import pytest

from recommendations.query_parsing.wording import Unit
from recommendations.search.title_ranking import Match, ranked

PHONES, CASES, LAPTOPS, DRIVES = 1, 2, 3, 4
NAMES = {
    PHONES: frozenset({"iphon"}),
    CASES: frozenset({"cas"}),
    LAPTOPS: frozenset({"laptop"}),
    DRIVES: frozenset({"driv"}),
}


def order(query: str, *titles: tuple[str, int]) -> list[str]:
    """The titles in their order for a query, all as well supported."""
    matches = [Match(place, title, category, 1.0, 0.5) for place, (title, category) in enumerate(titles)]
    units = [Unit((word,)) for word in query.split()]
    return [titles[pk][0] for pk in ranked(matches, units, NAMES)]


class TestTheThing:
    @pytest.mark.parametrize(
        ("query", "accessory", "thing"),
        [
            ("radiator", "Radiator cover white", "White radiator large double"),
            ("iphone", "iPhone 11 Pro case", "Apple iPhone 11 Pro boxed unlocked"),
            ("iphone", "Car holder for iPhone", "Old phone, an iPhone really"),
            ("cordless drill", "Cordless drill battery", "Makita cordless drill with battery and case"),
            ("switch", "Switch games bundle", "Switch bundle with many games"),
        ],
    )
    def test_accessories_come_after_the_thing(self, query, accessory, thing):
        assert order(query, (accessory, 0), (thing, 0)) == [thing, accessory]

    def test_accessories_that_were_asked_for_come_first(self):
        assert (
            order("iphone case", ("iPhone case", 0), ("iPhone with a case and a box", 0))[0] == "iPhone case"
        )

    def test_what_only_has_the_thing_comes_after_it(self):
        assert order("ssd", ("Laptop SSD", LAPTOPS), ("Samsung SSD drive", DRIVES))[0] == "Samsung SSD drive"

    def test_what_is_for_sale_is_no_accessory(self):
        assert order("sofa", ("For sale sofa", 0), ("Sofa cover", 0))[0] == "For sale sofa"

    def test_wanted_adverts_come_last(self):
        assert order("sofa", ("Wanted sofa", 0), ("Large old sofa bed", 0))[-1] == "Wanted sofa"

    def test_the_usual_category_comes_first(self):
        titles = [("iPhone toy", CASES), *((f"iPhone {number}", PHONES) for number in range(5))]
        assert order("iphone", *titles)[-1] == "iPhone toy"

    def test_equal_titles_keep_their_order(self):
        titles = [(f"Lamp {number}", 0) for number in range(30)]
        assert order("lamp", *titles) == [title for title, _ in titles]
