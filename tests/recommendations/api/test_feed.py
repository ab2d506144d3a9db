"""The feed's endpoint: who may request whose feed, and which queries are refused."""

from tests import factories


class TestWhoMayAsk:
    def test_a_member_cannot_request_the_feed_of_another(self, as_charlie, bob, catalogue, follow):
        follow()
        assert as_charlie.get("/api/v1/feed/", {"actor": "bob"}).status_code == 403

    def test_a_service_gets_the_feed_of_any_actor_and_a_new_actor_has_no_profile(
        self, as_service, bob, catalogue, feed_of
    ):
        for chair in catalogue[4:60:6]:
            factories.event(bob, chair, "favourite")
        assert feed_of(as_service, actor="bob")[0]["scores"]["content"] is not None
        assert feed_of(as_service, actor="nobody-yet")[0]["scores"]["content"] is None
