"""The menu of the staff site, and its pages with and without django-unfold."""

import subprocess
import sys

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from marketplace.staff import menu
from tests import factories
from tests.test_architecture import ROOT, servers

FRONT = "/admin/"
TASKS = ["Catalogue", "People", "Recommendations", "Experiments", "Models", "Operations", menu.DEVELOPERS]
PLAIN = """
import sys
sys.modules["unfold"] = None  # as if it were not installed
from django.test import Client
from marketplace.wsgi import application
from django.contrib.auth.models import User
client = Client(headers={"host": "localhost"})
client.force_login(User.objects.get(username="admin"))
for path in sys.argv[1:]:
    page = client.get(path)
    policy = page.headers["Content-Security-Policy"]
    print(path, page.status_code, b"unfold" in page.content, policy.count("eval"))
"""


def tables_of_menu(tasks) -> list[str]:
    return [table["model"]._meta.label for task in tasks for table in task["models"]]


class TestTheMenu:
    def test_tables_are_listed_by_task_and_those_for_developers_last(self, rf, admin_user):
        request = rf.get(FRONT)
        request.user = admin_user
        tasks = admin.site.get_app_list(request)
        assert [task["name"] for task in tasks] == TASKS
        assert tables_of_menu(tasks[-1:]) == [
            *("knox.AuthToken",) * ("knox.AuthToken" in tables_of_menu(tasks)),
            "recommendations.CatalogueChange",
            "recommendations.ListingEmbedding",
            "recommendations.ParkedInteraction",
            "recommendations.PhotoFeatures",
        ]

    def test_every_table_is_listed_once(self, rf, admin_user):
        request = rf.get(FRONT)
        request.user = admin_user
        listed = tables_of_menu(admin.site.get_app_list(request))
        assert sorted(listed) == sorted(model._meta.label for model in admin.site._registry)

    def test_every_table_that_the_menu_names_exists(self):
        named = [label for task in menu.TASKS for label in task.tables]
        assert set(named) <= {model._meta.label for model in admin.site._registry}

    def test_staff_see_only_what_they_may(self, client, charlie):
        User.objects.filter(pk=charlie.user_id).update(is_staff=True)
        charlie.user.user_permissions.add(Permission.objects.get(codename="view_doubt"))
        client.force_login(charlie.user)
        page = client.get(FRONT).content.decode()
        assert "/admin/recommendations/doubt/" in page
        assert "/admin/listings/listing/" not in page


@pytest.fixture
def lived_in(transactional_db, follow, alice, bob):
    """A row in most tables."""
    sofa = factories.listing(alice)
    factories.photo(sofa)
    factories.event(bob, sofa)
    follow()
    return sofa


def test_without_django_unfold_the_admin_is_djangos_own(lived_in, settings):
    User.objects.create_superuser("admin")
    lists = [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for model in admin.site._registry
    ]
    paths = [FRONT, "/admin/login/", *lists, "/admin/recommendations/experiment/add/"]
    paths.append(reverse("admin:listings_listing_change", args=[lived_in.pk]))
    served = subprocess.run(
        [sys.executable, "-c", PLAIN, *paths],
        cwd=ROOT,
        env=servers(settings),
        capture_output=True,
        text=True,
        timeout=120,
    )
    answers = [line.split() for line in served.stdout.splitlines()]
    statuses = {path: status for path, status, *_ in answers}
    assert {path: statuses.get(path) for path in paths} == {
        path: "302" if path == "/admin/login/" else "200" for path in paths
    }, served.stderr
    assert {(is_styled, evals) for _, _, is_styled, evals in answers} == {("False", "0")}
