"""The admin in a browser: an actor's feed, a training that is asked for, an experiment that is stopped."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from recommendations.models.experiments import Experiment
from recommendations.models.slates import Slate
from recommendations.popularity import trending
from tests.browser.conftest import PHONE
from tests.browser.test_quality import serious_problems
from tests.recommendations.published import publish_collaborative
from tests.recommendations.running_experiments import make_experiment

PASSWORD = "correct horse battery staple"


@pytest.fixture
def as_staff(visit, site) -> Callable[..., Page]:
    """as_staff(path) opens a page of the admin, after a login by its form."""

    def open_page(path: str, **options) -> Page:
        User.objects.get_or_create(username="sue", defaults={"is_staff": True, "is_superuser": True})
        sue = User.objects.get(username="sue")
        sue.set_password(PASSWORD)
        sue.save()
        page = visit(f"/admin/login/?next={path}", **options)
        page.locator("input[name=username]").fill("sue")
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("[type=submit]").click()
        expect(page.locator("#content, #main")).not_to_have_count(0)
        return page

    return open_page


def test_the_feed_of_an_actor_can_be_looked_at_and_leads_to_a_listing_and_back(as_staff, shoppers):
    page = as_staff(f"/admin/listings/actor/{shoppers[0].pk}/story/")
    expect(page.get_by_role("heading", name="Taste, as the system reads it")).to_be_visible()
    page.get_by_role("link", name="Feed now").click()
    expect(page.locator(".staff-card").nth(10)).to_be_attached()
    expect(page.get_by_role("heading", name="What is not in it")).to_be_visible()
    assert not Slate.objects.exists()
    page.locator(".staff-card a").first.click()
    page.get_by_label("Actor").fill(shoppers[0].external_id)
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_text("Yes, at place 1")).to_be_visible()
    page.locator("p").get_by_role("link", name=shoppers[0].external_id).click()
    expect(page.get_by_role("heading", name="What they did")).to_be_visible()


def test_a_training_is_asked_for_on_the_page_of_a_model(as_staff, site):
    model = publish_collaborative(now=timezone.now())
    page = as_staff(f"/admin/recommendations/trainedmodel/{model.pk}/compare/")
    page.get_by_role("button", name="Train now").click()
    expect(page.get_by_text("A training begins")).to_be_visible()
    assert trending.client().llen("training") == 1


def test_an_experiment_is_stopped_on_its_page(as_staff, site):
    experiment = make_experiment(timezone.now())
    page = as_staff(f"/admin/recommendations/experiment/{experiment.pk}/result/", viewport=PHONE)
    page.get_by_role("button", name="Stop the experiment").click()
    expect(page.get_by_text("is stopped")).to_be_visible()
    assert Experiment.objects.get().status == "stopped"


def test_pages_of_the_admin_fit_their_windows_and_have_no_serious_problem(as_staff, shoppers, catalogue):
    story = f"/admin/listings/actor/{shoppers[0].pk}/story/"
    listing = f"/admin/listings/listing/{catalogue[0].pk}/story/"
    page = as_staff(story, viewport=PHONE)
    site = page.url.removesuffix(story)
    for path in ("/admin/", story, listing, story.replace("story", "feed"), "/admin/listings/listing/"):
        page.goto(site + path, wait_until="networkidle")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert (path, width) == (path, PHONE["width"])
        own = [problem for problem in serious_problems(page) if ".staff" in problem]
        assert (path, own) == (path, [])
