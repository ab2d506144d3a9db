from dataclasses import replace

import numpy as np
import pytest
import torch

from ml.vision.augmentation import Augmentation, augment, normalise_photos
from ml.vision.image_decoding import open_photo, square_pixels
from tests.ml.vision.finetuning_runs import (
    STILL,
)


class TestAugment:
    @pytest.fixture
    def pixels(self, photos):
        squares = [square_pixels(open_photo(photo, 40), 40) for photo in photos[0][:8]]
        return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)

    def test_without_any_augmentation_the_views_are_the_photos(self, pixels):
        views = augment(pixels, 40, STILL, torch.Generator())
        torch.testing.assert_close(views, normalise_photos(pixels), atol=1e-4, rtol=0)

    def test_flips_mirror_some_photos_and_change_nothing_else(self, pixels):
        views = augment(pixels, 40, replace(STILL, flips=True), torch.Generator().manual_seed(1))
        photos, mirrored = normalise_photos(pixels), normalise_photos(pixels).flip(-1)
        is_mirrored = [
            bool((view - other).abs().max() < 1e-4) for view, other in zip(views, mirrored, strict=True)
        ]
        is_same = [bool((view - photo).abs().max() < 1e-4) for view, photo in zip(views, photos, strict=True)]
        assert any(is_mirrored) and any(is_same)
        assert all(one or other for one, other in zip(is_mirrored, is_same, strict=True))

    def test_crops_and_colours_differ_from_view_to_view_and_repeat_with_the_seed(self, pixels):
        one, other, again = (
            augment(pixels, 32, Augmentation(), torch.Generator().manual_seed(seed)) for seed in (1, 2, 1)
        )
        assert one.shape == (8, 3, 32, 32) and one.dtype == torch.float32
        assert torch.equal(one, again) and not torch.allclose(one, other)
