"""The front page of the staff site."""

import pytest
from django.contrib.auth.models import Permission, User

from marketplace.monitoring import checks
from marketplace.monitoring.results import CheckResult
from marketplace.staff.dashboard import figure_of
from recommendations.analysis import activity
from recommendations.models.embeddings import EmbeddingJob
from recommendations.slates import store
from tests import factories
from tests.recommendations.slates.drafts import draft

FRONT = "/admin/"


@pytest.fixture(autouse=True)
def nothing_is_kept():
    for kept in (activity, checks):
        kept.forget()
    yield
    for kept in (activity, checks):
        kept.forget()


class TestDashboard:
    def test_it_shows_what_went_on_and_how_it_was_liked(self, admin_client, alice, bob, follow, now):
        sofa = factories.listing(alice)
        factories.event(bob, sofa)
        slate = store.write(draft([sofa.pk], bob), now=now)
        store.log_impression(slate, offset=0, count=1, now=now)
        follow()
        page = admin_client.get(FRONT).content.decode()
        assert all(
            title in page for title in ("New listings", "Feed requests", "New here, and few have seen it")
        )
        assert page.count("<svg") >= 3

    def test_what_is_over_its_limit_stands_first_with_advice(self, admin_client, alice, now):
        factories.listing(alice)
        EmbeddingJob.objects.update(failed_at=now, attempts=5)
        page = admin_client.get(FRONT).content.decode()
        assert "Listings that were tried five times and set aside." in page
        assert "correct the cause and retry them there" in page

    def test_staff_without_the_permission_see_no_operations(self, client, charlie, db):
        User.objects.filter(pk=charlie.user_id).update(is_staff=True)
        client.force_login(charlie.user)
        assert "Health" not in client.get(FRONT).content.decode()
        charlie.user.user_permissions.add(Permission.objects.get(codename="view_operations"))
        assert "Health" in client.get(FRONT).content.decode()

    def test_it_takes_at_most_thirty_queries(self, admin_client, follow, django_assert_max_num_queries):
        admin_client.get(FRONT)
        checks.forget()
        activity.forget()
        with django_assert_max_num_queries(30):
            admin_client.get(FRONT)


@pytest.mark.parametrize(
    ("unit", "value", "told"),
    [
        ("seconds", 0.0042, "4 ms"),
        ("seconds", 90.0, "90.0 seconds"),
        ("seconds", 7200.0, "2 hours"),
        ("seconds", 3 * 86_400.0, "3 days"),
        ("share", 0.456, "46%"),
        ("jobs", 12_345, "12,345 jobs"),
        ("jobs", None, "unknown"),
    ],
)
def test_figures_of_health_lines_are_written_for_people(unit, value, told):
    assert figure_of(CheckResult("name", unit, "meaning", value)) == told
