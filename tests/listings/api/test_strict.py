"""Unknown fields are refused."""

from tests.listings.api.requests import LISTINGS
from tests.problems import is_problem


class TestUnknownFields:
    def test_unknown_fields_of_a_patch_are_refused_by_name(self, as_alice, sofa):
        address = f"{LISTINGS}{sofa.external_id}/"
        response = as_alice.patch(address, {"status": "sold", "colour": "red"})
        assert is_problem(response, 400)
        assert {error["field"] for error in response.json()["errors"]} == {"status", "colour"}
