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

    def test_a_bucket_allows_a_minutes_worth_of_requests(self, limits):
        limits(logins_per_minute=5)
        assert self.refused_at() == 5
        assert self.refused_at(who="charlie") == 5

    def test_a_bucket_drains_evenly_and_a_refusal_states_the_wait(self, limits):
        limits(logins_per_minute=6)  # one every ten seconds
        count_against("login", {"bob": 1}, cost=6)
        with pytest.raises(RateLimitExceeded) as refusal:
            count_against("login", {"bob": 1}, cost=3)
        assert 20 < refusal.value.wait <= 30
        let_pass(30_000)
        assert self.refused_at() == 3

    def test_a_refused_request_counts_in_no_bucket(self, limits):
        limits(logins_per_minute=5)
        assert self.refused_at(who="bob") == 5
        for _ in range(20):
            with pytest.raises(RateLimitExceeded):
                count_against("login", {"bob": 1, "here": 1})
        assert self.refused_at(who="here") == 5

    def test_the_fullest_of_several_buckets_decides(self, limits):
        limits(logins_per_minute=5)
        count_against("login", {"bob": 1}, cost=5)
        with pytest.raises(RateLimitExceeded):
            count_against("login", {"here": 10, "bob": 1})

    def test_a_batch_larger_than_its_bucket_is_allowed_when_the_bucket_is_empty(self, limits):
        limits(events_per_minute=10)
        count_against("events", {"bob": 1}, cost=500)
        with pytest.raises(RateLimitExceeded) as refusal:
            count_against("events", {"bob": 1}, cost=500)
        assert 59 <= refusal.value.wait <= 60

    def test_concurrent_requests_are_counted_exactly(self, limits):
        limits(logins_per_minute=10)

        def ask(_: int) -> bool:
            try:
                count_against("login", {"bob": 1, "here": 10})
            except RateLimitExceeded:
                return False
            return True

        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(ask, range(200))) == 10

    def test_a_rate_limit_of_zero_is_no_limit(self, limits):
        limits(logins_per_minute=0)
        assert self.refused_at(most=300) == 300

    def test_redis_forgets_a_bucket_once_it_has_drained(self, limits):
        limits(logins_per_minute=6)
        count_against("login", {"bob": 1})
        assert 0 < trending.client().pttl("limit:login:bob") <= 10_002

    def test_a_clock_that_was_set_back_delays_a_caller_at_most_one_full_bucket(self, limits):
        limits(logins_per_minute=6)
        count_against("login", {"bob": 1})
        (key,) = trending.client().keys("limit:*")
        trending.client().set(key, (time.time() + 24 * 3600) * 1000)
        with pytest.raises(RateLimitExceeded) as refusal:
            count_against("login", {"bob": 1})
        assert refusal.value.wait <= 10, "a bucket is full at the most"

    def test_rate_limits_work_after_redis_forgets_the_script(self, limits):
        count_against("login", {"bob": 1})
        trending.client().script_flush()
        count_against("login", {"bob": 1})


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
        monkeypatch.setattr(rate_limits, "SITE_FACTOR", 3)
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


class TestEvents:
    def events(self, listing, count: int, **more) -> dict:
        body = {"listing": listing.external_id, "kind": "view"} | more
        return {"events": [body | {"event_id": str(number)} for number in range(count)]}

    @pytest.fixture
    def sofa(self, alice):
        return factories.listing(alice)

    def test_each_event_of_a_batch_counts_against_the_limit(self, as_bob, sofa, limits):
        limits(events_per_minute=10)
        assert as_bob.post(EVENTS, self.events(sofa, 8)).status_code == 200
        assert is_too_many(as_bob.post(EVENTS, self.events(sofa, 3)))
        assert Interaction.objects.count() == 8
        assert as_bob.post(EVENTS, self.events(sofa, 2)).status_code == 200

    def test_one_members_events_do_not_use_up_anothers_limit(self, as_bob, as_charlie, sofa, limits):
        limits(events_per_minute=5)
        as_bob.post(EVENTS, self.events(sofa, 5))
        assert is_too_many(as_bob.post(EVENTS, self.events(sofa, 1)))
        assert as_charlie.post(EVENTS, self.events(sofa, 1)).status_code == 200

    def test_events_with_a_new_token_count_for_the_same_member(self, bob, as_bob, sofa, limits):
        limits(events_per_minute=5)
        as_bob.post(EVENTS, self.events(sofa, 5))
        assert is_too_many(client_of(bob).post(EVENTS, self.events(sofa, 1)))

    def test_events_without_the_visitor_cookie_count_by_address(self, sofa, limits):
        limits(events_per_minute=3)
        codes = [
            Client().post(EVENTS, self.events(sofa, 1), "application/json").status_code for _ in range(4)
        ]
        assert codes == [200, 200, 200, 429]

    def test_new_visitors_are_limited_by_address(self, sofa, limits):
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

    def test_events_of_members_and_services_do_not_count_as_new_visitors(
        self, as_bob, as_service, sofa, limits
    ):
        limits(new_visitors_per_minute=1)
        for client, more in ((as_bob, {}), (as_service, {"actor": "x"})):
            codes = [client.post(EVENTS, self.events(sofa, 1, **more)).status_code for _ in range(3)]
            assert codes == [200] * 3

    def test_a_service_has_a_multiple_of_the_event_limit(self, as_service, sofa, limits):
        limits(events_per_minute=2, service_rate_factor=5)
        assert as_service.post(EVENTS, self.events(sofa, 10, actor="x")).status_code == 200
        assert is_too_many(as_service.post(EVENTS, self.events(sofa, 1, actor="y"), REMOTE_ADDR="10.9.9.9"))

    def test_events_are_accepted_without_redis(self, as_bob, sofa, without_redis):
        assert as_bob.post(EVENTS, self.events(sofa, 1)).status_code == 200

    @pytest.mark.parametrize("body", ["[", "[]", '"x"', "null", '{"events": 3}', '{"events": {}}'])
    def test_a_malformed_body_of_events_is_a_400(self, as_bob, body):
        assert as_bob.post(EVENTS, body, content_type="application/json").status_code == 400


