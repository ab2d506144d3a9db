"""Single listings, the list of them and categories over HTTP."""

from listings.announcing import catalogue_transaction
from tests import factories
from tests.listings.api.requests import LISTINGS, SOFAS, at, ids
from tests.problems import is_problem


class TestReading:
    def test_anyone_reads_listings_for_sale_newest_first(self, anyone, alice, ago):
        old = factories.listing(alice, created_at=ago(days=2))
        new = factories.listing(alice, created_at=ago(days=1))
        assert ids(anyone.get(LISTINGS)) == [new.external_id, old.external_id]

    def test_a_listings_card_has_all_its_fields(self, anyone, alice, leeds):
        sofa = factories.listing(alice, description="Two seats.", condition="good", place=leeds)
        photo = factories.photo(sofa)
        card = anyone.get(at(sofa)).json()
        assert card["id"] == sofa.external_id
        assert (card["seller"], card["title"], card["description"]) == ("alice", "Blue sofa", "Two seats.")
        assert (card["price"], card["currency"]) == ("50.00", "GBP")
        assert (card["condition"], card["category"], card["status"]) == ("good", SOFAS, "active")
        assert card["place"] == "Leeds, West Yorkshire"
        assert card["photos"][0]["id"] == photo.external_id

    def test_photo_urls_lead_to_a_file_of_every_size(self, anyone, sofa, settings):
        factories.photo(sofa)
        for url in anyone.get(at(sofa)).json()["photos"][0]["urls"].values():
            assert (settings.MEDIA_ROOT / url.removeprefix("/media/")).is_file()

    def test_coordinates_in_responses_are_rounded_to_a_hundredth_of_a_degree(self, anyone, alice):
        sofa = factories.listing(alice, latitude=53.79648, longitude=-1.54785)
        card = anyone.get(at(sofa)).json()
        assert (card["latitude"], card["longitude"]) == (53.8, -1.55)

    def test_categories_are_listed_with_their_parents(self, anyone, sofa):
        assert [card["path"] for card in anyone.get("/api/v1/categories/").json()] == ["Home & Garden", SOFAS]

    def test_a_page_of_listings_takes_three_queries_however_many_it_holds(
        self, anyone, alice, django_assert_max_num_queries
    ):
        with catalogue_transaction():
            for _ in range(5):
                factories.photo(factories.listing(alice))
        with django_assert_max_num_queries(3):
            assert len(ids(anyone.get(LISTINGS))) == 5

    def test_an_unknown_listing_id_is_a_404_that_names_it(self, anyone, db):
        response = anyone.get(f"{LISTINGS}nothing/")
        assert is_problem(response, 404)
        assert "nothing" in response.json()["detail"]
