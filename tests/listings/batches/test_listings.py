from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from listings import services
from listings.batches.listings import ListingRow, UpsertOutcome, upsert_batch
from listings.models import Actor, Category, Listing, Writer
from tests import factories

SOFA = ListingRow(
    external_id="sofa", seller="alice", title="Blue sofa", category="Home / Sofas", price=Decimal(50)
)


@pytest.fixture
def upsert(db, now):
    """upsert(row, row ...) returns the outcomes; at= sets the time."""
    return lambda *rows, at=now: upsert_batch(rows=list(rows), now=at)


def outcomes(results) -> list[str]:
    return [result.outcome.value for result in results]


class TestOutcomes:
    def test_a_new_row_creates_an_active_listing(self, upsert, now):
        result = upsert(SOFA)[0]
        sofa = Listing.objects.get()
        assert (result.outcome, result.listing_id) == (UpsertOutcome.CREATED, sofa.pk)
        assert (sofa.status, sofa.created_at, sofa.price) == ("active", now, 50)

    def test_the_same_row_again_is_unchanged_and_writes_nothing(self, upsert, now):
        upsert(SOFA)
        before = Listing.objects.values().get()
        assert outcomes(upsert(SOFA, at=now + timedelta(hours=1))) == ["unchanged"]
        assert Listing.objects.values().get() == before

    def test_a_row_with_another_price_updates_its_listing(self, upsert, now):
        upsert(SOFA)
        later = now + timedelta(hours=1)
        assert outcomes(upsert(replace(SOFA, price=Decimal(45)), at=later)) == ["updated"]
        sofa = Listing.objects.get()
        assert (sofa.price, sofa.created_at, sofa.updated_at) == (45, now, later)

    @pytest.mark.parametrize(
        ("change", "content_version"), [({"title": "Green sofa"}, 2), ({"price": Decimal(1)}, 1)], ids=str
    )
    def test_new_words_in_a_row_make_a_new_content_version_and_a_new_price_does_not(
        self, upsert, change, content_version
    ):
        upsert(SOFA)
        upsert(replace(SOFA, **change))
        assert Listing.objects.get().content_version == content_version

    def test_a_row_with_an_older_source_version_is_stale_and_changes_nothing(self, upsert):
        upsert(replace(SOFA, source_version=3))
        assert outcomes(upsert(replace(SOFA, title="Old", status="sold", source_version=2))) == ["stale"]
        sofa = Listing.objects.get()
        assert (sofa.title, sofa.status, sofa.source_version) == ("Blue sofa", "active", 3)

    def test_a_row_without_source_version_keeps_the_stored_one(self, upsert):
        upsert(replace(SOFA, source_version=3))
        upsert(replace(SOFA, title="News"))
        assert Listing.objects.get().source_version == 3

    def test_the_second_row_of_a_batch_with_the_same_id_is_rejected(self, upsert):
        results = upsert(SOFA, replace(SOFA, title="Again"))
        assert outcomes(results) == ["created", "rejected"]
        assert "twice" in results[1].reason
        assert Listing.objects.get().title == "Blue sofa"

    def test_a_row_for_another_sellers_listing_is_rejected(self, upsert):
        upsert(SOFA)
        results = upsert(replace(SOFA, seller="charlie", price=Decimal(1)))
        assert outcomes(results) == ["rejected"]
        assert "another seller" in results[0].reason
        assert Listing.objects.get().price == 50

    def test_unless_the_batch_may_move_it(self, upsert, now, announced):
        upsert(SOFA)
        announced.clear()
        moved = upsert_batch(rows=[replace(SOFA, seller="charlie")], now=now, is_moving_sellers=True)
        assert outcomes(moved) == ["updated"]
        sofa = Listing.objects.get()
        assert (sofa.seller.external_id, announced) == ("charlie", [[sofa.pk]])

    def test_a_bad_category_rejects_its_row_only(self, upsert):
        results = upsert(replace(SOFA, category=" / "), replace(SOFA, external_id="chair"))
        assert outcomes(results) == ["rejected", "created"]

    @pytest.mark.parametrize("title", ["\u200b", "Blue \u202eafos"], ids=ascii)
    def test_a_title_that_nobody_can_read_rejects_its_row_only(self, upsert, title):
        results = upsert(replace(SOFA, title=title), replace(SOFA, external_id="chair"))
        assert outcomes(results) == ["rejected", "created"]

    def test_results_come_in_the_order_of_the_rows(self, upsert):
        upsert(SOFA)
        rows = [replace(SOFA, external_id="a"), SOFA, replace(SOFA, external_id="b")]
        results = upsert(*rows)
        assert [result.external_id for result in results] == ["a", "sofa", "b"]
        assert outcomes(results) == ["created", "unchanged", "created"]


