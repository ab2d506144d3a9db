"""Parsed search queries: filters of the query beside those of the address, and corrected words."""

from tests.recommendations.search.requests import BATH, ask, names


class TestFilters:
    def test_search_turns_price_and_place_into_filters_and_shows_them(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £100 near Leeds")
        assert (page["words"], names(page, catalogue)) == ("sofa", ["leather"])
        price, place = page["understood"]
        assert price == {
            "text": "under £100",
            "kind": "price",
            "filters": {"max_price": "100.00"},
            "without": "sofa near Leeds",
        }
        assert place["text"] == "near Leeds"
        assert set(place["filters"]) == {"lat", "lon", "radius_km"}

    def test_understanding_of_a_search_can_be_switched_off(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £100 near Leeds", understand="false")
        assert (page["understood"], page["words"]) == ([], "sofa under £100 near Leeds")
        assert page["items"] == []  # "under" and "leeds" are in no listing, and "sofa" in most

    def test_a_price_filter_of_the_address_overrides_a_price_of_the_query(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £100", max_price=500)
        assert set(names(page, catalogue)) == {"leather", "blue", "bed"}
        assert [(part["text"], part["filters"]) for part in page["understood"]] == [("under £100", {})]

    def test_a_place_of_the_address_overrides_a_place_of_the_query(self, anyone, catalogue):
        page = ask(anyone, q="sofa near Leeds", lat=BATH["latitude"], lon=BATH["longitude"], radius_km=20)
        assert names(page, catalogue) == ["bed"]

    def test_a_location_without_a_radius_is_no_filter(self, anyone, catalogue):
        here = {"lat": BATH["latitude"], "lon": BATH["longitude"]}
        assert names(ask(anyone, q="sofa near Leeds", **here), catalogue) == ["leather"]
        ask(anyone, status=400, q="", **here)

    def test_a_price_that_contradicts_the_address_is_dropped_and_the_rest_counts(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £50 near Leeds", min_price=60, radius_km=100, lat=53.8, lon=-1.55)
        assert set(names(page, catalogue)) == {"leather", "blue"}

    def test_a_price_alone_brings_the_listings_that_it_buys_newest_first(self, anyone, catalogue):
        page = ask(anyone, q="under £85")
        assert (page["words"], names(page, catalogue)) == ("", ["settee", "bed", "leather"])
        assert page["degraded"] == []
        assert page["facets"] == {"Home & Garden": 3}


class TestSpelling:
    def test_search_corrects_misspelt_words_and_shows_it_unless_switched_off(self, anyone, catalogue):
        mended = ask(anyone, q="leather sofla")
        assert (mended["words"], mended["mended"]) == (
            "leather sofa",
            {"sofla": "sofa"},
        )
        assert names(mended, catalogue)[0] == "leather"
        as_written = ask(anyone, q="leather sofla", mend="false")
        assert (as_written["words"], as_written["mended"], as_written["items"]) == ("leather sofla", {}, [])