class TestPhotos:
    def photo(self) -> SimpleUploadedFile:
        return SimpleUploadedFile("a.jpg", factories.picture())

    @pytest.mark.parametrize(
        ("path", "field"),
        [(SEARCH, "photo"), ("/api/v1/classify/", "photo"), ("/predict/category", "image")],
    )
    def test_photo_searches_are_limited_by_address(self, anyone, db, limits, path, field):
        limits(photo_searches_per_minute=2, encode_timeout_s=0.01)
        for _ in range(2):
            assert anyone.post(path, {field: self.photo()}, format="multipart").status_code in (200, 503)
        assert is_too_many(anyone.post(path, {field: self.photo()}, format="multipart"))
        elsewhere = anyone.post(path, {field: self.photo()}, format="multipart", REMOTE_ADDR="10.2.3.4")
        assert elsewhere.status_code in (200, 503)

    def test_reading_is_not_limited_with_photo_searches(self, anyone, db, limits):
        limits(photo_searches_per_minute=1, encode_timeout_s=0.01)
        anyone.post(SEARCH, {"photo": self.photo()}, format="multipart")
        assert is_too_many(anyone.post(SEARCH, {"q": "sofa"}))
        assert anyone.get(SEARCH, {"q": "sofa"}).status_code == 200
        assert anyone.get("/healthcheck").status_code == 200

    def test_a_photo_search_beyond_the_limit_is_refused_unread(self, anyone, db, limits, monkeypatch):
        limits(photo_searches_per_minute=1)
        anyone.post(SEARCH, {"q": "sofa"})
        refuse = lambda *_, **__: pytest.fail("the body was read")  # noqa: E731
        monkeypatch.setattr("rest_framework.parsers.MultiPartParser.parse", refuse)
        assert is_too_many(anyone.post(SEARCH, {"photo": self.photo()}, format="multipart"))

    def test_photo_uploads_are_limited_by_seller(self, as_alice, alice, limits):
        limits(uploads_per_minute=2)
        path = f"/api/v1/listings/{factories.listing(alice).external_id}/photos/"
        codes = [
            as_alice.post(path, {"photo": self.photo()}, format="multipart").status_code for _ in range(3)
        ]
        assert codes == [201, 201, 429]

    def test_photo_searches_and_uploads_are_accepted_without_redis(
        self, anyone, as_alice, alice, limits, without_redis
    ):
        limits(encode_timeout_s=0.01, photo_searches_per_minute=1, uploads_per_minute=1)
        path = f"/api/v1/listings/{factories.listing(alice).external_id}/photos/"
        for _ in range(2):
            assert anyone.post(SEARCH, {"q": "sofa"}).status_code == 200
            assert as_alice.post(path, {"photo": self.photo()}, format="multipart").status_code == 201


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


def test_a_redis_that_hangs_is_not_tried_by_every_request(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        count_against("events", {"bob": 1})
        silent.setblocking(False)
        silent.accept()
        count_against("events", {"bob": 1})
        with pytest.raises(BlockingIOError):
            silent.accept()


class TestTheLimits:
    def test_each_rate_limit_names_a_setting(self, settings):
        assert all(limit.per_minute > 0 for limit in rate_limits.LIMITS.values())
