"""Rate limits of events, photo searches and uploads."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from listings.models import Actor
from marketplace.web import rate_limits
from recommendations.models.events import Interaction
from tests import factories
from tests.conftest import client_of
from tests.marketplace.web.limited import EVENTS, SEARCH, is_too_many


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

    def doubted(self) -> list[bool]:
        return list(Interaction.objects.order_by("pk").values_list("is_doubtful", flat=True))

    def test_events_of_one_address_for_a_listing_are_doubted_beyond_its_share(self, sofa, limits):
        limits(new_visitors_per_minute=0)
        most = rate_limits.SHARE_OF_ADDRESS
        for _ in range(most + 3):
            assert Client().post(EVENTS, self.events(sofa, 1), "application/json").status_code == 200
        assert self.doubted() == [False] * most + [True] * 3
        Client().post(EVENTS, self.events(sofa, 1), "application/json", REMOTE_ADDR="10.2.3.4")
        lamp = factories.listing(sofa.seller, "Lamp")
        Client().post(EVENTS, self.events(lamp, 1), "application/json")
        assert self.doubted()[-2:] == [False, False]

    def test_a_site_with_many_ipv6_addresses_has_one_share_of_a_listing(self, sofa, limits, monkeypatch):
        limits(new_visitors_per_minute=0)
        monkeypatch.setattr(rate_limits, "SHARE_OF_SITE", 3)
        for number in range(5):
            address = f"2001:db8:1:{number:x}::1"
            Client().post(EVENTS, self.events(sofa, 1), "application/json", REMOTE_ADDR=address)
        assert self.doubted() == [False] * 3 + [True] * 2
        Client().post(EVENTS, self.events(sofa, 1), "application/json", REMOTE_ADDR="2001:db8:2::1")
        assert self.doubted()[-1] is False

    def test_the_share_of_an_address_holds_within_one_request(self, sofa, limits):
        limits(new_visitors_per_minute=0)
        Client().post(EVENTS, self.events(sofa, rate_limits.SHARE_OF_ADDRESS + 1), "application/json")
        assert all(self.doubted())

    def test_events_of_members_and_services_are_not_shared_by_address(self, as_bob, as_service, sofa):
        for client, more in ((as_bob, {}), (as_service, {"actor": "x"})):
            client.post(EVENTS, self.events(sofa, rate_limits.SHARE_OF_ADDRESS + 1, **more))
        assert not any(self.doubted())

    def test_events_are_not_shared_by_the_address_of_an_uncounted_proxy(self, sofa, limits):
        limits(new_visitors_per_minute=0, https_only=True, proxy_count=0)
        events = self.events(sofa, rate_limits.SHARE_OF_ADDRESS + 1)
        Client().post(EVENTS, events, "application/json")
        assert not any(self.doubted())

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
