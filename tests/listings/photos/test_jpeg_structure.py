"""Scans and segments of a JPEG are counted."""

import pytest
from PIL import Image

from listings.photos import processing
from listings.photos.processing import BadPhoto
from tests.listings.photos.encoding import jpeg, with_scans, with_segments


class TestJpegStructure:
    def test_jpeg_scans_and_segments_are_counted_before_the_image_is_opened(self, monkeypatch):
        monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it was opened"))
        for data in (with_scans(100), with_segments(jpeg(), b"\xff\xfe\0\2" * 6000)):
            with pytest.raises(BadPhoto, match="more scans or segments"):
                processing.receive(data)
