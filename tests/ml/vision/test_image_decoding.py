import io

import numpy as np
import pytest
from PIL import Image

from ml.vision.image_decoding import UnreadablePhoto, open_photo, open_photos, square_pixels


def jpeg(size=(800, 600), colour=(200, 30, 30), **options) -> io.BytesIO:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "JPEG", **options)
    stream.seek(0)
    return stream


class TestOpenPhoto:
    def test_a_large_jpeg_is_decoded_small_but_not_too_small(self):
        picture = open_photo(jpeg((1600, 1200)), 224)
        assert 224 <= min(picture.size) < 600

    @pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
    def test_every_kind_of_picture_is_opened_in_colour(self, tmp_path, mode):
        file = tmp_path / ("photo.tif" if mode == "CMYK" else "photo.png")
        Image.new(mode, (30, 20)).save(file)
        assert open_photo(file, 16).mode == "RGB"

    def test_a_photo_taken_sideways_is_set_upright(self):
        turned = Image.Exif()
        turned[0x0112] = 6
        assert open_photo(jpeg((80, 40), exif=turned), 64).size == (40, 80)

    def test_a_picture_already_open_is_taken_as_it_is(self):
        assert open_photo(Image.new("RGB", (9, 9), (1, 2, 3)), 224).getpixel((0, 0)) == (1, 2, 3)

    @pytest.mark.parametrize("content", [b"", b"<svg/>", jpeg().getvalue()[:300]])
    def test_a_photo_that_cannot_be_decoded_is_named(self, tmp_path, content):
        file = tmp_path / "broken.jpg"
        file.write_bytes(content)
        with pytest.raises(UnreadablePhoto, match=r"broken\.jpg"):
            open_photo(file, 224)

    def test_a_missing_photo_file_is_named(self, tmp_path):
        with pytest.raises(UnreadablePhoto, match=r"gone\.jpg"):
            open_photo(tmp_path / "gone.jpg", 224)


def test_the_unreadable_photo_of_a_batch_is_named_by_its_position():
    with pytest.raises(UnreadablePhoto) as caught:
        open_photos([jpeg(), io.BytesIO(b"junk"), jpeg()], 64, first=32)
    assert caught.value.position == 33


def test_square_pixels_hold_the_whole_picture():
    picture = Image.new("RGB", (300, 100))
    picture.paste((255, 255, 255), (250, 0, 300, 100))
    pixels = square_pixels(picture, 30)
    assert pixels.shape == (30, 30, 3) and pixels.dtype == np.uint8
    assert pixels[:, -3:].min() == 255 and pixels[:, :3].max() == 0
