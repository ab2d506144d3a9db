"""Who sees which listing."""

import pytest

from listings.models import Listing
from tests import factories
from tests.conftest import service_client
from tests.listings.api.requests import LISTINGS, at, ids
from tests.problems import is_problem


class TestVisibility:
    @pytest.mark.parametrize("status", ["draft", "reserved", "sold", "withdrawn"])
    def test_only_active_listings_are_listed(self, anyone, alice, as_alice, status):
        hidden = factories.listing(alice, status="draft")
        sold_at = hidden.created_at if status == "sold" else None
        Listing.objects.filter(pk=hidden.pk).update(status=status, sold_at=sold_at)
        for client in (anyone, as_alice):
            assert ids(client.get(LISTINGS)) == []

    @pytest.mark.parametrize("status", ["draft", "reserved", "sold", "withdrawn"])
    def test_a_listing_that_is_not_for_sale_is_shown_to_its_owner_staff_and_services_only(
        self, sofa, anyone, as_alice, as_charlie, as_staff, as_service, status
    ):
        sold_at = sofa.created_at if status == "sold" else None
        Listing.objects.filter(pk=sofa.pk).update(status=status, sold_at=sold_at)
        for client in (anyone, as_charlie, service_client("reader", ["feed"])):
            assert is_problem(client.get(at(sofa)), 404)
        for client in (as_alice, as_staff, as_service):
            assert client.get(at(sofa)).json()["status"] == status
