"""Lists of the staff site: as many queries for many rows as for few."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from listings.models import Actor, PhotoSource, Place
from marketplace.models import PersonToken, ServiceKey, StaffAccess
from recommendations.models.boosts import BoostChange, SynonymGroup
from recommendations.models.catalogue_changes import CatalogueChange
from recommendations.models.doubts import Doubt
from recommendations.models.embeddings import PhotoCopy, PhotoFeatures
from recommendations.models.events import ParkedInteraction
from recommendations.models.trained_models import TrainedModel
from recommendations.slates import store
from tests import factories
from tests.recommendations.boosted import boost
from tests.recommendations.running_experiments import make_experiment
from tests.recommendations.slates.drafts import draft

MOST_QUERIES = 20


def add_rows(alice: Actor, now, first: int, count: int) -> None:
    """Rows of their own in every table: nothing that a list shows is shared."""
    for number in range(first, first + count):
        bob = factories.actor(f"bob-{number}")
        sofa = factories.listing(alice, f"Sofa {number}", path=f"Home / Sofas {number}")
        photo, again = factories.photo(sofa), factories.photo(sofa)
        factories.event(bob, sofa)
        boost(now, listing=sofa)
        store.write(draft([sofa.pk], bob), now=now)
        make_experiment(now, f"e-{number}", days=(3 * number, 3 * number + 1))
        PhotoCopy.objects.create(photo=again, original=photo, hamming=1, likeness=1, other_seller=False)
        PhotoFeatures.objects.create(photo=photo, backbone="b", features=b"")
        PhotoSource.objects.create(listing=sofa, external_id=f"{number}", url="https://a.b", try_after=now)
        Doubt.objects.create(actor=bob, reason="haste", share=0.5, evidence="many")
        ParkedInteraction.objects.create(
            source="s", event_id=f"{number}", actor=bob, listing_external_id="x", kind="view", occurred_at=now
        )
        TrainedModel.objects.create(kind="ranker", version=f"{number}", status="retired", metrics={"ndcg": 1})
        SynonymGroup.objects.create(words=f"sofa {number}, couch {number}")
        ServiceKey.issue(name=f"shop-{number}", scopes=["feed"])
        PersonToken.objects.create(bob.user)
        StaffAccess.objects.create(by="sue", whose=bob, what="feed")
        Group.objects.create(name=f"group {number}")
        Place.objects.create(name=f"Town {number}", country="GB", latitude=53, longitude=-1)
        Actor.objects.create(external_id=f"visitor-{number}", kind="visitor", merged_into=bob)


def queries_of_lists(client) -> dict[str, int]:
    counts = {}
    for model in admin.site._registry:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert client.get(url).status_code == 200
        counts[model._meta.label] = len(asked)
    return counts


@pytest.fixture
def superuser(client, db):
    client.force_login(User.objects.create_superuser("admin"))
    return client


def test_no_list_takes_more_queries_for_more_rows_nor_more_than_twenty(superuser, alice, now):
    add_rows(alice, now, 0, 3)
    few = queries_of_lists(superuser)
    add_rows(alice, now, 3, 9)
    many = queries_of_lists(superuser)
    empty = {model._meta.label for model in admin.site._registry if not model._default_manager.exists()}
    assert empty <= {"recommendations.ListingEmbedding"}
    assert CatalogueChange.objects.exists() and BoostChange.objects.exists()
    assert {label: (few[label], count) for label, count in many.items() if count > few[label]} == {}
    assert {label: count for label, count in many.items() if count >= MOST_QUERIES} == {}
