from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from listings.models import PhotoSource
from marketplace.models import ServiceKey
from recommendations.indexing import embedding_jobs
from recommendations.models.embeddings import EmbeddingJob, ListingEmbedding, PhotoFeatures
from tests import factories

READ_ONLY = [
    "interaction",
    "embeddingjob",
    "trainedmodel",
    "cataloguechange",
    "listingembedding",
    "photofeatures",
    "parkedinteraction",
    "slate",
    "doubt",
]


@pytest.fixture
def browser(admin_client) -> Client:
    return admin_client


@pytest.fixture
def lived_in(follow, alice, bob):
    """A row in every table."""
    sofa = factories.listing(alice)
    factories.photo(sofa)
    factories.event(bob, sofa)
    ServiceKey.issue(name="shop", scopes=["feed"])
    follow()
    factories.listing(alice, "Waits for its vector")
    return sofa


class TestLists:
    def test_every_list_of_the_admin_opens_with_data(self, browser, lived_in):
        for model in admin.site._registry:
            url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            assert browser.get(url).status_code == 200, url

    def test_every_page_of_a_row_in_the_admin_opens(self, browser, lived_in):
        for model in admin.site._registry:
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
            for row in model._default_manager.all()[:1]:
                url = reverse(name, args=[row.pk])
                assert browser.get(url).status_code == 200, url

    @pytest.mark.parametrize("model", READ_ONLY)
    def test_rows_that_the_system_writes_cannot_be_added_by_hand(self, browser, model):
        assert browser.get(f"/admin/recommendations/{model}/add/").status_code == 403

    def test_the_list_of_models_says_which_encoder_serves_and_what_comes_next(self, browser, lived_in):
        page = browser.get("/admin/recommendations/trainedmodel/").content.decode()
        assert "In service: shufflenet_v2_x0_5" in page
        assert "One is trained by itself once 300 listings are embedded" in page


class TestActions:
    def act(self, browser: Client, model: str, action: str, *rows):
        chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
        return browser.post(f"/admin/{model}/", chosen)

    def test_embed_again_deletes_features_and_requests_an_embedding(
        self, browser, lived_in, django_capture_on_commit_callbacks
    ):
        assert ListingEmbedding.objects.filter(listing=lived_in).exists()
        self.act(browser, "listings/listing", "embed_again", lived_in)
        assert EmbeddingJob.objects.filter(listing=lived_in).exists()
        assert not PhotoFeatures.objects.filter(photo__listing=lived_in).exists()

    def test_a_failed_embedding_job_is_tried_again(self, browser, lived_in, now):
        job = EmbeddingJob.objects.get()
        EmbeddingJob.objects.update(failed_at=now, attempts=5, last_error="out of memory")
        self.act(browser, "recommendations/embeddingjob", "retry", job)
        job.refresh_from_db()
        assert (job.failed_at, job.attempts) == (None, 0)
        assert embedding_jobs.waiting_count() == 1

    def test_a_claimed_embedding_job_is_left_alone_by_a_retry(self, browser, lived_in, now):
        job = EmbeddingJob.objects.get()
        EmbeddingJob.objects.update(attempts=1, claimed_until=now + timedelta(minutes=1))
        self.act(browser, "recommendations/embeddingjob", "retry", job)
        job.refresh_from_db()
        assert (job.attempts, job.claimed_until) == (1, now + timedelta(minutes=1))

    @pytest.mark.parametrize(("permission", "is_done"), [("view", False), ("change", True)])
    @pytest.mark.parametrize("model", ["recommendations/embeddingjob", "listings/photosource"])
    def test_a_retry_needs_the_permission_to_change(
        self, client, lived_in, now, charlie, model, permission, is_done
    ):
        PhotoSource.objects.create(listing=lived_in, external_id="1", url="https://a.b/", try_after=now)
        row = apps.get_model(model.replace("/", "."))
        row.objects.update(failed_at=now)
        name = model.partition("/")[2]
        allowed = Permission.objects.filter(codename__in={f"view_{name}", f"{permission}_{name}"})
        charlie.user.user_permissions.set(allowed)
        User.objects.filter(pk=charlie.user.pk).update(is_staff=True)
        client.force_login(charlie.user)
        self.act(client, model, "retry", row.objects.get())
        assert (row.objects.get().failed_at is None) == is_done

    def test_the_actions_of_the_catalogues_own_admin_still_work(self, browser, lived_in):
        self.act(browser, "listings/listing", "mark_sold", lived_in)
        lived_in.refresh_from_db()
        assert lived_in.status == "sold"
