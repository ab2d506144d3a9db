import pytest
from django.utils import timezone

from listings import services
from listings.announcing import catalogue_transaction
from tests import factories
from tests.recommendations.pictures import saved, scene


@pytest.fixture
def sofas(alice, encoder):
    with catalogue_transaction():
        return [factories.listing(alice, f"Corner sofa in blue velvet {number}") for number in range(4)]


@pytest.fixture
def bikes(alice, encoder):
    path = "Sports / Bicycles"
    with catalogue_transaction():
        return [factories.listing(alice, f"Mountain bike {number}", path=path) for number in range(30)]


def similar(client, listing, **query):
    response = client.get(f"/api/v1/listings/{listing.external_id}/similar/", query)
    assert response.status_code == 200, response.content
    return [item["listing"]["id"] for item in response.json()["items"]]


class TestSimilarListings:
    def test_similar_listings_come_first_and_never_the_listing_itself(self, anyone, sofas, bikes, follow):
        follow()
        similar_ids = similar(anyone, sofas[0])
        assert set(similar_ids[:3]) == {sofa.external_id for sofa in sofas[1:]}
        assert sofas[0].external_id not in similar_ids

    def test_a_new_listing_is_among_the_similar_once_it_is_embedded(
        self, anyone, alice, sofas, bikes, follow
    ):
        follow()
        new = factories.listing(alice, "Corner sofa in green velvet")
        follow()
        assert new.external_id in similar(anyone, sofas[0], limit=5)

    def test_a_sold_listing_is_not_among_the_similar_before_the_index_knows(
        self, anyone, sofas, bikes, follow
    ):
        follow()
        services.mark_sold(listing=sofas[1], buyer=None, now=timezone.now())
        assert sofas[1].external_id not in similar(anyone, sofas[0])

    def test_a_sold_listing_has_similar_listings(self, anyone, sofas, bikes, follow):
        services.mark_sold(listing=sofas[0], buyer=None, now=timezone.now())
        follow()
        assert similar(anyone, sofas[0])[0] in {sofa.external_id for sofa in sofas[1:]}

    def test_similar_listings_of_a_draft_are_a_404(self, anyone, alice, follow):
        draft = factories.listing(alice, status="draft")
        assert anyone.get(f"/api/v1/listings/{draft.external_id}/similar/").status_code == 404

    def test_filters_hold_for_similar_listings(self, anyone, sofas, bikes, follow):
        follow()
        assert set(similar(anyone, sofas[0], category="Sports")) <= {bike.external_id for bike in bikes}

    def test_a_listing_that_is_not_embedded_has_no_similar_listings_and_a_degraded_answer(
        self, anyone, alice, follow
    ):
        new = factories.listing(alice)
        page = anyone.get(f"/api/v1/listings/{new.external_id}/similar/").json()
        assert (page["items"], page["degraded"]) == ([], ["not_embedded_yet"])


class TestByPhotoOrWords:
    @pytest.fixture
    def mixed(self, alice, encoder):
        """Listings with the same picture and different words, and with similar words and another picture."""
        subject, same_look, same_words, no_photo = (
            factories.listing(alice, title)
            for title in ("Oak table", "Garden gnome", "Oak table extending", "Oak table round")
        )
        look, other = factories.picture("darkred"), factories.picture("black", size=(40, 96))
        for listing, data in ((subject, look), (same_look, look), (same_words, other)):
            factories.add_picture(listing, data)
        return subject, same_look, same_words, no_photo

    def test_by_photo_listings_with_the_same_picture_come_first(self, anyone, mixed, follow):
        follow()
        subject, same_look, _, no_photo = mixed
        similar_ids = similar(anyone, subject, by="photo")
        assert similar_ids[0] == same_look.external_id
        assert no_photo.external_id not in similar_ids

    def test_by_text_listings_with_the_same_words_come_first_with_and_without_photos(
        self, anyone, mixed, follow
    ):
        follow()
        subject, _, same_words, no_photo = mixed
        assert set(similar(anyone, subject, by="text")[:2]) == {same_words.external_id, no_photo.external_id}

    def test_by_photo_nothing_is_similar_to_a_listing_without_photos(self, anyone, mixed, follow):
        follow()
        assert similar(anyone, mixed[3], by="photo") == []

    def test_similar_listings_refuse_an_unknown_basis(self, anyone, sofas, follow):
        follow()
        response = anyone.get(f"/api/v1/listings/{sofas[0].external_id}/similar/", {"by": "smell"})
        assert response.status_code == 400


