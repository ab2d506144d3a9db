"""Round trips of queries to the encode worker, over Redis. The worker is a thread of this process."""

import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from recommendations.encoders import query_channel, query_client
from recommendations.encoders.query_client import EncodingUnavailable, encode
from recommendations.popularity import trending
from tests import factories
from tests.conftest import encode_worker_running
from tests.recommendations.encoders.cached_queries import cache_answer

LINK = trending.client


@pytest.fixture
def photo() -> bytes:
    return factories.picture()


class TestEncoding:
    def test_words_and_photos_are_encoded_by_the_active_encoder(self, encode_worker, encoder, photo):
        words, look, both = encode(words="blue sofa"), encode(photo=photo), encode(words="sofa", photo=photo)
        assert {one.encoder_version for one in (words, look, both)} == {encoder.version}
        assert words.vector.any()
        assert (len(words.photo), len(words.features)) == (0, 0)
        assert look.photo.any()
        assert look.features.any()
        assert not np.array_equal(both.vector, look.vector)

    def test_threads_that_encode_at_once_each_get_their_own_query(self, encode_worker):
        queries = [f"sofa number {number}" for number in range(24)]
        with ThreadPoolExecutor(8) as threads:
            vectors = list(threads.map(lambda words: encode(words=words).vector, queries))
        LINK().flushdb()
        for words, vector in zip(queries, vectors, strict=True):
            np.testing.assert_allclose(vector, encode(words=words).vector, atol=1e-6)


class TestCache:
    def test_a_query_encoded_before_needs_no_worker(self, transactional_db, encoder, photo):
        with encode_worker_running():
            words, look = encode(words="Blue sofa"), encode(photo=photo)
        assert np.array_equal(encode(words=" blue  SOFA ").vector, words.vector)
        assert np.array_equal(encode(photo=photo).vector, look.vector)

    def test_a_cached_answer_of_another_encoder_is_not_used(self, encoder, impatient):
        cache_answer("blue sofa", "another-version")
        with pytest.raises(EncodingUnavailable):
            encode(words="blue sofa")


class TestWithoutAWorker:
    def test_after_a_timeout_the_next_queries_do_not_wait_for_the_encode_worker(self, encoder, impatient):
        with pytest.raises(EncodingUnavailable, match="did not answer in 0.02 s"):
            encode(words="blue sofa")
        with pytest.raises(EncodingUnavailable, match="did not answer"):
            encode(words="red sofa")
        assert LINK().llen(query_channel.QUEUE) == 1

    def test_cached_queries_are_answered_while_the_encode_worker_is_away(self, encoder, impatient):
        with pytest.raises(EncodingUnavailable):
            encode(words="blue sofa")
        cache_answer("red sofa", encoder.version)
        assert encode(words="red sofa").vector[0] == len("red sofa")

    def test_a_returning_encode_worker_skips_queries_that_nobody_waits_for(
        self, transactional_db, encoder, settings, impatient, monkeypatch
    ):
        with pytest.raises(EncodingUnavailable):
            encode(words="blue sofa")
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"encode_timeout_s": 10})
        monkeypatch.setattr(query_client, "_client", None)
        with encode_worker_running():
            encode(words="red sofa")
        assert LINK().zcard("encode:newest:words") == 1  # not the blue one, which was asked before

    def test_a_full_queue_of_the_encode_worker_takes_no_more_queries(self, encoder):
        LINK().rpush(query_channel.QUEUE, *["{}"] * query_client.WAITING_COUNT)
        with pytest.raises(EncodingUnavailable, match="wait for the encode worker"):
            encode(words="blue sofa")
        assert LINK().llen(query_channel.QUEUE) == query_client.WAITING_COUNT

    def test_fewer_photos_than_words_wait_for_the_encode_worker(self, encoder, photo, impatient):
        LINK().rpush(query_channel.QUEUE, *["{}"] * query_client.WAITING_PHOTO_COUNT)
        with pytest.raises(EncodingUnavailable, match="wait for the encode worker"):
            encode(photo=photo)
        assert LINK().llen(query_channel.QUEUE) == query_client.WAITING_PHOTO_COUNT
        with pytest.raises(EncodingUnavailable, match="did not answer"):
            encode(words="blue sofa")


class TestWithoutRedis:
    def test_without_redis_encoding_fails_at_once_and_is_not_tried_by_each_query(self, encoder, settings):
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        with pytest.raises(EncodingUnavailable, match=r"^Redis does not answer\.$"):
            encode(words="blue sofa")
        with pytest.raises(EncodingUnavailable, match="asked again in a moment"):
            encode(words="blue sofa")

    def test_encoding_does_not_wait_for_a_silent_redis(self, encoder, settings, monkeypatch):
        monkeypatch.setattr(query_client, "QUICK_S", 0.05)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
            with pytest.raises(EncodingUnavailable, match="Redis does not answer"):
                encode(words="blue sofa")


class TestWithoutAnEncoder:
    def test_encoding_without_an_encoder_names_the_command_to_run(self, db):
        with pytest.raises(EncodingUnavailable, match="manage.py embed"):
            encode(words="blue sofa")

    def test_encoding_of_nothing_is_refused(self):
        with pytest.raises(EncodingUnavailable, match="neither"):
            encode(words="  ")
