"""Rate limits on a real Redis, also under concurrency."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory

from listings.models import Actor
from marketplace.web import rate_limits
from marketplace.web.rate_limits import RateLimitExceeded, address_of, count_against
from recommendations.models.events import Interaction
from recommendations.popularity import trending
from tests import factories
from tests.conftest import client_of
from tests.factories import PASSWORD

LOGIN, EVENTS, SEARCH = "/api/v1/login/", "/api/v1/interactions/", "/api/v1/search/"
FORM = "/admin/login/"
NOWHERE = "redis://127.0.0.1:1"


@pytest.fixture
def limits(settings):
    def set_limits(**changes) -> None:
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=changes)

    return set_limits


@pytest.fixture
def without_redis(settings) -> None:
    settings.REDIS_URL = NOWHERE


def is_too_many(response) -> bool:
    """Whether it is a 429 with Retry-After."""
    if response.status_code != 429:
        return False
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    return True


def let_pass(ms: int) -> None:
    """Move bob's earlier requests back in time."""
    link = trending.client()
    link.set("limit:login:bob", float(link.get("limit:login:bob")) - ms)


def attempts(client, name: str, count: int, **headers) -> list[int]:
    guess = {"username": name, "password": "guess"}
    return [client.post(LOGIN, guess, format="json", **headers).status_code for _ in range(count)]


class TestABucket:
    def refused_at(self, *, cost: int = 1, who: str = "bob", most: int = 50) -> int:
        """Number of requests that were allowed before the first refusal."""
        for count in range(most):
            try:
                count_against("login", {who: 1}, cost)
            except RateLimitExceeded:
                return count
        return most

    def test_holds_a_minutes_worth(self, limits):
        limits(logins_per_minute=5)
        assert self.refused_at() == 5
        assert self.refused_at(who="charlie") == 5

    def test_drains_evenly_and_the_wait_is_what_it_takes(self, limits):
        limits(logins_per_minute=6)  # one every ten seconds
        count_against("login", {"bob": 1}, cost=6)
        with pytest.raises(RateLimitExceeded) as refusal:
            count_against("login", {"bob": 1}, cost=3)
        assert 20 < refusal.value.wait <= 30
        let_pass(30_000)
        assert self.refused_at() == 3

    def test_a_refusal_takes_nothing_from_any_bucket(self, limits):
        limits(logins_per_minute=5)
        assert self.refused_at(who="bob") == 5
        for _ in range(20):
            with pytest.raises(RateLimitExceeded):
                count_against("login", {"bob": 1, "here": 1})
        assert self.refused_at(who="here") == 5

    def test_the_strictest_of_several_decides(self, limits):
        limits(logins_per_minute=5)
        count_against("login", {"bob": 1}, cost=5)
        with pytest.raises(RateLimitExceeded):
            count_against("login", {"here": 10, "bob": 1})

    def test_a_batch_larger_than_the_bucket_fits_an_empty_one(self, limits):
        limits(events_per_minute=10)
        count_against("events", {"bob": 1}, cost=500)
        with pytest.raises(RateLimitExceeded) as refusal:
            count_against("events", {"bob": 1}, cost=500)
        assert 59 <= refusal.value.wait <= 60

    def test_none_slips_by_however_many_ask_at_once(self, limits):
        limits(logins_per_minute=10)

        def ask(_: int) -> bool:
            try:
                count_against("login", {"bob": 1, "here": 10})
            except RateLimitExceeded:
                return False
            return True

        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(ask, range(200))) == 10

    def test_zero_is_no_limit(self, limits):
        limits(logins_per_minute=0)
        assert self.refused_at(most=300) == 300

    def test_what_is_full_no_longer_is_forgotten_by_redis(self, limits):
        limits(logins_per_minute=6)
        count_against("login", {"bob": 1})
        assert 0 < trending.client().pttl("limit:login:bob") <= 10_002

    def test_a_clock_that_was_put_back_locks_nobody_out(self, limits):
        limits(logins_per_minute=6)
        count_against("login", {"bob": 1})
        (key,) = trending.client().keys("limit:*")
        trending.client().set(key, (time.time() + 24 * 3600) * 1000)
        with pytest.raises(RateLimitExceeded) as refusal:
            count_against("login", {"bob": 1})
        assert refusal.value.wait <= 10, "a bucket is full at the most"

    def test_redis_may_forget_the_script(self, limits):
        count_against("login", {"bob": 1})
        trending.client().script_flush()
        count_against("login", {"bob": 1})


