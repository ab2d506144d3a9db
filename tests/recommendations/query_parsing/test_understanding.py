"""Whole search queries, separated into words and filters."""

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from recommendations.query_parsing.places import TOWN_RADIUS_KM
from recommendations.query_parsing.understanding import understand
from recommendations.retrieval.filters import Filters


class TestWholeQueries:
    @pytest.mark.parametrize(
        "query", ["sofa under £100 near Leeds", "sofa in Leeds under £100", "under £100 near Leeds sofa"]
    )
    def test_price_and_place_are_understood_in_any_order(self, gazetteer, query):
        parsed = understand(query)
        assert parsed.words == "sofa"
        assert parsed.filters == {"max_price": 100, "lat": 53.8, "lon": -1.55, "radius_km": TOWN_RADIUS_KM}

    def test_each_understood_part_keeps_the_text_it_came_from(self, gazetteer):
        parts = understand("Sofa  under £100, near  Leeds!").understood
        assert [part.text for part in parts] == ["under £100", "near  Leeds"]
        assert [set(part.filters) for part in parts] == [{"max_price"}, {"lat", "lon", "radius_km"}]

    def test_a_query_without_price_or_place_is_all_words(self, gazetteer):
        assert understand("  blue   sofa ").words == "blue sofa"

    @hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.text(max_size=80) | st.text("£1,.0k- underbtwadmxfo", max_size=60))
    def test_understanding_accepts_any_text(self, gazetteer, query):
        Filters(**understand(query).filters)

    @hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(
            st.sampled_from(
                [
                    *("under", "over", "£", "100", "-", "to", "near", "in", "within", "Leeds", "Box"),
                    *("between", "and", ",", "20", "0", "k", "max", "pounds", "5 miles of", "\x00", "\ud800"),
                ]
            ),
            max_size=12,
        )
    )
    def test_understanding_accepts_its_own_words_in_any_order(self, gazetteer, words):
        parsed = understand(" ".join(words))
        Filters(**parsed.filters)
        assert all(part.text for part in parsed.understood)

    @pytest.mark.parametrize("unit", ["near Leeds ", "under £1 ", "£1-", " ", "1,", "near a-", "x"])
    def test_understanding_accepts_very_long_queries(self, gazetteer, unit):
        understand(unit * (10_000 // len(unit)))