class TestTheSamePhotoAgain:
    @pytest.fixture
    def stall(self, alice, bob, encoder):
        """Eight sofas with photos of their own, of which the last three show one photo."""
        with catalogue_transaction():
            sofas = [
                factories.listing(bob if number == 7 else alice, f"Corner sofa in blue velvet {number}")
                for number in range(8)
            ]
        for number, sofa in enumerate(sofas):
            factories.add_picture(sofa, saved(scene(min(number, 5))))
        return sofas

    def copies(self, client, listing, **query):
        page = client.get(f"/api/v1/listings/{listing.external_id}/similar/", query).json()
        return {item["listing"]["id"]: set(item["copies"]) for item in page["items"]}

    @pytest.mark.parametrize("by", ["photo", "text", "both"])
    def test_similar_listings_that_show_the_same_photo_are_one_item(self, anyone, stall, follow, by):
        follow()
        similar_ids = self.copies(anyone, stall[0], by=by)
        same = {sofa.external_id for sofa in stall[5:]}
        (shown,) = similar_ids.keys() & same
        assert similar_ids[shown] == same - {shown}
        assert all(not folded for pk, folded in similar_ids.items() if pk != shown)

    def test_folding_of_copies_does_not_shorten_the_page_of_similar_listings(self, anyone, stall, follow):
        follow()
        assert len(self.copies(anyone, stall[5], limit=5)) == 5

    def test_similar_listings_that_show_the_listings_own_photo_are_one_item(self, anyone, stall, follow):
        follow()
        similar_ids = self.copies(anyone, stall[5], by="photo")
        first = next(iter(similar_ids))
        assert {first} | similar_ids[first] == {sofa.external_id for sofa in stall[6:]}


class TestListingsWithoutPhotos:
    """Listings with and without photos in one catalogue."""

    @pytest.fixture
    def bicycles(self, alice, encoder):
        """Every other one without a photo; beside them sofas, all with one."""
        path = "Sports / Bicycles"
        with catalogue_transaction():
            bikes = [factories.listing(alice, f"Mountain bike {number}", path=path) for number in range(24)]
            others = [factories.listing(alice, f"Corner sofa in velvet {number}") for number in range(24)]
            for number, listing in enumerate([*bikes[::2], *others]):
                factories.add_picture(listing, saved(scene(number)))
        return bikes

    def test_listings_without_photos_are_as_common_among_the_similar_as_in_the_catalogue(
        self, anyone, bicycles, follow
    ):
        follow()
        with_photo, without = ({bike.external_id for bike in bicycles[start::2]} for start in (0, 1))
        for subject in bicycles[:2]:  # one with a photo, one without
            similar_ids = set(similar(anyone, subject, limit=20))
            assert 0.3 < len(similar_ids & without) / len(similar_ids & (with_photo | without)) < 0.7

    def test_by_photo_listings_without_photos_neither_are_found_nor_find(self, anyone, bicycles, follow):
        follow()
        similar_ids = similar(anyone, bicycles[0], by="photo", limit=100)
        assert len(similar_ids) == 35  # all that have one, but for the asked one
        assert not set(similar_ids) & {bike.external_id for bike in bicycles[1::2]}
        url = f"/api/v1/listings/{bicycles[1].external_id}/similar/"
        page = anyone.get(url, {"by": "photo"}).json()
        assert (page["items"], page["degraded"]) == ([], [])