class TestLogins:
    def test_one_name_has_ten_a_minute_from_one_address(self, anyone, bob):
        assert attempts(anyone, "bob", 11) == [401] * 10 + [429]
        assert is_too_many(anyone.post(LOGIN, {"username": " BOB", "password": PASSWORD}))

    def test_ten_wrong_ones_from_elsewhere_keep_nobody_out(self, anyone, bob):
        attempts(anyone, "bob", 11, REMOTE_ADDR="10.0.0.1")
        assert anyone.post(LOGIN, {"username": "bob", "password": PASSWORD}).status_code == 200

    def test_and_ten_times_as_many_from_wherever(self, anyone, bob, limits):
        limits(logins_per_minute=1)
        codes = [attempts(anyone, "bob", 1, REMOTE_ADDR=f"10.0.0.{number}")[0] for number in range(11)]
        assert codes == [401] * 10 + [429]

    @pytest.mark.parametrize("spelt", ["\uff42\uff4f\uff42", "\U0001d41b\u24de\uff22", " bob\u2003"])
    def test_names_that_the_form_takes_for_one_are_one(self, anyone, bob, limits, spelt):
        limits(logins_per_minute=1)
        assert Client().post(FORM, {"username": "bob", "password": "guess"}).status_code == 200
        assert is_too_many(Client().post(FORM, {"username": spelt, "password": "guess"}))

    def test_who_has_many_networks_has_one_bucket_for_a_name_and_one_for_all(
        self, anyone, bob, limits, monkeypatch
    ):
        limits(logins_per_minute=1)
        monkeypatch.setattr(rate_limits, "SITE_FACTOR", 3)
        networks = [f"2001:db8:1:{number:x}::1" for number in range(4)]
        assert attempts(anyone, "bob", 1, REMOTE_ADDR=networks[0]) == [401]
        assert attempts(anyone, "bob", 1, REMOTE_ADDR=networks[1]) == [429]
        guesses = [attempts(anyone, f"{at} x", 1, REMOTE_ADDR=at)[0] for at in networks[1:]]
        assert guesses == [401] * 2 + [429]
        assert attempts(anyone, "x", 1, REMOTE_ADDR="2001:db8:2::1") == [401]

    def test_one_address_has_ten_times_as_many_by_whatever_names(self, anyone, db, limits):
        limits(logins_per_minute=1)
        assert [attempts(anyone, f"name {number}", 1)[0] for number in range(11)] == [401] * 10 + [429]

    def test_the_form_of_the_admin_counts_the_same(self, anyone, admin_user, limits):
        limits(logins_per_minute=3)
        browser = Client()
        wrong, right = ({"username": "admin", "password": word} for word in ("guess", "password"))
        assert [browser.post(FORM, wrong).status_code for _ in range(2)] == [200, 200]
        assert attempts(anyone, "admin", 2) == [401, 429]
        assert is_too_many(browser.post(FORM, right))
        assert browser.get(FORM).status_code == 200

    def test_they_are_closed_without_redis(self, anyone, bob, without_redis):
        for reply in (
            anyone.post(LOGIN, {"username": "bob", "password": PASSWORD}),
            Client().post(FORM, {"username": "bob", "password": PASSWORD}),
        ):
            assert (reply.status_code, reply.json()["status"]) == (503, 503)
            assert reply.headers["Retry-After"]

    def test_names_are_not_kept_in_redis(self, anyone, bob):
        attempts(anyone, "bob", 1)
        keys = [key.decode() for key in trending.client().keys("limit:*")]
        assert len(keys) == 3 and not any("bob" in key for key in keys)


