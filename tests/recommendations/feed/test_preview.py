"""The feed that an actor would get, and why listings are or are not in it."""

import pytest

from listings import services
from listings.announcing import catalogue_transaction
from listings.models import Listing
from recommendations.feed.pipeline import build_feed
from recommendations.feed.preview import Preview, preview_feed
from recommendations.feed.verdict import Verdict, find_verdict
from recommendations.models.slates import Exposure, Impression, Slate
from recommendations.replica.follower import ReplicaNotReady
from recommendations.retrieval.filters import Filters
from tests import factories


@pytest.fixture
def market(follow, alice, bob) -> list[Listing]:
    """Thirty sofas of Alice's, of which Bob kept the first and hid the second, and one of Bob's own."""
    with catalogue_transaction():
        made = [factories.listing(alice, f"Blue sofa {number}") for number in range(30)]
        made.append(factories.listing(bob, "Red sofa"))
    factories.event(bob, made[0], "favourite")
    factories.event(bob, made[1], "hide")
    follow()
    return made


def reasons_of(preview: Preview) -> dict[str, list[str]]:
    return {each.reason: sorted(listing.title for listing in each.sample) for each in preview.left_out}


class TestPreview:
    def test_it_shows_what_a_request_would_answer(self, bob, market, now):
        preview = preview_feed(bob, limit=10, now=now)
        page = build_feed(actor=bob, filters=Filters(), limit=10, now=now, seed=0, is_kept=False)
        assert [place.listing for place in preview.places] == [item.listing for item in page.items]
        assert [place.reason for place in preview.places] == [item.reason for item in page.items]
        assert [place.number for place in preview.places] == list(range(1, 11))

    def test_looking_writes_no_slate_and_counts_no_showing(self, bob, market, now):
        preview_feed(bob, limit=10, now=now)
        assert (
            not Slate.objects.exists() and not Impression.objects.exists() and not Exposure.objects.exists()
        )

    def test_it_says_what_is_left_out_and_why(self, bob, market, now):
        preview = preview_feed(bob, limit=10, now=now)
        assert reasons_of(preview) == {
            "The actor sells it": ["Red sofa"],
            "The actor hid or reported it": ["Blue sofa 1"],
            "The actor has opened or kept it already": ["Blue sofa 0"],
        }
        assert (preview.live_count, preview.order_length) == (31, 28)

    def test_every_listing_for_sale_is_in_the_order_or_left_out_once(self, bob, market, now):
        preview = preview_feed(bob, limit=10, now=now)
        assert preview.order_length + sum(each.count for each in preview.left_out) == preview.live_count

    def test_the_parts_of_the_sources_add_up_to_the_whole(self, bob, market, now):
        preview = preview_feed(bob, limit=10, now=now)
        for place in preview.places:
            assert sum(share for _, share in place.shares) == pytest.approx(1) or not place.shares

    def test_without_a_snapshot_there_is_none(self, bob, now):
        with pytest.raises(ReplicaNotReady):
            preview_feed(bob, limit=10, now=now)


class TestVerdict:
    def test_a_listing_of_the_feed_is_said_to_be_shown_with_its_place_and_reason(self, bob, market, now):
        first = preview_feed(bob, limit=1, now=now).places[0]
        verdict = find_verdict(first.listing, bob, now=now)
        assert (verdict.is_shown, verdict.place) == (True, 1)
        assert first.reason is not None and verdict.sentence == f"{first.reason.sentence}."

    @pytest.mark.parametrize(
        ("number", "sentence"),
        [
            (0, "The actor has opened or kept it already."),
            (1, "The actor hid or reported it."),
            (30, "The actor sells it."),
        ],
    )
    def test_a_listing_that_is_left_out_has_the_reason(self, bob, market, now, number, sentence):
        assert find_verdict(market[number], bob, now=now) == Verdict(False, sentence)

    def test_what_is_sold_or_not_embedded_yet_says_so(self, alice, bob, market, now):
        sold = services.mark_sold(listing=market[5], buyer=None, now=now)
        assert find_verdict(sold, bob, now=now) == Verdict(False, "It is sold.")
        waits = factories.listing(alice, "New sofa")
        assert "waits for its vectors" in find_verdict(waits, bob, now=now).sentence
