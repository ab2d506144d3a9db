"""Hints for empty search results, over the API."""

from tests import factories
from tests.recommendations.search.requests import ask


class TestHints:
    def test_an_empty_result_names_the_part_of_the_query_that_leaves_nothing(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £5 near Leeds")
        assert (page["items"], page["facets"]) == ([], {})
        assert page["hint"] == {
            "text": "Nothing for “sofa” under £5 near Leeds; 1 without “under £5”; the nearest category is "
            "“Home & Garden / Sofas”.",
            "without": [{"text": "under £5", "count": 1}],
            "category": "Home & Garden / Sofas",
        }

    def test_an_empty_result_names_all_parts_when_no_single_one_is_to_blame(self, anyone, catalogue):
        factories.listing(catalogue["bed"].seller, "Sofa cover", price=400)
        page = ask(anyone, q="cover under £5 near Leeds")
        assert page["hint"]["without"] == [{"text": "under £5 near Leeds", "count": 1}]

    def test_a_hint_names_no_part_without_which_there_are_no_matches_either(self, anyone, catalogue):
        page = ask(anyone, q="xylophone under £5", mend="false")
        assert page["hint"] == {"text": "Nothing for “xylophone” under £5.", "without": [], "category": None}

    def test_a_hint_counts_with_the_filters_of_the_address(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £5", category="Sports")
        assert page["hint"]["without"] == []
