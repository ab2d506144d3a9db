import pytest
import torch
from PIL import Image

from ml.vision.image_cache import ImageCache, fingerprint
from ml.vision.image_decoding import UnreadablePhoto


class TestImageCache:
    def test_pictures_that_the_cache_does_not_hold_are_decoded_again_to_the_same_pixels(self, photos):
        kept, fleeting = (ImageCache(photos[0], range(9), 32, most_kept_bytes=most) for most in (10**6, 0))
        order = torch.tensor([8, 0, 3, 3, 7])
        pairs = zip(kept.batches(order, 2), fleeting.batches(order, 2), strict=True)
        assert all(torch.equal(one, other) for (_, one), (_, other) in pairs)
        kept.close(), fleeting.close()

    @pytest.mark.parametrize("most_kept_bytes", [10**6, 0])
    def test_the_cache_names_the_position_of_a_photo_that_cannot_be_decoded(
        self, photos, tmp_path, most_kept_bytes
    ):
        (tmp_path / "bad.jpg").write_bytes(b"not a photo")
        pictures = [*photos[0][:3], tmp_path / "bad.jpg"]
        with pytest.raises(UnreadablePhoto, match=r"bad\.jpg") as caught:
            cache = ImageCache(pictures, [0, 3], 32, most_kept_bytes=most_kept_bytes)
            list(cache.batches(torch.arange(2), 2))
        assert caught.value.position == 3


class TestFingerprint:
    def test_the_fingerprint_of_files_depends_on_their_names_and_sizes(self, tmp_path):
        for name in ("one.jpg", "other.jpg"):
            (tmp_path / name).write_bytes(b"photo")
        one, other = (fingerprint([tmp_path / name]) for name in ("one.jpg", "other.jpg"))
        assert one == fingerprint([tmp_path / "one.jpg"]) != other
        (tmp_path / "one.jpg").write_bytes(b"another photo")
        assert fingerprint([tmp_path / "one.jpg"]) != one

    def test_the_fingerprint_of_pictures_in_memory_depends_on_their_pixels(self):
        red, again, blue = (Image.new("RGB", (4, 4), colour) for colour in ("red", "red", "blue"))
        assert fingerprint([red]) == fingerprint([again]) != fingerprint([blue])
