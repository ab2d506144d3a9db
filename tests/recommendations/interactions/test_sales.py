"""Sales: a sale to a known buyer counts like a purchase event of theirs."""

import pytest

from listings import services
from listings.models import Actor
from recommendations.interactions import sales
from recommendations.models.events import Interaction
from tests import factories


def looked_at(actor, sofa) -> None:
    """Record a view, as before any purchase."""
    factories.event(actor, sofa)


def purchases() -> list[tuple[str, int, str]]:
    purchases = Interaction.objects.filter(kind="purchase").order_by("pk")
    return list(purchases.values_list("source", "listing_id", "actor__external_id"))


@pytest.mark.django_db(transaction=True)
class TestASale:
    def test_a_sale_is_a_purchase_of_its_buyer_at_the_time_of_the_sale(self, sofa, bob, now):
        looked_at(bob, sofa)
        services.mark_sold(listing=sofa, buyer=bob, now=now)
        assert purchases() == [("sale", sofa.pk, "bob")]
        assert Interaction.objects.get(kind="purchase").occurred_at == now

    def test_a_sale_to_a_buyer_who_never_viewed_the_listing_is_no_purchase(self, sofa, bob, now):
        services.mark_sold(listing=sofa, buyer=bob, now=now)
        assert purchases() == []

    def test_a_sale_is_one_purchase_however_often_it_is_announced(self, sofa, bob, now):
        looked_at(bob, sofa)
        services.mark_sold(listing=sofa, buyer=bob, now=now)
        assert sales.note_purchases([sofa.pk]) == 0
        assert len(purchases()) == 1

    def test_a_sale_adds_no_purchase_to_the_one_that_the_buyer_sent(self, sofa, bob, now):
        visitor = Actor.objects.create(external_id="visitor-1", kind="visitor", merged_into=bob)
        factories.event(visitor, sofa, "purchase")
        services.mark_sold(listing=sofa, buyer=bob, now=now)
        assert [source for source, *_ in purchases()] == ["tests"]

    @pytest.mark.parametrize("buyer", [None, "alice"])
    def test_a_sale_to_nobody_or_to_the_seller_is_no_purchase(self, sofa, alice, now, buyer):
        looked_at(alice, sofa)
        services.mark_sold(listing=sofa, buyer=buyer and alice, now=now)
        assert purchases() == []

    def test_a_sale_keeps_its_category_out_of_the_buyers_next_feed(
        self, sofa, alice, bob, as_bob, now, follow
    ):
        other, lamp = (factories.listing(alice, title, path=f"Home / {title}s") for title in ("Sofa", "Lamp"))
        bought = factories.listing(alice, "Red sofa", path="Home / Sofas")
        follow()
        assert {other.external_id, lamp.external_id} <= self.shown(as_bob)
        looked_at(bob, bought)
        services.mark_sold(listing=bought, buyer=bob, now=now)
        follow()
        assert other.external_id not in self.shown(as_bob)
        assert lamp.external_id in self.shown(as_bob)

    def shown(self, client) -> set[str]:
        return {item["listing"]["id"] for item in client.get("/api/v1/feed/").json()["items"]}
