"""Places in search queries."""

import pytest

from recommendations.query_parsing.places import COUNTY_RADIUS_KM, TOWN_RADIUS_KM
from recommendations.query_parsing.understanding import understand
from recommendations.retrieval.filters import Filters


class TestPlaces:
    @pytest.mark.parametrize(
        ("query", "latitude", "radius_km"),
        [
            ("sofa near Leeds", 53.8, TOWN_RADIUS_KM),
            ("sofa NEAR leeds", 53.8, TOWN_RADIUS_KM),
            ("sofa around Leeds, West Yorkshire", 53.8, TOWN_RADIUS_KM),
            ("sofa close to st. albans", 51.75, TOWN_RADIUS_KM),
            ("sofa near Saint Albans", 51.75, TOWN_RADIUS_KM),
            ("sofa near newcastle", 54.97, TOWN_RADIUS_KM),
            ("sofa near stoke on trent", 53.0, TOWN_RADIUS_KM),
            ("sofa near Box", 51.42, TOWN_RADIUS_KM),
            ("sofa within 10 miles of York", 53.96, 16.09),
            ("sofa within 10km of York", 53.96, 10),
            ("sofa 5 miles from York", 53.96, 8.05),
            ("sofa near York within 5 km", 53.96, 5),
            ("sofa in York within 5 km", 53.96, 5),
            ("sofa in Bath", 51.38, TOWN_RADIUS_KM),
            ("sofa in kent", 51.28, COUNTY_RADIUS_KM),
            ("near Leeds sofa", 53.8, TOWN_RADIUS_KM),
        ],
    )
    def test_places_of_a_query_become_filters_and_leave_its_words(
        self, gazetteer, query, latitude, radius_km
    ):
        parsed = understand(query)
        assert (parsed.words, parsed.filters["lat"]) == ("sofa", latitude)
        assert parsed.filters["radius_km"] == pytest.approx(radius_km, abs=0.01)
        Filters(**parsed.filters)

    @pytest.mark.parametrize(
        "query",
        [
            *("sofa in good condition", "mint in box", "iphone in Box", "sofas in sale", "sofa near me"),
            *("wrap around dress", "bath", "in bath toys", "sofa within 0 miles of Leeds", "near", "Leeds"),
            *("sofa within 5000 miles of Leeds", "boxes of York", "near 100"),
        ],
    )
    def test_words_that_name_no_place_stay_words(self, gazetteer, query):
        assert understand(query).words == query
        assert understand(query).understood == ()

    def test_only_the_first_place_of_a_query_becomes_a_filter(self, gazetteer):
        parsed = understand("sofa near Leeds near York")
        assert (parsed.words, parsed.filters["lat"]) == ("sofa near York", 53.8)

    def test_places_of_another_country_stay_words(self, gazetteer, settings):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"country": "FR"})
        assert understand("sofa near Leeds").words == "sofa near Leeds"

    def test_places_take_one_database_query_however_many_words(self, gazetteer, django_assert_num_queries):
        with django_assert_num_queries(1):
            understand("sofa near a b c d in good condition near Leeds")
        with django_assert_num_queries(0):
            understand("sofa under £100")
