"""The `train` command: its options and its output. The trainings have tests of their own."""

import re

import pytest
from django.core.management import CommandError, call_command

from listings.announcing import catalogue_transaction
from recommendations.encoders import selection
from recommendations.models.trained_models import TrainedModel
from recommendations.training import backbone
from recommendations.training import encoder as training_encoder
from tests import factories
from tests.recommendations.market import QUICK


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(training_encoder, "_default_options", lambda: QUICK)


class TestHelp:
    @pytest.mark.parametrize("kind", ["collaborative", "encoder", "backbone", "ranker"])
    def test_the_help_of_each_kind_of_training_lists_its_own_options(self, kind, capsys):
        with pytest.raises(SystemExit) as end:
            call_command("train", kind, "--help")
        assert end.value.code == 0
        printed = " ".join(capsys.readouterr().out.split())  # without line breaks
        options = {
            "collaborative": "--tune",
            "encoder": "--finetune",
            "backbone": "--minutes",
            "ranker": "without one the blend",
        }
        assert [name for name, option in options.items() if option in printed] == [kind]


class TestWordsThatMakeNoSense:
    @pytest.mark.parametrize(
        ("words", "complaint"),
        [
            ([], "KIND"),
            (
                ["classifier"],
                "invalid choice: 'classifier'.*'collaborative', 'encoder', 'backbone', 'ranker'",
            ),
            (["ranker", "--force", "--rollback"], "not allowed with"),
            (["encoder", "--rollback"], "--rollback"),
            (["encoder", "--force", "--list"], "not allowed with"),
            (["encoder", "--finetune", "--list"], "--finetune cannot be combined"),
            (["encoder", "--epochs", "9"], "--epochs needs --finetune"),
            (["encoder", "--image-size", "64"], "--image-size needs --finetune"),
            (["encoder", "--unfrozen-blocks", "0"], "--unfrozen-blocks needs --finetune"),
            (["encoder", "--optimiser", "sgd"], "--optimiser needs --finetune"),
            (["encoder", "--finetune", "--epochs", "0"], "--epochs: a whole number from 1"),
            (["encoder", "--finetune", "--epochs", "many"], "--epochs: a whole number from 1"),
            (["encoder", "--finetune", "--image-size", "31"], "--image-size: a whole number from 32"),
            (["encoder", "--finetune", "--unfrozen-blocks", "-1"], "--unfrozen-blocks"),
            (["encoder", "--finetune", "--optimiser", "adam"], "invalid choice: 'adam'"),
            (["backbone", "--minutes", "0"], "--minutes: a number of minutes above 0"),
            (["backbone", "--minutes", "soon"], "--minutes: a number of minutes above 0"),
            (["backbone", "--list"], "--list"),
        ],
        ids=" ".join,
    )
    def test_options_of_the_train_command_that_make_no_sense_are_refused(self, db, words, complaint):
        with pytest.raises(CommandError, match=complaint):
            call_command("train", *words)
        assert not TrainedModel.objects.exists()


class TestEncoder:
    def test_the_train_command_fine_tunes_and_trains_an_encoder_and_reports_it(self, market, capsys, quickly):
        options = ["--epochs", "1", "--image-size", "32", "--unfrozen-blocks", "0", "--optimiser", "sgd"]
        call_command("train", "encoder", "--finetune", *options)
        printed = capsys.readouterr().out
        assert re.search(r"Epoch 1: loss \d\.\d+, category by photo \d+\.\d%", printed)
        assert re.search(r"Epoch 3: category by photo .* by its title .* among the first ten", printed)
        assert re.search(r"Trained encoder joint-\w{12} on 93 listings with 94 photos\. ", printed)
        assert "embedded again in the background" in printed
        assert "fine-tuned here" in selection.target_encoder().metrics["source"]

    def test_before_the_first_encoder_training_the_list_says_so(self, db, capsys):
        call_command("train", "encoder", "--list")
        assert "Nothing was trained yet" in capsys.readouterr().out

    def test_a_model_folder_that_cannot_be_written_is_named_in_one_line(self, market, settings, quickly):
        (settings.MODEL_ROOT / "encoder" / "blocked").touch()
        settings.VAR = settings.MODEL_ROOT / "encoder" / "blocked"
        with pytest.raises(CommandError, match="The model cannot be written.*keeps serving"):
            call_command("train", "encoder")


class TestBackbone:
    def test_the_train_command_names_the_next_encoder_after_a_backbone(
        self, alice, encoder, capsys, monkeypatch
    ):
        monkeypatch.setattr(backbone, "LEAST_PHOTOS", 2)
        with catalogue_transaction():
            for path in ("Home & Garden / Sofas", "Sports / Bicycles"):
                factories.photo(factories.listing(alice, path=path))
        call_command("train", "backbone", "--minutes", "0.0001")
        printed = capsys.readouterr().out
        assert f"The next encoder is {selection.target_encoder()}. Listings are embedded again" in printed
        assert selection.active_encoder() == encoder

    def test_the_train_command_with_too_few_photos_ends_with_status_1(self, db):
        with pytest.raises(CommandError, match="0 photos in 0 root categories") as refusal:
            call_command("train", "backbone")
        assert refusal.value.returncode == 1
