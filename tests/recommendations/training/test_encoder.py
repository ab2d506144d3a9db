import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from listings.models import Listing
from ml.encoder import joint
from recommendations.core import locks
from recommendations.core.locks import AlreadyTraining
from recommendations.encoders import encoder as encoders_encoder
from recommendations.encoders import manifest, selection
from recommendations.encoders.manifest import EncoderManifest
from recommendations.indexing import embedding_jobs
from recommendations.models.embeddings import EmbeddingJob, ListingEmbedding
from recommendations.models.trained_models import TrainedModel
from recommendations.training import encoder as training_encoder
from recommendations.training.encoder import EncoderRefused, TooLittleMaterial, train_encoder
from tests.recommendations.conftest import elsewhere
from tests.recommendations.market import JUDGES, QUICK


def train(**how) -> TrainedModel:
    return train_encoder(now=timezone.now(), options=QUICK, **how)


def curves_in(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The curves that TensorBoard reads there, as (epoch, value) pairs."""
    events = EventAccumulator(str(folder)).Reload()
    names = events.Tags()["scalars"]
    return {name: [(point.step, point.value) for point in events.Scalars(name)] for name in names}


def statuses() -> list[str]:
    return list(TrainedModel.objects.order_by("pk").values_list("status", flat=True))


@pytest.fixture
def quickly(monkeypatch):
    """The command trains with the options of these tests."""
    monkeypatch.setattr(training_encoder, "_default_options", lambda: QUICK)


class TestPublishing:
    def test_a_trained_encoder_is_a_candidate_that_every_listing_is_queued_for(self, market, encoder):
        embedding_jobs.embed_claimed_batches(clock=timezone.now)
        model = train()
        assert (selection.active_encoder(), selection.target_encoder()) == (encoder, model)
        assert model.status == TrainedModel.Status.CANDIDATE
        assert model.verdict.startswith(f"Not judged: too few to tell. The active encoder knows {JUDGES} ")
        assert model.metrics["judged_listings"] == JUDGES
        assert {"leaf_precision10", "leaf_precision10_active"} <= model.metrics.keys()
        assert EmbeddingJob.objects.count() == len(market)
        assert set(ListingEmbedding.objects.values_list("encoder_version", flat=True)) == {encoder.version}

    def test_a_trained_encoder_keeps_its_labels_figures_and_curves_without_pickles(self, market, settings):
        epochs, moment = [], timezone.now()
        model = train_encoder(now=moment, options=QUICK, report=epochs.append)
        assert [epoch.number for epoch in epochs] == [1, 2, 3]
        folder = settings.MODEL_ROOT / model.path
        assert {file.suffix for file in folder.iterdir()} == {".json", ".npz"}
        labels = json.loads((folder / "labels.json").read_text())
        assert labels["roots"] == ["DIY Tools", "Home & Garden", "Sports"]
        assert labels["leaves"] == sorted({listing.category.path for listing in market})
        assert (model.metrics["listings"], model.metrics["photos"]) == (93, 94)
        assert model.metrics["photo_accuracy"] > 0.5
        curves = curves_in(settings.VAR / "tensorboard" / f"encoder-{moment:%Y%m%d-%H%M%S}")
        assert {"loss/contrast", "loss/sibling", "words_to_photo"} <= curves.keys()
        assert curves["photo_accuracy"] == [
            (epoch.number, pytest.approx(epoch.photo_accuracy)) for epoch in epochs
        ]

    def test_training_an_encoder_again_gives_the_same_version_in_another_folder(self, market):
        first, second = train(), train()
        assert (first.pk, first.version) == (second.pk, second.version)
        assert first.path != second.path
        assert selection.load_target().version == second.version

    def test_a_new_candidate_encoder_replaces_one_that_waits(self, encoder):
        first, second = (selection.register(name, "", "", {}) for name in ("first", "second"))
        assert selection.target_encoder() == second
        assert statuses() == ["active", "retired", "candidate"]
        assert selection.register("first", "", "", {}) == first == selection.target_encoder()


class TestGate:
    @pytest.fixture
    def perfect(self, large_market, encoder):
        """Only the active encoder separates full categories."""
        EmbeddingJob.objects.all().delete()
        first = min(listing.category_id for listing in large_market)
        vectors = np.zeros((len(large_market), selection.blocks_of(encoder).dimension), "<f2")
        for listing, vector in zip(large_market, vectors, strict=True):
            vector[first - listing.category_id - 1] = 1
        ListingEmbedding.objects.bulk_create(
            ListingEmbedding(
                listing=listing,
                encoder_version=encoder.version,
                content_version=listing.content_version,
                vector=vector.tobytes(),
            )
            for listing, vector in zip(large_market, vectors, strict=True)
        )

    def test_a_worse_encoder_is_refused_and_recorded_and_the_active_one_stays(
        self, perfect, encoder, settings, quickly, capsys
    ):
        with pytest.raises(
            CommandError, match="Worse than the active encoder.*Publish the new one with --force"
        ) as refusal:
            call_command("train", "encoder")
        assert refusal.value.returncode == 1
        assert (selection.active_encoder(), selection.target_encoder()) == (encoder, encoder)
        refused = TrainedModel.objects.get(status="rejected")
        assert refused.metrics["gain_over_active"][1] < -0.3, "no training could be near"
        assert refused.metrics["leaf_precision10_active"] > 0.99 > refused.metrics["leaf_precision10"]
        assert "Worse than" in refused.verdict and refused.path == ""
        assert not [folder for folder in (settings.MODEL_ROOT / "encoder").iterdir() if folder.is_dir()]
        assert not EmbeddingJob.objects.exists()
        call_command("train", "encoder", "--list")
        printed = capsys.readouterr().out
        assert all(word in printed for word in ("active", "rejected, 180 listings", "Worse than"))

    def test_a_worse_encoder_is_published_by_force_and_the_row_records_it(
        self, perfect, large_market, quickly, capsys
    ):
        call_command("train", "encoder", "--force")
        model = selection.target_encoder()
        assert model.status == TrainedModel.Status.CANDIDATE
        assert model.verdict.startswith("Forced. Worse than")
        assert EmbeddingJob.objects.count() == len(large_market)
        assert "Forced." in capsys.readouterr().out

    def test_refusing_an_encoder_that_was_published_by_force_does_not_take_it_back(self, encoder):
        forced = selection.register("forced", "", "", {}, "Forced.")
        for version in (encoder.version, forced.version):
            selection.reject(version, {}, "Worse")
        assert statuses() == ["active", "candidate"]
        assert selection.target_encoder().verdict == "Forced."


class TestBadInput:
    def test_an_encoder_training_on_too_few_listings_is_refused_with_a_remedy(self, market, encoder):
        Listing.objects.filter(pk__in=[listing.pk for listing in market[40:]]).delete()
        with pytest.raises(TooLittleMaterial, match="at least 50 training listings.*Import more listings"):
            train()
        assert selection.target_encoder() == encoder
        assert statuses() == ["active"]

    def test_an_encoder_training_on_an_empty_catalogue_is_refused(self, market, quickly):
        Listing.objects.all().delete()
        with pytest.raises(CommandError, match="found 0 listings") as refusal:
            call_command("train", "encoder")
        assert refusal.value.returncode == 1

    def test_two_encoder_trainings_do_not_run_at_once(self, market):
        with elsewhere(locks.ENCODER), pytest.raises(AlreadyTraining):
            train()
        assert statuses() == ["active"]

    def test_an_encoder_training_whose_loss_is_not_finite_publishes_nothing(self, market):
        with pytest.raises(EncoderRefused, match="The training failed.*active encoder stays"):
            train_encoder(now=timezone.now(), options=replace(QUICK, learning_rate=1e30))
        assert statuses() == ["active"]


class TestDamage:
    def test_a_damaged_encoder_is_named_with_the_command_that_mends_it(self, market, encoder, settings):
        record = EncoderManifest.read(encoder)
        encoder.delete()
        model = train(record=record)
        assert selection.active_encoder() == model, "the first of all serves at once"
        for name in ("labels.json", "model.json"):
            (settings.MODEL_ROOT / selection.active_encoder().path / name).write_bytes(b"{}")
            encoders_encoder.load.cache_clear()
            with pytest.raises(manifest.EncoderUnavailable, match=f"{name}.*`manage.py train encoder`"):
                selection.load_active()
            train()
            assert selection.load_active().version == selection.active_encoder().version == model.version

    def test_an_encoder_of_another_release_is_mended_by_training_it_again(
        self, market, settings, monkeypatch
    ):
        model = train()
        monkeypatch.setattr(joint, "FORM", "joint-encoder-0")
        encoders_encoder.load.cache_clear()
        with pytest.raises(manifest.EncoderUnavailable, match="`manage.py train encoder`"):
            selection.load_target()
        assert train().pk == model.pk
        assert selection.load_target().version == model.version
