"""Doubts in the admin."""

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from recommendations.collaborative.history import read_history
from recommendations.models.doubts import Doubt
from recommendations.trust import detection
from tests.recommendations.flooding import floods, limit_events

ADDRESS = "/admin/recommendations/doubt/"


@pytest.fixture(autouse=True)
def few_are_many(settings):
    limit_events(settings)


class TestDoubts:
    @pytest.fixture
    def doubt(self, bob, sofas, now) -> Doubt:
        floods(bob, sofas[0])
        detection.detect_hasty(now=now)
        return Doubt.objects.get()

    def decide(self, client, action: str):
        return client.post(ADDRESS, {"action": action, "_selected_action": [Doubt.objects.get().pk]})

    def test_staff_see_the_doubted_actor_with_the_evidence(self, admin_client, doubt):
        page = admin_client.get(ADDRESS).content.decode()
        assert "bob" in page and "21 events on" in page
        assert admin_client.get(f"{ADDRESS}{doubt.pk}/change/").status_code == 200

    @pytest.mark.parametrize(("action", "decision"), [("release", "released"), ("uphold", "upheld")])
    def test_staff_release_or_uphold_a_doubt_and_are_recorded_with_it(
        self, admin_client, doubt, action, decision
    ):
        assert self.decide(admin_client, action).status_code == 302
        doubt.refresh_from_db()
        assert (doubt.decision, doubt.decided_by) == (decision, "admin")
        assert doubt.decided_at is not None
        assert bool(len(read_history(until=timezone.now()))) == (action == "release")

    def test_staff_who_may_only_view_doubts_cannot_decide_them(self, client, doubt, django_user_model):
        viewer = django_user_model.objects.create_user("viewer", is_staff=True)
        viewer.user_permissions.add(Permission.objects.get(codename="view_doubt"))
        client.force_login(viewer)
        self.decide(client, "release")
        doubt.refresh_from_db()
        assert doubt.decision == "open"
