"""Cache of one value, which one thread reads for all."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from recommendations.core.ttl_cache import DEFAULT_TTL, TtlCache

NOW = datetime(2026, 3, 2, tzinfo=UTC)


class TestRemembered:
    def test_a_cached_value_is_read_again_when_its_time_is_over_and_for_an_earlier_time(self):
        remembered = TtlCache(lambda now: now)
        for after, read in [(0, 0), (0.9, 0), (1, 1), (1.5, 1), (-5, -5)]:
            assert remembered.at(NOW + after * DEFAULT_TTL) == NOW + read * DEFAULT_TTL
        remembered.forget()
        assert remembered.at(NOW - 4.5 * DEFAULT_TTL) == NOW - 4.5 * DEFAULT_TTL

    def test_a_cached_value_stays_when_reading_again_fails(self):
        answers = iter([1 / 2, None])
        remembered = TtlCache(lambda now: 1 / (next(answers) or 0))
        assert remembered.at(NOW) == 2
        with pytest.raises(ZeroDivisionError):
            remembered.at(NOW + DEFAULT_TTL)
        assert remembered.at(NOW + DEFAULT_TTL / 2) == 2

    @pytest.mark.parametrize(("late", "waits"), [(DEFAULT_TTL, False), (timedelta(hours=1), True)])
    def test_while_one_thread_reads_others_take_a_cached_value_that_just_expired(self, late, waits):
        reading, may_end = threading.Event(), threading.Event()

        def read(now: datetime) -> datetime:
            if now != NOW:
                reading.set()
                assert may_end.wait(30)
            return now

        remembered = TtlCache(read)
        remembered.at(NOW)
        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(remembered.at, NOW + late)
            assert reading.wait(30)
            other = threads.submit(remembered.at, NOW + late)
            if not waits:
                assert other.result(30) == NOW
            may_end.set()
            assert first.result(30) == NOW + late
            assert other.result(30) == (NOW + late if waits else NOW)
