"""Photos of queries: their headers are checked by web processes, which decode nothing."""

import io
import struct
import zlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from tests import factories
from tests.listings.photos.encoding import png_chunk
from tests.problems import is_problem

PHOTO_QUERIES = [
    ("/predict/feature_embedding", "image"),
    ("/predict/similar_images", "image"),
    ("/predict/category", "image"),
    ("/predict/image", "image"),
    ("/api/v1/classify/", "photo"),
    ("/api/v1/search/", "photo"),
]

pytestmark = pytest.mark.usefixtures("encoder", "impatient")


def claiming(width: int, height: int) -> bytes:
    """A PNG that claims so many pixels and holds none."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 1))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(b"")) + png_chunk(b"IEND", b"")


def post(client, path: str, field: str, data: bytes):
    return client.post(path, {field: SimpleUploadedFile("a.png", data)}, format="multipart")


@pytest.fixture
def limits(settings):
    def set_limits(**changes) -> None:
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=changes)

    return set_limits


@pytest.mark.parametrize(("path", "field"), PHOTO_QUERIES)
def test_a_web_process_opens_no_photo(anyone, follow, path, field, monkeypatch):
    follow()
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it was opened"))
    for data in (factories.picture(), claiming(4000, 4000)):
        reply = post(anyone, path, field, data)
        assert (reply.status_code, reply.headers["Retry-After"]) == (503, "2")


@pytest.mark.parametrize(("path", "field"), PHOTO_QUERIES)
def test_strangers_may_send_fewer_pixels(anyone, as_bob, follow, path, field):
    follow()
    large = claiming(8000, 5000)
    assert is_problem(post(anyone, path, field, large), 400)
    if not path.startswith("/predict"):  # where nobody has a credential
        assert post(as_bob, path, field, large).status_code == 503
    assert is_problem(post(as_bob, path, field, claiming(8000, 5001)), 400)


def test_a_visitor_is_a_stranger(anyone, sofa, follow):
    follow()
    event = {"event_id": "1", "listing": sofa.external_id, "kind": "view"}
    assert anyone.post("/api/v1/interactions/", event).status_code == 200
    assert is_problem(post(anyone, "/api/v1/search/", "photo", claiming(8000, 5000)), 400)


@pytest.mark.parametrize(("path", "field"), PHOTO_QUERIES)
def test_a_large_photo_counts_as_several_requests(anyone, follow, limits, path, field):
    follow()
    limits(photo_searches_per_minute=3)
    large = claiming(4000, 4000)  # 16 megapixels: two requests
    assert [post(anyone, path, field, large).status_code for _ in range(2)] == [503, 429]
    assert post(anyone, path, field, factories.picture()).status_code == 429


def test_a_photo_that_the_worker_cannot_decode_is_refused(anyone, transactional_db, encode_worker, limits):
    limits(encode_timeout_s=30)
    buffer = io.BytesIO()
    Image.effect_noise((400, 300), 50).save(buffer, "JPEG")
    for path, field in PHOTO_QUERIES[:1]:
        reply = post(anyone, path, field, buffer.getvalue()[: len(buffer.getvalue()) // 2])
        assert is_problem(reply, 400)
        assert "cut short" in reply.json()["detail"]
