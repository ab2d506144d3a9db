"""The cast and the stage. Alice sells, Bob buys, Charlie must have no access."""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from celery.contrib.testing.worker import start_worker
from django.contrib.auth.models import User
from django.utils import timezone
from hypothesis import settings as hypothesis_settings
from rest_framework.test import APIClient

from listings.models import Actor, Listing
from marketplace.celery import app
from marketplace.models import PersonToken, ServiceKey
from marketplace.web import rate_limits
from recommendations.encoders import query_channel, query_client, query_worker, selection
from recommendations.encoders.manifest import EncoderManifest
from recommendations.feed import experiments
from recommendations.indexing import embedding_jobs
from recommendations.models.boosts import SynonymGroup
from recommendations.popularity import impression_counts, trending
from recommendations.query_parsing import places, synonyms
from recommendations.ranking import boosts
from recommendations.replica import follower, snapshot
from recommendations.search import categories
from tests import factories, quick_flush


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> None:
    """Tests that commit end quickly. They delete what migrations store, so no test finds it."""
    with django_db_blocker.unblock():
        SynonymGroup.objects.all().delete()
        quick_flush.install()


# How long an example takes says more of the machine than of the code.
hypothesis_settings.register_profile("any machine", deadline=None)
hypothesis_settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def own_folders(settings, tmp_path: Path):
    """Photos, models and index of each test lie in its own folder."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.MODEL_ROOT = tmp_path / "models"
    settings.INDEX_ROOT = tmp_path / "index"


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    """The whole cast has passwords, which are made to be slow to hash."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def unscanned_assets(settings):
    """Static files are looked up when asked for: each test client would first list them all."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def clean_redis():
    """Each test finds Redis empty."""
    trending.client().flushdb()


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def alice(db) -> Actor:
    return factories.actor("alice")


@pytest.fixture
def sofa(alice) -> Listing:
    """Alice's."""
    return factories.listing(alice)


@pytest.fixture
def bob(db) -> Actor:
    return factories.actor("bob")


@pytest.fixture
def charlie(db) -> Actor:
    return factories.actor("charlie")


def client_of(actor: Actor) -> APIClient:
    """A client with this person's token."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {PersonToken.objects.create(actor.user)[1]}")
    return client


@pytest.fixture
def as_alice(alice) -> APIClient:
    return client_of(alice)


@pytest.fixture
def as_bob(bob) -> APIClient:
    return client_of(bob)


@pytest.fixture
def as_charlie(charlie) -> APIClient:
    return client_of(charlie)


@pytest.fixture
def as_staff(db) -> APIClient:
    staff = factories.actor("staff")
    User.objects.filter(pk=staff.user_id).update(is_staff=True, is_superuser=True)
    return client_of(Actor.objects.get(pk=staff.pk))


@pytest.fixture
def as_service(db) -> APIClient:
    return service_client("shop", ["feed", "events", "catalogue"])


def service_client(name: str, scopes: list[str]) -> APIClient:
    _, secret = ServiceKey.issue(name=name, scopes=scopes)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    return client


@pytest.fixture
def anyone() -> APIClient:
    """A client without a credential, who keeps cookies."""
    return APIClient()


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory) -> Path:
    """A very small real backbone with seeded random weights: it tells pictures apart, not what they show."""
    import torch
    from safetensors.torch import save_file

    from ml.vision.classifiers import declare_missing_operators

    declare_missing_operators()
    from torchvision import models

    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "shufflenet.safetensors"
    state = models.get_model("shufflenet_v2_x0_5", weights=None).state_dict()
    save_file(state, file, metadata={"backbone": "shufflenet_v2_x0_5", "input_size": "64"})
    return file


@functools.cache
def chosen(weights_file: Path) -> EncoderManifest:
    """To load the backbone takes longer than most tests, and says the same each time."""
    return selection.choose(lambda line: None)


@pytest.fixture
def encoder(db, settings, weights_file: Path):
    """An active encoder over the very small backbone."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"image_backbone": "shufflenet_v2_x0_5", "image_weights": weights_file}
    )
    return selection.publish(chosen(weights_file))


@pytest.fixture(autouse=True)
def still_replica(monkeypatch) -> follower.CatalogueFollower:
    """A replica without its thread, which would outlive the test and hold its database."""
    own = follower.CatalogueFollower()
    own._pid = os.getpid()
    monkeypatch.setattr(follower, "_replica", own)
    return own


@pytest.fixture(autouse=True)
def fresh_encode_client(monkeypatch):
    """Each test asks the encode worker through a client that remembers nothing."""
    monkeypatch.setattr(query_client, "_client", None)


@pytest.fixture(autouse=True)
def redis_is_asked(monkeypatch):
    """That another test had none is forgotten."""
    monkeypatch.setattr(rate_limits, "_away_until", 0.0)


@pytest.fixture(autouse=True)
def fresh_rules():
    """What is kept for a second or a few, in which several tests may begin."""
    for kept in (boosts, experiments, impression_counts, synonyms, places, categories):
        kept.forget()


@contextmanager
def encode_worker_running() -> Iterator[None]:
    """A worker of the queue `encode`, in a thread of this process. Needs transactional_db: it has a
    connection of its own."""
    query_worker.warm_up()  # as a worker does when it starts
    with start_worker(app, queues=[query_channel.QUEUE], perform_ping_check=False, shutdown_timeout=60):
        yield


@pytest.fixture
def encode_worker(transactional_db, encoder):
    """Queries are encoded."""
    with encode_worker_running():
        yield


@pytest.fixture
def follow(encoder, still_replica):
    """`follow()` embeds what waits and reads the change log to its end."""
    own = still_replica

    def step() -> snapshot.CatalogueSnapshot:
        embedding_jobs.embed_claimed_batches(clock=timezone.now)
        own.tail()
        own.refresh()
        return own.snapshot

    step()
    return step


@pytest.fixture
def ago(now):
    """ago(hours=3) is a time."""
    return lambda **span: now - timedelta(**span)
