"""A JPEG that lacks its last bytes is taken where nearly all of it can be seen."""

import pytest

from listings.photos import processing
from listings.photos.cut_jpegs import completed
from listings.photos.processing import BadPhoto
from tests.listings.photos.encoding import encoded, picture

WHOLE = encoded(picture((400, 300)))


@pytest.mark.parametrize("missing", [1, 2, 3, 20])
def test_a_jpeg_without_its_last_bytes_is_taken(missing):
    received = processing.receive(WHOLE[:-missing])
    assert (received.width, received.height) == (400, 300)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_a_jpeg_of_which_much_is_missing_is_refused(share):
    with pytest.raises(BadPhoto, match="cut short"):
        processing.receive(WHOLE[: int(len(WHOLE) * share)])


def test_nothing_is_completed_that_has_its_end():
    assert completed(WHOLE) is None and completed(WHOLE + b"trailing bytes") is None
    assert completed(encoded(picture((40, 30)), "PNG")[:-2]) is None
