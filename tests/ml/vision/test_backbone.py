import io

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ml.arrays import unit_rows
from ml.vision import backbone as backbone_module
from ml.vision.backbone import Backbone, build_classifier, load_backbone
from ml.vision.image_decoding import UnreadablePhoto
from ml.vision.weights import BadBackbone, WeightsError

NAME = "shufflenet_v2_x0_5"


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    """Seeded random weights of a small classifier of five categories, for photos of 64 pixels."""
    file = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = build_classifier(NAME, 5).state_dict()
    save_file(state, file, metadata={"backbone": NAME, "input_size": "64"})
    return file


@pytest.fixture(scope="module")
def backbone(weights_file) -> Backbone:
    return load_backbone(NAME, weights_file)


class TestFeatures:
    def test_a_backbone_gives_one_row_of_features_a_photo_in_half_precision(self, backbone, drawn):
        features = backbone.features(drawn[0][:3])
        assert features.shape == (3, backbone.dimension) == (3, 1024 + 48 + 96)
        assert features.dtype == np.float16 and np.isfinite(features).all()

    def test_the_batch_size_does_not_change_the_features(self, backbone, drawn, monkeypatch):
        whole = backbone.features(drawn[0][:7])
        monkeypatch.setattr(backbone_module, "BATCH_SIZE", 3)
        cosines = (unit_rows(backbone.features(drawn[0][:7])) * unit_rows(whole)).sum(axis=1)
        assert (cosines > 0.999).all()

    def test_a_photo_has_the_same_features_from_memory_a_file_and_a_stream(self, backbone, drawn, tmp_path):
        drawn[0][0].save(tmp_path / "photo.png")
        stream = io.BytesIO((tmp_path / "photo.png").read_bytes())
        features = backbone.features([drawn[0][0], tmp_path / "photo.png", stream])
        assert np.allclose(features[0], features[1:], atol=1e-2)

    def test_different_photos_have_different_features(self, backbone, drawn):
        features = backbone.features(drawn[0][:2])
        assert not np.array_equal(features[0], features[1])

    def test_a_backbone_gives_no_rows_for_no_photos(self, backbone):
        assert backbone.features([]).shape == (0, backbone.dimension)

    def test_a_broken_photo_stops_the_batch_and_is_named(self, backbone, drawn, tmp_path):
        (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8junk")
        with pytest.raises(UnreadablePhoto, match=r"broken\.jpg") as caught:
            backbone.features([*drawn[0][:40], tmp_path / "broken.jpg"])
        assert caught.value.position == 40


class TestLoading:
    def test_the_backbone_version_names_the_architecture_and_its_weights(self, backbone):
        assert backbone.version == f"{NAME}-{backbone.digest[:12]}-stages-1"
        assert backbone.input_size == 64

    def test_weights_that_do_not_fit_the_backbone_are_refused_in_one_line(self, weights_file, tmp_path):
        from safetensors.torch import load_file

        save_file(load_file(weights_file), tmp_path / "unsigned.safetensors")
        with pytest.raises(WeightsError, match=r"do not fit mobilenet_v2 .* accepted: the 314 of") as caught:
            load_backbone("mobilenet_v2", tmp_path / "unsigned.safetensors")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "parts"),
        [("mobilenet_v3_small", (1024, 24, 48)), ("convnext_tiny", (768, 192, 384)), ("swin_t", (768,))],
    )
    def test_features_of_any_architecture_hold_the_last_layer_and_earlier_stages(
        self, tmp_path, drawn, name, parts
    ):
        file = tmp_path / "weights.safetensors"
        save_file(build_classifier(name, 7).state_dict(), file)
        backbone = load_backbone(name, file)
        assert backbone.parts == parts
        assert backbone.features(drawn[0][:1]).shape == (1, sum(parts)) == (1, backbone.dimension)

    def test_an_architecture_that_does_not_end_in_a_linear_layer_is_refused(self, tmp_path):
        file = tmp_path / "weights.safetensors"
        save_file(build_classifier("squeezenet1_1", 7).state_dict(), file)
        with pytest.raises(BadBackbone, match="squeezenet1_1 does not end in a linear"):
            load_backbone("squeezenet1_1", file)
