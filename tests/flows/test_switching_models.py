"""Models change under feed requests: no request fails, and no process restarts."""

import io
import threading

import pytest
from django.core.management import call_command
from django.utils import timezone

from listings.announcing import catalogue_transaction
from listings.models import Actor, Listing
from marketplace.models import ServiceKey
from recommendations.collaborative import store
from recommendations.collaborative.refresh import refresh_collaborative
from recommendations.interactions.simulation import simulate
from recommendations.model_registry import artifacts
from recommendations.training.collaborative import train_collaborative
from tests import factories
from tests.flows.conftest import eventually


@pytest.fixture
def key(transactional_db) -> dict[str, str]:
    return {"Authorization": f"Api-Key {ServiceKey.issue(name='shop', scopes=['feed'])[1]}"}


@pytest.fixture
def shoppers(installation):
    alice = factories.actor("alice")
    for kind in ("Sofa", "Bicycle", "Coat"):
        with catalogue_transaction():
            for number in range(10):
                factories.listing(alice, f"{kind} {number}", path=f"Things / {kind}s")
    simulate(shopper_count=30, seed=1, now=timezone.now())
    call_command("embed", "--here", stdout=io.StringIO())


class Asking:
    """A thread that requests feeds continuously and records the responses."""

    def __init__(self, ask):
        self.answers: list[tuple[int, dict]] = []
        self._ask, self._over = ask, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.is_set():
            self.answers.append(self._ask())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


class TestFeedsGoOn:
    def test_feeds_are_served_while_models_are_switched_damaged_and_rolled_back(
        self, installation, shoppers, key, monkeypatch
    ):
        installation.serve()
        bob = factories.actor("bob")
        factories.event(bob, Listing.objects.first(), "favourite")
        feed = "/api/v1/feed/?actor=bob&limit=50"

        def scored(title: str) -> float | None:
            page = installation.get(feed, **key)[1]
            return next(
                (i["scores"]["collaborative"] for i in page["items"] if i["listing"]["title"] == title), None
            )

        with Asking(lambda: installation.get(feed, **key)) as asking:
            train_collaborative(now=timezone.now())
            eventually(lambda: scored("Sofa 5") is not None, "the first model serves")
            train_collaborative(now=timezone.now(), force=True)
            newcomer = factories.listing(Actor.objects.get(external_id="alice"), "Sofa that just came")
            call_command("embed", "--here", stdout=io.StringIO())
            for shopper in Actor.objects.filter(external_id__startswith="shopper")[:8]:
                factories.event(shopper, newcomer, "favourite")
                refresh_collaborative(now=timezone.now())
            eventually(lambda: scored(newcomer.title) is not None, "the newcomer is scored")
            row = train_collaborative(now=timezone.now(), force=True)
            (artifacts.settings.MODEL_ROOT / row.path / "neighbours.npz").write_bytes(b"")
            store.rollback(now=timezone.now())
            eventually(lambda: scored("Sofa 5") is not None, "the model before serves")
        assert len(asking.answers) > 20
        assert {status for status, _ in asking.answers} == {200}
        assert all(page["items"] for _, page in asking.answers)
