"""Encode worker: queries that it cannot encode, over Redis. The worker is a thread of this process."""

import logging

import pytest

from listings.photos.processing import BadPhoto
from recommendations.encoders import query_worker
from recommendations.encoders.query_client import EncodingUnavailable, encode
from tests import factories
from tests.conftest import encode_worker_running


@pytest.fixture
def photo() -> bytes:
    return factories.picture()


class TestFailures:
    def test_an_unreadable_photo_fails_one_query_alone(self, encode_worker, photo):
        with pytest.raises(BadPhoto, match="not a JPEG"):
            encode(photo=b"no photo")
        assert encode(photo=photo).photo.any()

    def test_a_missing_encoder_file_is_not_named_to_clients(self, transactional_db, encoder, settings):
        (settings.MODEL_ROOT / encoder.path).unlink()
        with (
            encode_worker_running(),
            pytest.raises(EncodingUnavailable, match="log of its worker") as refused,
        ):
            encode(words="blue sofa")
        assert encoder.path not in str(refused.value)


class TestWarmingUp:
    def test_an_encode_worker_starts_without_an_encoder(self, db, caplog):
        with caplog.at_level(logging.INFO):
            query_worker.warm_up()
        assert "no encoder to load yet" in caplog.text
