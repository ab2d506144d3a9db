"""Unknown fields are refused."""

import pytest

from tests.listings.api.requests import LISTINGS
from tests.problems import is_problem


class TestUnknownFields:
    def test_unknown_fields_of_a_patch_are_refused_by_name(self, as_alice, sofa):
        address = f"{LISTINGS}{sofa.external_id}/"
        response = as_alice.patch(address, {"status": "sold", "colour": "red"})
        assert is_problem(response, 400)
        assert {error["field"] for error in response.json()["errors"]} == {"status", "colour"}


class TestUnknownParameters:
    @pytest.mark.parametrize("query", [{"max_prise": "5"}, {"q": "sofa", "page": "2"}], ids=str)
    def test_unknown_parameters_of_a_query_are_refused_by_name(self, anyone, sofa, query):
        for address in (LISTINGS, f"{LISTINGS}{sofa.external_id}/", "/api/v1/categories/"):
            response = anyone.get(address, query)
            assert is_problem(response, 400)
            assert {error["field"] for error in response.json()["errors"]} == set(query)
