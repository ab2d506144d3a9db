"""The comparison that a collaborative model has to stand before it is published."""

import re
from datetime import timedelta

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from listings.announcing import catalogue_transaction
from listings.models import Actor, Listing
from recommendations.collaborative import store
from recommendations.collaborative.config import TrainingConfig
from recommendations.evaluation import comparison, point_in_time
from recommendations.indexing import embedding_jobs
from recommendations.models.events import Interaction
from recommendations.models.trained_models import TrainedModel
from recommendations.training import collaborative
from tests import factories
from tests.recommendations.published import publish_collaborative


def statuses() -> list[str]:
    return list(store.trainings().order_by("pk").values_list("status", flat=True))


class TestGate:
    """BAD is a recipe with one factor and one iteration."""

    BAD = TrainingConfig(factors=1, iterations=1, alpha=0.001, regularisation=1e6).replaced(
        neighbours=1, window=1, source_exponent=2.0, target_exponent=2.0
    )

    @pytest.fixture
    def many_shoppers(self, alice, encoder, now):
        """Each shopper likes one of six stalls, which only interactions reveal: all texts are the same."""
        with catalogue_transaction():
            stalls = [
                [factories.listing(alice, "On offer", path="Things") for _ in range(20)] for _ in range(6)
            ]
        embedding_jobs.embed_claimed_batches(clock=timezone.now)
        rng = np.random.default_rng(5)
        for number in range(60):
            shopper = Actor.objects.create(external_id=f"shopper-{number}")
            liked = rng.permutation(stalls[number % 6])[:12]
            Interaction.objects.bulk_create(
                Interaction(
                    source="tests",
                    event_id=f"{number}-{place}",
                    actor=shopper,
                    listing=listing,
                    kind="favourite",
                    occurred_at=now - timedelta(days=12 - place, minutes=number),
                )
                for place, listing in enumerate(liked)
            )

    def train(self, **how) -> TrainedModel:
        return collaborative.train_collaborative(now=timezone.now(), **how)

    def test_a_worse_collaborative_model_is_refused_and_the_active_one_stays(self, many_shoppers, settings):
        first = publish_collaborative(now=timezone.now())
        with pytest.raises(collaborative.CollaborativeRefused, match="Worse than .*the active model"):
            self.train(recipe=self.BAD)
        assert statuses() == ["active", "rejected"]
        assert store.active() == first
        refused = store.trainings().get(status="rejected")
        assert refused.metrics["ndcg"] < refused.metrics["ndcg_active"]
        assert refused.metrics["gain_over_active"][1] < 0
        assert "Worse than" in refused.verdict
        assert refused.path == ""
        assert [folder.name for folder in (settings.MODEL_ROOT / "collaborative").iterdir()] == [
            first.version
        ]

    def test_the_train_command_says_why_a_model_is_refused_and_fails(self, many_shoppers, monkeypatch):
        publish_collaborative(now=timezone.now())
        monkeypatch.setattr(collaborative, "active_config", lambda: self.BAD)
        with pytest.raises(CommandError, match="Worse than .* the previous model keeps serving") as refusal:
            call_command("train", "collaborative")
        assert refusal.value.returncode == 1

    def test_a_worse_collaborative_model_is_published_by_force_and_the_row_records_it(
        self, many_shoppers, monkeypatch, capsys
    ):
        publish_collaborative(now=timezone.now())
        monkeypatch.setattr(collaborative, "active_config", lambda: self.BAD)
        call_command("train", "collaborative", "--force")
        assert statuses() == ["retired", "active"]
        row = store.active()
        assert row.metrics["forced"] is True
        assert row.verdict.startswith("Published by force. Worse than")
        assert "by force" in capsys.readouterr().out

    def test_a_model_that_passes_the_gate_is_not_recorded_as_forced(self, many_shoppers):
        publish_collaborative(now=timezone.now())
        again = self.train(force=True)
        assert "forced" not in again.metrics
        assert re.match(
            r"NDCG@20 .* against what is popular .*, the active model .* test cases", again.verdict
        )

    @pytest.fixture
    def compared(self, monkeypatch) -> list[dict]:
        """The models of each comparison, and the moment that it went back to."""
        rounds, real = [], comparison.compare
        monkeypatch.setattr(
            comparison,
            "compare",
            lambda models, earlier, **how: rounds.append(models) or real(models, earlier, **how),
        )
        return rounds

    def test_an_active_model_that_saw_the_held_out_events_is_compared_as_refitted_before_them(
        self, many_shoppers, compared
    ):
        first = publish_collaborative(now=timezone.now())
        self.train(recipe=TrainingConfig(factors=32))
        candidate, active = compared[-1]["candidate"], compared[-1]["active"]
        assert (candidate.recipe.factors, active.recipe.factors) == (32, TrainingConfig().factors)
        assert candidate.trained_until == active.trained_until < store.load(first).trained_until

    def test_an_active_model_trained_before_the_held_out_events_is_compared_as_it_is(
        self, many_shoppers, compared
    ):
        moment = point_in_time.split_time(0.8)
        later = list(Interaction.objects.filter(occurred_at__gt=moment))
        Interaction.objects.filter(occurred_at__gt=moment).delete()
        first = publish_collaborative(now=moment)
        Interaction.objects.bulk_create(later)
        self.train()
        assert compared[-1]["active"].version == first.version
        assert compared[-1]["active"].digest == first.sha256

    def test_a_listing_gone_before_the_split_is_nobodys_neighbour_in_the_comparison(
        self, many_shoppers, compared
    ):
        """It would take the places of listings that could have been recommended."""
        gone = Listing.objects.filter(interactions__isnull=False).earliest("pk")
        Listing.objects.filter(pk=gone.pk).update(status="sold", sold_at=point_in_time.split_time(0.5))
        self.train()
        candidate = compared[-1]["candidate"]
        neighbours = candidate.neighbours.items[candidate.neighbours.weights > 0]
        assert gone.pk in candidate.listing_ids
        assert gone.pk not in candidate.listing_ids[neighbours]

    def test_a_training_without_embedded_listings_publishes_unjudged_and_says_so(self, shoppers):
        row = self.train(recipe=self.BAD)
        assert row.status == "active"
        assert row.verdict.startswith("Not judged: No listing")

    def test_a_training_with_too_few_cases_publishes_unjudged_and_says_so(self, shoppers):
        embedding_jobs.embed_claimed_batches(clock=timezone.now)
        row = self.train(recipe=self.BAD)
        assert row.status == "active"
        assert re.fullmatch(r"Not judged: \d+ test cases are fewer than 30\.", row.verdict)

    def test_a_damaged_active_model_does_not_stop_the_next_training(self, many_shoppers, settings):
        first = publish_collaborative(now=timezone.now())
        (settings.MODEL_ROOT / first.path / "model.json").write_text("{}")
        second = self.train()
        assert second.status == "active"
        assert "ndcg_active" not in second.metrics
        assert second.metrics["gain_over_popularity"]
