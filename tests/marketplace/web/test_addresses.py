"""Where a request comes from, as limits count it."""

import pytest
from django.test import RequestFactory

from marketplace.web.addresses import address_of


class TestWhereACallerIs:
    def address(self, forwarded: str | None = None, remote: str = "192.0.2.1") -> str:
        headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
        return address_of(RequestFactory().get("/", REMOTE_ADDR=remote, **headers))

    def test_without_a_proxy_the_forwarded_address_is_ignored(self):
        assert self.address("203.0.113.9") == "192.0.2.1"

    @pytest.mark.parametrize(
        ("count", "forwarded", "expected"),
        [
            (1, "203.0.113.9", "203.0.113.9"),
            (1, "1.1.1.1, 203.0.113.9", "203.0.113.9"),  # the client's own entry is on the left
            (2, "1.1.1.1, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
            (2, "203.0.113.9", "192.0.2.1"),
            (1, "", "192.0.2.1"),
            (1, "nonsense", "elsewhere"),
        ],
    )
    def test_behind_proxies_the_address_is_what_the_outermost_proxy_saw(
        self, limits, count, forwarded, expected
    ):
        limits(proxy_count=count)
        assert self.address(forwarded) == expected

    def test_addresses_of_one_ipv6_network_count_as_one(self):
        assert self.address(remote="2001:db8:1:2:3::4") == self.address(remote="2001:db8:1:2::9")
        assert self.address(remote="2001:db8:1:2::9") != self.address(remote="2001:db8:1:3::9")
        assert self.address(remote="::ffff:192.0.2.1") == "192.0.2.1"
        assert self.address(remote="") == "elsewhere"


class TestAddressesWithoutTheirLastSlash:
    def test_writes_are_answered_and_not_redirected(self, as_alice, sofa):
        new = {"title": "Red chair", "price": "5", "category": "Home & Garden / Sofas"}
        assert as_alice.post("/api/v1/listings", new).status_code == 201
        address = f"/api/v1/listings/{sofa.external_id}"
        assert as_alice.patch(address, {"title": "Green sofa"}).json()["title"] == "Green sofa"
        assert as_alice.delete(address).status_code == 204
        assert as_alice.put("/api/v1/listings/batch", {}).status_code == 403

    def test_what_does_not_exist_is_a_404(self, as_alice):
        assert as_alice.post("/api/v1/nothing", {}).status_code == 404
