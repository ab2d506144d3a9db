"""Rate limits of logins."""

import pytest
from django.test import Client

from marketplace.web import addresses
from recommendations.popularity import trending
from tests.factories import PASSWORD
from tests.marketplace.web.limited import FORM, LOGIN, attempts, is_too_many


class TestLogins:
    def test_one_user_name_has_ten_logins_a_minute_from_one_address(self, anyone, bob):
        assert attempts(anyone, "bob", 11) == [401] * 10 + [429]
        assert is_too_many(anyone.post(LOGIN, {"username": " BOB", "password": PASSWORD}))

    def test_wrong_logins_from_another_address_do_not_lock_the_user_out(self, anyone, bob):
        attempts(anyone, "bob", 11, REMOTE_ADDR="10.0.0.1")
        assert anyone.post(LOGIN, {"username": "bob", "password": PASSWORD}).status_code == 200

    def test_one_user_name_has_ten_times_as_many_logins_from_all_addresses(self, anyone, bob, limits):
        limits(logins_per_minute=1)
        codes = [attempts(anyone, "bob", 1, REMOTE_ADDR=f"10.0.0.{number}")[0] for number in range(11)]
        assert codes == [401] * 10 + [429]

    @pytest.mark.parametrize("spelt", ["\uff42\uff4f\uff42", "\U0001d41b\u24de\uff22", " bob\u2003"])
    def test_spellings_of_a_user_name_that_the_login_form_equates_share_a_bucket(
        self, anyone, bob, limits, spelt
    ):
        limits(logins_per_minute=1)
        assert Client().post(FORM, {"username": "bob", "password": "guess"}).status_code == 200
        assert is_too_many(Client().post(FORM, {"username": spelt, "password": "guess"}))

    def test_an_ipv6_site_with_many_networks_shares_its_login_buckets(self, anyone, bob, limits, monkeypatch):
        limits(logins_per_minute=1)
        monkeypatch.setattr(addresses, "SITE_FACTOR", 3)
        networks = [f"2001:db8:1:{number:x}::1" for number in range(4)]
        assert attempts(anyone, "bob", 1, REMOTE_ADDR=networks[0]) == [401]
        assert attempts(anyone, "bob", 1, REMOTE_ADDR=networks[1]) == [429]
        guesses = [attempts(anyone, f"{at} x", 1, REMOTE_ADDR=at)[0] for at in networks[1:]]
        assert guesses == [401] * 2 + [429]
        assert attempts(anyone, "x", 1, REMOTE_ADDR="2001:db8:2::1") == [401]

    def test_one_address_has_ten_times_as_many_logins_over_all_user_names(self, anyone, db, limits):
        limits(logins_per_minute=1)
        assert [attempts(anyone, f"name {number}", 1)[0] for number in range(11)] == [401] * 10 + [429]

    def test_logins_by_the_admins_form_count_in_the_same_buckets(self, anyone, admin_user, limits):
        limits(logins_per_minute=3)
        browser = Client()
        wrong, right = ({"username": "admin", "password": word} for word in ("guess", "password"))
        assert [browser.post(FORM, wrong).status_code for _ in range(2)] == [200, 200]
        assert attempts(anyone, "admin", 2) == [401, 429]
        assert is_too_many(browser.post(FORM, right))
        assert browser.get(FORM).status_code == 200

    def test_logins_are_refused_without_redis(self, anyone, bob, without_redis):
        for reply in (
            anyone.post(LOGIN, {"username": "bob", "password": PASSWORD}),
            Client().post(FORM, {"username": "bob", "password": PASSWORD}),
        ):
            assert (reply.status_code, reply.json()["status"]) == (503, 503)
            assert reply.headers["Retry-After"]

    def test_user_names_of_logins_are_not_stored_in_redis(self, anyone, bob):
        attempts(anyone, "bob", 1)
        keys = [key.decode() for key in trending.client().keys("limit:*")]
        assert len(keys) == 3 and not any("bob" in key for key in keys)
