import pytest
from django.db import transaction
from django.utils import timezone

from recommendations.collaborative import store
from recommendations.model_registry import artifacts
from recommendations.model_registry.publication import NoEarlierModel
from tests.recommendations.model_registry.published_models import damage, folder_of, train


class TestRollback:
    def test_after_a_rollback_the_collaborative_model_before_is_active(self, shoppers):
        first, second = train(), train()
        assert store.rollback(now=timezone.now()) == first
        assert store.active() == first
        second.refresh_from_db()
        assert second.status == "retired"

    def test_a_second_rollback_goes_further_back_and_never_to_a_model_that_was_left(self, shoppers):
        first, _, third = train(), train(), train()
        store.rollback(now=timezone.now())
        assert store.rollback(now=timezone.now()) == first
        with pytest.raises(NoEarlierModel):
            store.rollback(now=timezone.now())
        assert store.active() == first
        train()
        assert store.rollback(now=timezone.now()) == first
        third.refresh_from_db()
        assert third.metrics["rolled_back_at"]

    def test_a_rollback_skips_a_model_whose_files_are_damaged(self, shoppers):
        first, second, _ = train(), train(), train()
        damage(second, "counts.npz")
        assert store.rollback(now=timezone.now()) == first

    def test_a_rollback_with_no_intact_earlier_model_changes_nothing(self, shoppers):
        first, second = train(), train()
        damage(first)
        with pytest.raises(NoEarlierModel):
            store.rollback(now=timezone.now())
        assert store.active() == second

    def test_rejected_trainings_do_not_sweep_away_the_files_of_the_model_before(self, shoppers, monkeypatch):
        monkeypatch.setattr(artifacts, "GRACE_S", 0)
        first, second = train(), train()
        for number in range(5):
            store.reject(f"refused-{number}", horizon=1, metrics={}, verdict="")
        store.sweep()
        assert folder_of(first).is_dir()
        assert folder_of(second).is_dir()

    def test_files_of_old_models_are_swept_away_and_their_rows_stay(self, shoppers, monkeypatch):
        monkeypatch.setattr(artifacts, "GRACE_S", 0)
        models = [train() for _ in range(5)]
        assert [folder_of(model).exists() for model in models] == [False, False, True, True, True]
        assert store.trainings().count() == 5


class TestActivate:
    def test_publishing_never_leaves_two_active_collaborative_models(self, shoppers):
        train()
        with transaction.atomic():
            train()
        assert store.trainings().filter(status="active").count() == 1