class TestEvents:
    def events(self, listing, count: int, **more) -> dict:
        body = {"listing": listing.external_id, "kind": "view"} | more
        return {"events": [body | {"event_id": str(number)} for number in range(count)]}

    @pytest.fixture
    def sofa(self, alice):
        return factories.listing(alice)

    def test_each_event_of_a_batch_counts(self, as_bob, sofa, limits):
        limits(events_per_minute=10)
        assert as_bob.post(EVENTS, self.events(sofa, 8)).status_code == 200
        assert is_too_many(as_bob.post(EVENTS, self.events(sofa, 3)))
        assert Interaction.objects.count() == 8
        assert as_bob.post(EVENTS, self.events(sofa, 2)).status_code == 200

    def test_one_member_does_not_use_up_anothers(self, as_bob, as_charlie, sofa, limits):
        limits(events_per_minute=5)
        as_bob.post(EVENTS, self.events(sofa, 5))
        assert is_too_many(as_bob.post(EVENTS, self.events(sofa, 1)))
        assert as_charlie.post(EVENTS, self.events(sofa, 1)).status_code == 200

    def test_a_new_token_is_no_new_caller(self, bob, as_bob, sofa, limits):
        limits(events_per_minute=5)
        as_bob.post(EVENTS, self.events(sofa, 5))
        assert is_too_many(client_of(bob).post(EVENTS, self.events(sofa, 1)))

    def test_whoever_throws_the_cookie_away_is_known_by_the_address(self, sofa, limits):
        limits(events_per_minute=3)
        codes = [
            Client().post(EVENTS, self.events(sofa, 1), "application/json").status_code for _ in range(4)
        ]
        assert codes == [200, 200, 200, 429]

    def test_nor_is_each_a_new_person_for_ever(self, sofa, limits):
        limits(new_visitors_per_minute=3)

        def first(address: str, client: Client | None = None):
            body = self.events(sofa, 1)
            return (client or Client()).post(EVENTS, body, "application/json", REMOTE_ADDR=address)

        known = Client()
        assert [first("10.0.0.1", known).status_code, first("10.0.0.1").status_code] == [200, 200]
        assert [first("10.0.0.1").status_code, first("10.0.0.2").status_code] == [200, 200]
        assert is_too_many(first("10.0.0.1"))
        assert first("10.0.0.1", known).status_code == 200  # this visitor has an actor
        assert Actor.objects.filter(kind=Actor.Kind.VISITOR).count() == 4

    def test_members_and_services_are_no_new_visitors(self, as_bob, as_service, sofa, limits):
        limits(new_visitors_per_minute=1)
        for client, more in ((as_bob, {}), (as_service, {"actor": "x"})):
            codes = [client.post(EVENTS, self.events(sofa, 1, **more)).status_code for _ in range(3)]
            assert codes == [200] * 3

    def test_a_service_may_do_many_times_as_much(self, as_service, sofa, limits):
        limits(events_per_minute=2, service_rate_factor=5)
        assert as_service.post(EVENTS, self.events(sofa, 10, actor="x")).status_code == 200
        assert is_too_many(as_service.post(EVENTS, self.events(sofa, 1, actor="y"), REMOTE_ADDR="10.9.9.9"))

    def test_they_are_taken_without_redis(self, as_bob, sofa, without_redis):
        assert as_bob.post(EVENTS, self.events(sofa, 1)).status_code == 200

    @pytest.mark.parametrize("body", ["[", "[]", '"x"', "null", '{"events": 3}', '{"events": {}}'])
    def test_a_body_that_is_none_is_still_a_400(self, as_bob, body):
        assert as_bob.post(EVENTS, body, content_type="application/json").status_code == 400


