"""Replies of the encode worker in Redis, and the cache of encoded queries."""

from recommendations.encoders import query_channel
from recommendations.encoders.query_channel import EncodeRequest
from recommendations.popularity import trending
from tests.recommendations.encoders.cached_queries import cache_answer

LINK = trending.client


class TestRequest:
    def test_an_encode_request_replaces_lone_surrogates(self):
        assert EncodeRequest.of("sofa \ud800", None).words == "sofa ?"

    def test_cache_keys_of_queries_have_one_length(self):
        keys = {EncodeRequest.of(words, None).key("v") for words in ("a", "b" * 10_000)}
        assert len(keys) == 2
        assert len({len(key) for key in keys}) == 1


class TestCache:
    def test_the_cache_of_encoded_queries_keeps_only_the_newest(self, monkeypatch):
        monkeypatch.setitem(query_channel.CACHED_COUNT, "words", 2)
        queries = ("one", "two", "three")
        for words in queries:
            cache_answer(words, "v")
        cached = [
            query_channel.read_cache(LINK(), EncodeRequest.of(words, None), "v")[0] for words in queries
        ]
        assert [one is not None for one in cached] == [False, True, True]

    def test_a_large_encoded_query_is_sent_and_not_cached(self, monkeypatch):
        monkeypatch.setattr(query_channel, "CACHED_BYTES", 10)
        cache_answer("sofa", "v")
        assert query_channel.wait(LINK(), "encode:reply:nobody", 1).encoder_version == "v"
        assert query_channel.read_cache(LINK(), EncodeRequest.of("sofa", None), "v")[0] is None

    def test_a_cached_answer_of_another_release_is_ignored(self):
        question = EncodeRequest.of("sofa", None)
        LINK().set(question.key("v"), b'{"vector": 1}')
        assert query_channel.read_cache(LINK(), question, "v")[0] is None

    def test_all_keys_of_encoded_queries_expire_or_are_bounded(self):
        cache_answer("sofa", "v")
        ttl = {key.decode(): LINK().ttl(key) for key in LINK().keys("encode:*")}
        assert 0 < ttl.pop("encode:reply:nobody") <= query_channel.REPLY_KEPT_S
        assert ttl.pop("encode:newest:words") == -1  # bounded by its count instead
        assert [0 < seconds <= query_channel.CACHED_S for seconds in ttl.values()] == [True]
