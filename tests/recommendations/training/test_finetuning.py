from pathlib import Path

import numpy as np
import pytest
from django.utils import timezone

from listings.models import Listing, Photo
from ml.vision.augmentation import Augmentation
from ml.vision.classifier_training import FineTuningOptions
from recommendations.core import locks
from recommendations.core.files import sha256_of
from recommendations.core.locks import AlreadyTraining
from recommendations.encoders import selection
from recommendations.models.embeddings import PhotoFeatures
from recommendations.training import finetuning
from recommendations.training.encoder import train_encoder
from recommendations.training.encoder_dataset import file_of, is_held_out
from recommendations.training.finetuning import FineTuningRefused, finetune_backbone
from tests.recommendations.conftest import elsewhere
from tests.recommendations.market import QUICK

SMALL = FineTuningOptions(
    image_size=32,
    epoch_count=2,
    unfrozen_blocks=1,
    augmentation=Augmentation(crops=False, flips=False, colours=False),
)


def finetune(**watching):
    return finetune_backbone(SMALL, now=timezone.now(), **watching)


class Interrupted(KeyboardInterrupt):
    """Stands for Ctrl-C."""


def interrupt(epoch):
    raise Interrupted


class TestWhatBecomesOfIt:
    def test_fine_tuned_weights_bear_their_digest_and_the_next_encoder_training_takes_them(
        self, market, encoder, settings
    ):
        lines, epochs = [], []
        record = finetune(say=lines.append, report=epochs.append)
        file = Path(record.weights)
        assert file.parent == settings.MODEL_ROOT / "backbone"
        assert file.name == f"finetuned-{sha256_of(file)[:12]}.safetensors"
        assert [entry.name for entry in file.parent.iterdir()] == [file.name]
        assert [epoch.number for epoch in epochs] == [1, 2]
        assert "Root category accuracy on held-out photos" in lines[-1]
        assert list((settings.VAR / "tensorboard").glob("backbone-*/events*"))
        assert selection.target_encoder() == encoder, "nothing is served by it yet"

        model = train_encoder(now=timezone.now(), record=record, options=QUICK)
        assert "fine-tuned here on" in model.metrics["source"]
        loaded = selection.load_target()
        assert loaded.record.weights == record.weights
        seen = PhotoFeatures.objects.filter(backbone=loaded.backbone_version)
        assert seen.count() == Photo.objects.count()
        assert selection.ensure_encoder(lines.append) == model, "the next embed does not go back"

    def test_an_interrupted_fine_tuning_resumes_where_it_was(self, market):
        with pytest.raises(Interrupted):
            finetune(report=interrupt)
        epochs = []
        finetune(report=epochs.append)
        assert [epoch.number for epoch in epochs] == [2]


class TestWhatItLearnsFrom:
    def test_fine_tuning_reads_existing_files_and_holds_out_listings_that_judge(self, market):
        photos = list(Photo.objects.order_by("pk").select_related("listing__category__root"))
        file_of(photos.pop(0)).unlink()
        paths, roots, leaves, held_out = finetuning._labelled_files()
        assert paths == [file_of(photo) for photo in photos]
        assert roots == [photo.listing.category.root.path for photo in photos]
        assert leaves == [photo.listing.category.path for photo in photos]
        assert np.array_equal(held_out, [is_held_out(photo.listing.external_id) for photo in photos])


class TestBadInput:
    def test_fine_tuning_without_photos_is_refused(self, encoder, settings, tmp_path):
        settings.VAR = tmp_path
        with pytest.raises(FineTuningRefused, match="found 0 photos.*active backbone stays"):
            finetune()

    def test_fine_tuning_on_one_category_is_refused(self, market):
        Listing.objects.exclude(category__path__startswith="Sports").delete()
        with pytest.raises(FineTuningRefused, match="1 categories among the training photos"):
            finetune()

    def test_fine_tuning_the_backbone_names_a_damaged_photo(self, market):
        file = file_of(market[0].photos.get())
        file.write_bytes(b"not a photo")
        with pytest.raises(FineTuningRefused, match=file.name):
            finetune()

    def test_fine_tuning_is_refused_while_another_process_trains_an_encoder(self, market):
        with elsewhere(locks.ENCODER), pytest.raises(AlreadyTraining):
            finetune()