class TestPhotos:
    def photo(self) -> SimpleUploadedFile:
        return SimpleUploadedFile("a.jpg", factories.picture())

    @pytest.mark.parametrize(
        ("path", "field"),
        [(SEARCH, "photo"), ("/api/v1/classify/", "photo"), ("/predict/category", "image")],
    )
    def test_searches_are_limited_by_address(self, anyone, db, limits, path, field):
        limits(photo_searches_per_minute=2, encode_timeout_s=0.01)
        for _ in range(2):
            assert anyone.post(path, {field: self.photo()}, format="multipart").status_code in (200, 503)
        assert is_too_many(anyone.post(path, {field: self.photo()}, format="multipart"))
        elsewhere = anyone.post(path, {field: self.photo()}, format="multipart", REMOTE_ADDR="10.2.3.4")
        assert elsewhere.status_code in (200, 503)

    def test_reading_goes_on(self, anyone, db, limits):
        limits(photo_searches_per_minute=1, encode_timeout_s=0.01)
        anyone.post(SEARCH, {"photo": self.photo()}, format="multipart")
        assert is_too_many(anyone.post(SEARCH, {"q": "sofa"}))
        assert anyone.get(SEARCH, {"q": "sofa"}).status_code == 200
        assert anyone.get("/healthcheck").status_code == 200

    def test_too_many_are_not_even_received(self, anyone, db, limits, monkeypatch):
        limits(photo_searches_per_minute=1)
        anyone.post(SEARCH, {"q": "sofa"})
        refuse = lambda *_, **__: pytest.fail("the body was read")  # noqa: E731
        monkeypatch.setattr("rest_framework.parsers.MultiPartParser.parse", refuse)
        assert is_too_many(anyone.post(SEARCH, {"photo": self.photo()}, format="multipart"))

    def test_uploads_are_limited_by_seller(self, as_alice, alice, limits):
        limits(uploads_per_minute=2)
        path = f"/api/v1/listings/{factories.listing(alice).external_id}/photos/"
        codes = [
            as_alice.post(path, {"photo": self.photo()}, format="multipart").status_code for _ in range(3)
        ]
        assert codes == [201, 201, 429]

    def test_both_are_open_without_redis(self, anyone, as_alice, alice, limits, without_redis):
        limits(encode_timeout_s=0.01, photo_searches_per_minute=1, uploads_per_minute=1)
        path = f"/api/v1/listings/{factories.listing(alice).external_id}/photos/"
        for _ in range(2):
            assert anyone.post(SEARCH, {"q": "sofa"}).status_code == 200
            assert as_alice.post(path, {"photo": self.photo()}, format="multipart").status_code == 201


class TestWhereACallerIs:
    def address(self, forwarded: str | None = None, remote: str = "192.0.2.1") -> str:
        headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
        return address_of(RequestFactory().get("/", REMOTE_ADDR=remote, **headers))

    def test_without_a_proxy_nobody_is_believed(self):
        assert self.address("203.0.113.9") == "192.0.2.1"

    @pytest.mark.parametrize(
        ("count", "forwarded", "found"),
        [
            (1, "203.0.113.9", "203.0.113.9"),
            (1, "1.1.1.1, 203.0.113.9", "203.0.113.9"),  # the client's own entry is on the left
            (2, "1.1.1.1, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
            (2, "203.0.113.9", "192.0.2.1"),
            (1, "", "192.0.2.1"),
            (1, "nonsense", "elsewhere"),
        ],
    )
    def test_behind_proxies_it_is_what_the_outermost_saw(self, limits, count, forwarded, found):
        limits(proxy_count=count)
        assert self.address(forwarded) == found

    def test_the_network_of_one_customer_is_one_address(self):
        assert self.address(remote="2001:db8:1:2:3::4") == self.address(remote="2001:db8:1:2::9")
        assert self.address(remote="2001:db8:1:2::9") != self.address(remote="2001:db8:1:3::9")
        assert self.address(remote="::ffff:192.0.2.1") == "192.0.2.1"
        assert self.address(remote="") == "elsewhere"


def test_one_redis_that_hangs_is_not_waited_for_by_each(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        count_against("events", {"bob": 1})
        silent.setblocking(False)
        silent.accept()
        count_against("events", {"bob": 1})
        with pytest.raises(BlockingIOError):
            silent.accept()


class TestTheLimits:
    def test_each_names_a_setting(self, settings):
        assert all(limit.per_minute > 0 for limit in rate_limits.LIMITS.values())
