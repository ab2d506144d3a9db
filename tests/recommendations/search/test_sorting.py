"""Orders of search results, over the API."""

import pytest

from listings.models import Place
from tests import factories
from tests.recommendations.search.requests import BATH, BIKES, ask, ids, names

AT_BATH = {"lat": BATH["latitude"], "lon": BATH["longitude"]}


class TestSorting:
    @pytest.mark.parametrize(
        ("sort", "expected"),
        [
            ("newest", ["bed", "blue", "leather"]),
            ("price", ["bed", "leather", "blue"]),
            ("-price", ["blue", "leather", "bed"]),
        ],
    )
    def test_results_come_in_the_order_that_is_asked_for(self, anyone, catalogue, sort, expected):
        assert names(ask(anyone, q="sofa", sort=sort), catalogue) == expected

    def test_the_nearest_come_first_and_those_without_a_place_last(self, anyone, alice, catalogue):
        factories.listing(alice, "Sofa somewhere")
        page = ask(anyone, q="sofa", sort="distance", **AT_BATH)
        assert names({"items": page["items"][:3]}, catalogue) == ["bed", "leather", "blue"]
        assert len(page["items"]) == 4

    def test_a_place_in_the_query_is_enough_to_sort_by_distance(self, anyone, catalogue):
        page = ask(anyone, q="sofa within 900 km of Leeds", sort="distance")
        assert names(page, catalogue)[0] == "leather"

    def test_to_sort_by_distance_without_a_place_is_refused(self, anyone, catalogue):
        assert ask(anyone, status=400, q="sofa", sort="distance")["errors"][0]["field"] == "sort"
        ask(anyone, status=400, q="sofa", sort="cheapest")

    def test_filters_alone_can_be_sorted(self, anyone, catalogue):
        page = ask(anyone, category="Home & Garden", sort="price")
        assert names(page, catalogue) == ["bed", "settee", "leather", "blue"]

    def test_only_what_supports_all_words_is_sorted(self, anyone, alice, catalogue):
        factories.listing(alice, "Sofa", price=1)
        page = ask(anyone, q="leather sofa", sort="price")
        assert names(page, catalogue) == ["leather"]

    def test_distance_shades_the_order_without_a_radius(self, anyone, alice, catalogue, ago):
        far = {"latitude": 57, "longitude": -4}
        for day in range(6):
            factories.listing(alice, f"Armchair {day}", created_at=ago(days=day), **far)
        near = factories.listing(alice, "Armchair 9", created_at=ago(days=9), **BATH).external_id
        assert ids(ask(anyone, q="armchair")).index(near) == 6
        page = ask(anyone, q="armchair", **AT_BATH)
        assert ids(page).index(near) < 6
        assert page["items"][0]["scores"]["distance"] is not None


class TestCategories:
    def test_several_categories_can_be_asked_for(self, anyone, catalogue):
        both = {"category": ["Home & Garden / Sofas", BIKES]}
        assert set(names(ask(anyone, max_price=95, **both), catalogue)) == {"leather", "bed", "bike"}
        body = anyone.post(
            "/api/v1/search/", {"q": "bike", "category": [BIKES, "Home & Garden"]}, format="json"
        )
        assert names(body.json(), catalogue) == ["bike"]

    def test_an_unknown_one_of_several_is_refused(self, anyone, catalogue):
        page = ask(anyone, status=400, q="sofa", category=["Home & Garden", "Nowhere"])
        assert page["errors"][0]["field"] == "category"


class TestFacets:
    def test_facets_count_every_level_conditions_and_prices(self, anyone, alice, catalogue):
        factories.listing(alice, "Sofa rack", path=BIKES, price=600, condition="new")
        counts = ask(anyone, q="sofa")["facet_counts"]
        assert counts["categories"] == {
            "Home & Garden": 3,
            "Home & Garden / Sofas": 3,
            "Sports": 1,
            "Sports / Bicycles": 1,
        }
        assert counts["conditions"] == {"unknown": 3, "new": 1}
        assert [(band["low"], band["high"], band["count"]) for band in counts["prices"]] == [
            ("25.00", "50.00", 1),
            ("50.00", "100.00", 1),
            ("100.00", "250.00", 1),
            ("500.00", "1000.00", 1),
        ]

    def test_each_facet_leaves_out_its_own_filter(self, anyone, catalogue):
        counts = ask(anyone, q="sofa", max_price=50, category="Home & Garden")["facet_counts"]
        assert counts["categories"] == {"Home & Garden": 1, "Home & Garden / Sofas": 1}
        assert sum(band["count"] for band in counts["prices"]) == 3

    def test_the_total_counts_all_matches_whatever_the_page(self, anyone, catalogue):
        assert ask(anyone, q="sofa", limit=1)["total"] == 3
        assert ask(anyone, category="Home & Garden", limit=1)["total"] == 4
        assert ask(anyone, q="xylophone", mend="false")["total"] == 0


class TestFullPages:
    def test_a_page_of_ten_holds_ten_though_copies_are_folded(self, anyone, alice, encoder):
        data = factories.picture()
        copies = [factories.listing(alice, f"Garden gnome {number}") for number in range(5)]
        for copy in copies:
            factories.add_picture(copy, data)
        for number in range(20):
            factories.listing(alice, f"Garden gnome with hat {number}")
        seen, offset = [], 0
        while offset is not None:
            page = ask(anyone, q="garden gnome", limit=10, offset=offset)
            assert len(page["items"]) == 10 or page["next_offset"] is None
            seen += [*ids(page), *(name for item in page["items"] for name in item["copies"])]
            offset = page["next_offset"]
        assert len(seen) == len(set(seen)) == 25


class TestPlaces:
    @pytest.fixture
    def london(self, catalogue, alice):
        Place.objects.create(
            name="London", country="GB", latitude=51.5, longitude=-0.13, population=8_900_000
        )
        return factories.listing(alice, "Sofa with cushions", latitude=51.5, longitude=-0.1)

    def test_a_town_at_the_end_is_a_place(self, anyone, london):
        page = ask(anyone, q="sofa london")
        assert ids(page) == [london.external_id]
        assert [(part["kind"], part["text"], part["without"]) for part in page["understood"]] == [
            ("place", "london", "sofa")
        ]

    def test_a_town_whose_name_is_a_usual_word_stays_a_word(self, anyone, alice, london):
        for number in range(3):
            factories.listing(alice, f"London bus toy {number}", latitude=57, longitude=-4)
        assert ask(anyone, q="sofa london")["understood"] == []

    def test_a_radius_alone_goes_around_the_caller(self, anyone, catalogue):
        page = ask(anyone, q="sofa within 10 miles", **AT_BATH)
        assert names(page, catalogue) == ["bed"]
        assert page["understood"][0]["filters"] == {"radius_km": 16.09}

    def test_a_radius_around_nobody_knows_whom_is_not_read(self, anyone, catalogue):
        page = ask(anyone, q="sofa within 10 miles")
        assert (page["understood"], page["unread"]) == ([], ["within 10 miles"])
        assert set(names(page, catalogue)) == {"leather", "blue", "bed"}
