"""Slates in the admin."""

import pytest

from recommendations.slates import store
from tests.recommendations.slates.drafts import draft


@pytest.fixture
def bobs_slate(bob, sofas, now) -> str:
    return store.write(draft([sofa.pk for sofa in sofas], bob), now=now)


class TestSlates:
    def test_staff_see_the_order_of_a_slate_and_cannot_change_it(self, admin_client, bobs_slate, sofas):
        address = f"/admin/recommendations/slate/{store.find(bobs_slate).pk}/change/"
        page = admin_client.get(address).content.decode()
        titles = [page.index(sofa.title) for sofa in sofas]
        assert titles == sorted(titles)
        assert "exploring" in page
        assert admin_client.get("/admin/recommendations/slate/add/").status_code == 403
        assert admin_client.post(address, {"surface": "search"}).status_code == 403

    def test_the_list_of_slates_is_filtered_by_surface(self, admin_client, bobs_slate):
        for surface, count in (("feed", 1), ("search", 0)):
            page = admin_client.get(f"/admin/recommendations/slate/?surface__exact={surface}")
            assert page.context["cl"].result_count == count

    def test_the_page_of_an_invalid_slate_id_redirects(self, admin_client, db):
        assert admin_client.get("/admin/recommendations/slate/no-uuid/change/").status_code == 302
