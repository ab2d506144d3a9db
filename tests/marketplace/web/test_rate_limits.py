"""Rate limits on a real Redis, also under concurrency."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from marketplace.web import rate_limits
from marketplace.web.rate_limits import RateLimitExceeded, count_against
from recommendations.popularity import trending


def let_pass(ms: int) -> None:
    """Move bob's earlier requests back in time."""
    link = trending.client()
    link.set("limit:login:bob", float(link.get("limit:login:bob")) - ms)


class TestABucket:
    def refused_at(self, *, cost: int = 1, who: str = "bob", most: int = 50) -> int:
        """Number of requests that were allowed before the first refusal."""
        for count in range(most):
            try:
                count_against("login", {who: 1}, cost)
            except RateLimitExceeded:
                return count
        return most

    def test_a_bucket_allows_a_minutes_worth_of_requests(self, limits):
        limits(logins_per_minute=5)
        assert self.refused_at() == 5
        assert self.refused_at(who="charlie") == 5

    def test_a_bucket_drains_evenly_and_a_refusal_states_the_wait(self, limits):
        limits(logins_per_minute=6)  # one every ten seconds
        count_against("login", {"bob": 1}, cost=6)
        with pytest.raises(RateLimitExceeded) as refusal:
            count_against("login", {"bob": 1}, cost=3)
        assert 20 < refusal.value.wait <= 30
        let_pass(30_000)
        assert self.refused_at() == 3

    def test_a_refused_request_counts_in_no_bucket(self, limits):
        limits(logins_per_minute=5)
        assert self.refused_at(who="bob") == 5
        for _ in range(20):
            with pytest.raises(RateLimitExceeded):
                count_against("login", {"bob": 1, "here": 1})
        assert self.refused_at(who="here") == 5

    def test_the_fullest_of_several_buckets_decides(self, limits):
        limits(logins_per_minute=5)
        count_against("login", {"bob": 1}, cost=5)
        with pytest.raises(RateLimitExceeded):
            count_against("login", {"here": 10, "bob": 1})

    def test_a_batch_larger_than_its_bucket_is_allowed_when_the_bucket_is_empty(self, limits):
        limits(events_per_minute=10)
        count_against("events", {"bob": 1}, cost=500)
        with pytest.raises(RateLimitExceeded) as refusal:
            count_against("events", {"bob": 1}, cost=500)
        assert 59 <= refusal.value.wait <= 60

    def test_concurrent_requests_are_counted_exactly(self, limits):
        limits(logins_per_minute=10)

        def ask(_: int) -> bool:
            try:
                count_against("login", {"bob": 1, "here": 10})
            except RateLimitExceeded:
                return False
            return True

        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(ask, range(200))) == 10

    def test_a_rate_limit_of_zero_is_no_limit(self, limits):
        limits(logins_per_minute=0)
        assert self.refused_at(most=300) == 300

    def test_redis_forgets_a_bucket_once_it_has_drained(self, limits):
        limits(logins_per_minute=6)
        count_against("login", {"bob": 1})
        assert 0 < trending.client().pttl("limit:login:bob") <= 10_002

    def test_a_clock_that_was_set_back_delays_a_caller_at_most_one_full_bucket(self, limits):
        limits(logins_per_minute=6)
        count_against("login", {"bob": 1})
        (key,) = trending.client().keys("limit:*")
        trending.client().set(key, (time.time() + 24 * 3600) * 1000)
        with pytest.raises(RateLimitExceeded) as refusal:
            count_against("login", {"bob": 1})
        assert refusal.value.wait <= 10, "a bucket is full at the most"

    def test_rate_limits_work_after_redis_forgets_the_script(self, limits):
        count_against("login", {"bob": 1})
        trending.client().script_flush()
        count_against("login", {"bob": 1})


def test_a_redis_that_hangs_is_not_tried_by_every_request(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        count_against("events", {"bob": 1})
        silent.setblocking(False)
        silent.accept()
        count_against("events", {"bob": 1})
        with pytest.raises(BlockingIOError):
            silent.accept()


class TestTheLimits:
    def test_each_rate_limit_names_a_setting(self, settings):
        assert all(limit.per_minute > 0 for limit in rate_limits.LIMITS.values())
