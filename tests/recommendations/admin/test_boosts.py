"""Boosts and their history in the admin."""

import pytest
from django.contrib.admin.models import LogEntry

from recommendations.models.boosts import Boost, BoostChange
from tests import factories
from tests.recommendations.boosted import boost


class TestBoosts:
    FORM = {
        "factor": "2.5",
        "starts_at_0": "2030-01-01",
        "starts_at_1": "00:00",
        "ends_at_0": "2030-02-01",
        "ends_at_1": "00:00",
        "note": "January sales",
    }
    ADD = "/admin/recommendations/boost/add/"

    @pytest.fixture
    def made(self, admin_client, alice) -> Boost:
        assert admin_client.post(self.ADD, self.FORM | {"seller": alice.pk}).status_code == 302
        return Boost.objects.get()

    def test_staff_who_add_change_and_remove_a_boost_are_named_in_its_history(
        self, admin_client, alice, made
    ):
        page = f"/admin/recommendations/boost/{made.pk}/"
        admin_client.post(f"{page}change/", self.FORM | {"seller": alice.pk, "factor": "4"})
        assert "factor: 2.5 → 4.0" in admin_client.get(f"{page}change/").content.decode()
        admin_client.post(
            "/admin/recommendations/boost/",
            {"action": "delete_selected", "post": "yes", "_selected_action": [made.pk]},
        )
        assert not Boost.objects.exists()
        assert [*BoostChange.objects.order_by("pk").values_list("action", "by")] == [
            ("added", "admin"),
            ("changed", "admin"),
            ("removed", "admin"),
        ]
        assert LogEntry.objects.filter(object_id=made.pk).count() == 3
        history = admin_client.get("/admin/recommendations/boostchange/").content.decode()
        assert "factor: 4.0" in history and "seller: alice" in history

    def test_a_boost_with_two_targets_comes_back_with_the_reason(self, admin_client, sofa, alice):
        both = self.FORM | {"seller": alice.pk, "listing": sofa.pk}
        page = admin_client.post(self.ADD, both).content.decode()
        assert "Choose exactly one: a category, a seller or a listing." in page
        assert not Boost.objects.exists()

    def test_the_list_of_boosts_is_filtered_by_state_and_by_kind_of_target(self, admin_client, made, now):
        boost(now, category=factories.category("Sports / Bicycles"))

        def shown(query):
            page = admin_client.get(f"/admin/recommendations/boost/?{query}")
            return [listed.kind for listed in page.context["cl"].queryset]

        assert shown("state=now") == ["category"]
        assert shown("state=ahead") == ["seller"]
        assert shown("state=over") == []
        assert shown("of=seller") == ["seller"]
        assert shown("of=nonsense") == ["seller", "category"]

    def test_staff_cannot_add_or_delete_entries_of_the_history_of_boosts(self, admin_client, made):
        change = BoostChange.objects.get()
        assert admin_client.get("/admin/recommendations/boostchange/add/").status_code == 403
        page = f"/admin/recommendations/boostchange/{change.pk}/delete/"
        assert admin_client.post(page, {"post": "yes"}).status_code == 403
