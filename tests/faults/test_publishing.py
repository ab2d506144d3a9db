"""Processes killed at every step of publishing a model or an index generation."""

import pytest
from django.utils import timezone

from recommendations.collaborative import store
from recommendations.encoders import selection
from recommendations.indexing import compaction, embedding_jobs
from recommendations.interactions.simulation import simulate
from recommendations.model_registry import artifacts
from recommendations.model_registry.watcher import ModelWatcher
from recommendations.replica import follower, generations
from recommendations.training.collaborative import train_collaborative
from tests import factories
from tests.faults.conftest import assert_agrees

KILLED = -9
BUILDING_INDEX = ("begun", "saved.index.faiss", "written", "synced", "verified")
WITH_INDEX_IN_PLACE = ("renamed", "in_place", "swept")
BUILDING_MODEL = ("begun", "written", "synced", "renamed", "in_place")


@pytest.fixture
def catalogue(installation):
    """Sixteen embedded listings, the first eight of them in an index generation."""
    alice = factories.actor("alice")
    for number in range(16):
        sofa = factories.listing(alice, f"Sofa {number}")
        if number % 4 == 0:
            factories.photo(sofa)
        if number in (7, 15):
            embedding_jobs.embed_claimed_batches(clock=timezone.now)
        if number == 7:
            compaction.compact(least_changes=1)


class TestAnIndexGeneration:
    def test_a_rebuild_killed_at_any_step_leaves_a_complete_index_and_the_next_one_succeeds(
        self, installation, catalogue
    ):
        forking = installation.forking()
        encoder = selection.active_encoder()
        for step in (*BUILDING_INDEX, *WITH_INDEX_IN_PLACE):
            before = generations.newest_number(encoder.version)
            installation.crash_at(f"index.{step}")
            assert forking.run("rebuild_index") == KILLED, step
            number = generations.newest_number(encoder.version)
            assert number == before + (step in WITH_INDEX_IN_PLACE), step
            assert generations.newest(encoder.version).number == number, "it is whole"
            assert_agrees(16)
        installation.crash_at()
        assert forking.run("rebuild_index") == 0
        root = generations.settings.INDEX_ROOT / encoder.version
        assert sorted(folder.name for folder in root.iterdir()) == ["00000004", "00000005"]
        assert follower.load(encoder).generation == 5
        assert_agrees(16)


class TestAModel:
    def test_a_training_killed_before_its_row_is_switched_leaves_the_model_before_serving(
        self, installation, monkeypatch
    ):
        alice = factories.actor("alice")
        for number in range(20):
            factories.listing(alice, f"Sofa {number}", path=f"Home / Sofas {number % 2}")
        simulate(shopper_count=30, seed=1, now=timezone.now())
        first = train_collaborative(now=timezone.now())
        forking = installation.forking()
        for step in BUILDING_MODEL:
            installation.crash_at(f"model.{step}")
            assert forking.run("train", "collaborative", "--force") == KILLED, step
            assert store.active() == first, step
            assert ModelWatcher(store).look().version == first.version, step
        installation.crash_at("model.switched")
        assert forking.run("train", "collaborative", "--force") == KILLED
        second = store.active()
        assert second != first
        assert ModelWatcher(store).look().version == second.version, "it is whole"
        installation.crash_at()
        assert forking.run("train", "collaborative", "--force") == 0
        monkeypatch.setattr(artifacts, "GRACE_S", 0)
        store.sweep()
        kept = {row.version for row in (first, second, store.active())}
        assert {folder.name for folder in (artifacts.settings.MODEL_ROOT / "collaborative").iterdir()} == kept