class TestStatuses:
    @pytest.mark.parametrize("status", Listing.Status.values)
    def test_a_new_row_may_have_any_status(self, upsert, now, status):
        upsert(replace(SOFA, status=status))
        sofa = Listing.objects.get()
        assert (sofa.status, sofa.sold_at) == (status, now if status == "sold" else None)

    def test_a_row_without_a_status_leaves_the_listings_status(self, upsert):
        upsert(replace(SOFA, status="reserved"))
        assert outcomes(upsert(SOFA)) == ["unchanged"]
        assert Listing.objects.get().status == "reserved"

    def test_a_row_that_says_sold_updates_the_listing_and_its_time_of_sale(self, upsert, now):
        upsert(SOFA)
        later = now + timedelta(hours=1)
        assert outcomes(upsert(replace(SOFA, status="sold"), at=later)) == ["updated"]
        assert Listing.objects.get().sold_at == later

    @pytest.mark.parametrize("status", sorted(set(Listing.Status.values) - {"sold"}))
    def test_a_row_cannot_bring_back_a_sold_listing(self, upsert, status):
        upsert(replace(SOFA, status="sold"))
        results = upsert(replace(SOFA, status=status, title="Back again"))
        assert outcomes(results) == ["rejected"]
        assert "stays sold" in results[0].reason
        assert Listing.objects.get().title == "Blue sofa"

    def test_a_row_that_says_sold_keeps_the_known_buyer(self, upsert, bob, now):
        upsert(SOFA)
        services.mark_sold(listing=Listing.objects.get(), buyer=bob, now=now)
        assert outcomes(upsert(replace(SOFA, status="sold"))) == ["unchanged"]
        assert Listing.objects.get().buyer == bob

    def test_a_row_without_a_status_withdraws_nothing_anew(self, upsert):
        upsert(SOFA)
        services.withdraw(listing=Listing.objects.get())
        assert outcomes(upsert(SOFA)) == ["unchanged"]
        assert Listing.objects.get().withdrawn_by == "owner"

    def test_who_withdrew_it_is_kept_and_nobody_else_puts_it_back(self, upsert, now):
        upsert(replace(SOFA, status="withdrawn"))
        assert Listing.objects.get().withdrawn_by == "service"
        as_staff = {"now": now, "by": Writer.STAFF}
        assert outcomes(upsert_batch(rows=[replace(SOFA, status="active")], **as_staff)) == ["rejected"]
        assert outcomes(upsert_batch(rows=[replace(SOFA, status="withdrawn")], **as_staff)) == ["updated"]
        assert Listing.objects.get().withdrawn_by == "staff"
        assert outcomes(upsert(replace(SOFA, status="active"))) == ["rejected"]
        assert outcomes(upsert_batch(rows=[replace(SOFA, status="active")], **as_staff)) == ["updated"]
        assert (Listing.objects.get().status, Listing.objects.get().withdrawn_by) == ("active", "")


class TestTimes:
    def test_a_rows_time_of_creation_is_kept(self, upsert, ago):
        upsert(replace(SOFA, created_at=ago(days=9)))
        assert Listing.objects.get().created_at == ago(days=9)

    def test_a_rows_time_of_creation_in_the_future_becomes_now(self, upsert, now):
        upsert(replace(SOFA, created_at=now + timedelta(days=9)))
        assert Listing.objects.get().created_at == now


class TestWhatIsMade:
    def test_a_batch_creates_each_seller_and_category_once(self, upsert):
        upsert(SOFA, replace(SOFA, external_id="two"), replace(SOFA, external_id="three", seller="bob"))
        assert set(Actor.objects.values_list("external_id", flat=True)) == {"alice", "bob"}
        assert list(Category.objects.values_list("path", flat=True)) == ["Home", "Home / Sofas"]

    def test_a_batch_uses_existing_sellers_and_categories(self, upsert, alice):
        sofas = factories.category("Home / Sofas")
        upsert(SOFA)
        listing = Listing.objects.get()
        assert (listing.seller, listing.category) == (alice, sofas)


class TestAnnouncing:
    def test_a_batch_announces_once_which_listings_it_wrote(self, upsert, announced):
        upsert(SOFA)
        announced.clear()
        upsert(
            SOFA,
            replace(SOFA, external_id="new"),
            replace(SOFA, external_id="bad", category=" / "),
        )
        assert announced == [[Listing.objects.get(external_id="new").pk]]

    def test_a_batch_that_changes_nothing_announces_nothing(self, upsert, announced):
        upsert(SOFA)
        announced.clear()
        upsert(SOFA)
        assert announced == []


class TestSize:
    def test_a_batch_of_five_hundred_rows_takes_at_most_25_queries(
        self, upsert, django_assert_max_num_queries
    ):
        rows = [
            replace(SOFA, external_id=f"sofa-{number}", seller=f"seller-{number % 50}")
            for number in range(500)
        ]
        factories.category("Home / Sofas")
        with django_assert_max_num_queries(25):
            assert set(outcomes(upsert(*rows))) == {"created"}
        with django_assert_max_num_queries(25):
            assert set(outcomes(upsert(*(replace(row, price=Decimal(9)) for row in rows)))) == {"updated"}
        with django_assert_max_num_queries(8):
            assert set(outcomes(upsert(*(replace(row, price=Decimal(9)) for row in rows)))) == {"unchanged"}
