import numpy as np
import pytest
import torch

from ml.encoder.head_modules import BRIDGE_LENGTH, HeadModule, HeadOptions, Heads, HeadTrainingData

LISTINGS, PHOTO, TEXT, SHARED = 30, 6, 5, 2
OPTIONS = HeadOptions(joint=4, photo_hidden=8, text_hidden=8)


@pytest.fixture
def lessons() -> HeadTrainingData:
    rng = np.random.default_rng(3)

    def drawn(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    return HeadTrainingData(
        photos=drawn(LISTINGS, PHOTO) * 7 + 2,
        owners=np.arange(LISTINGS),
        texts=drawn(LISTINGS, TEXT),
        titles=drawn(LISTINGS, TEXT),
        photo_bridge=np.eye(PHOTO, SHARED, dtype=np.float32),
        text_bridge=np.eye(TEXT, SHARED, dtype=np.float32),
        roots=np.arange(LISTINGS) % 2,
        leaves=np.arange(LISTINGS) % 3,
        root_count=2,
        leaf_count=3,
    )


@pytest.fixture
def heads(lessons) -> Heads:
    torch.manual_seed(0)
    rows = np.arange(LISTINGS)
    return Heads(lessons, OPTIONS, rows, rows)


def test_a_frozen_head_gives_the_outputs_of_its_torch_module(heads, lessons):
    module, frozen = heads.photo.eval(), heads.photo.frozen()
    with torch.no_grad():
        joint, roots, leaves = module(torch.from_numpy(lessons.photos))
    hidden = frozen.hidden(lessons.photos)
    np.testing.assert_allclose(frozen.joint(lessons.photos), joint, atol=1e-5)
    np.testing.assert_allclose(frozen.roots(hidden), roots, atol=1e-5)
    np.testing.assert_allclose(frozen.leaves(hidden), leaves, atol=1e-5)


def test_a_head_drops_inputs_while_it_is_trained_and_not_afterwards(heads, lessons):
    photos = torch.from_numpy(lessons.photos)
    with torch.no_grad():
        assert not torch.equal(heads.photo.train()(photos)[0], heads.photo(photos)[0])
        assert torch.equal(heads.photo.eval()(photos)[0], heads.photo(photos)[0])


@pytest.mark.parametrize("scale", [0.1, 40.0])
def test_the_output_of_the_bridge_has_the_same_mean_length_whatever_the_features(lessons, scale):
    photos = lessons.photos * np.float32(scale)
    module = HeadModule(lessons, photos, lessons.photo_bridge, 8, OPTIONS)
    standard = (torch.from_numpy(photos) - module.mean) * module.scale
    lengths = (standard @ module.bridge.T).norm(dim=1)
    assert float(lengths.mean()) == pytest.approx(BRIDGE_LENGTH, rel=1e-3)
