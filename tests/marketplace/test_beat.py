"""Periodic tasks go on after a clock that was ahead."""

from datetime import timedelta

import pytest
from kombu.utils.imports import symbol_by_name

from marketplace.celery import app

conf = app.conf


class TestAClockThatWasAhead:
    @pytest.fixture
    def scheduler(self, tmp_path):
        """Beat's scheduler, with its own schedule file."""
        begun = []

        def begin():
            kept = {"schedule_filename": str(tmp_path / "schedule"), "app": app, "lazy": False}
            begun.append(symbol_by_name(conf.beat_scheduler)(**kept))
            return begun[-1]

        yield begin
        for each in begun:
            each.close()

    @pytest.mark.parametrize("is_started_anew", [False, True])
    def test_a_clock_that_was_ahead_does_not_stop_the_tasks_of_beat(
        self, scheduler, monkeypatch, is_started_anew
    ):
        rung = []
        beat = scheduler()
        for entry in beat.schedule.values():
            entry.last_run_at = entry.default_now() + timedelta(days=3650)
        if is_started_anew:
            beat.close()
            beat = scheduler()
        monkeypatch.setattr(beat, "apply_entry", lambda entry, producer=None: rung.append(entry.name))
        assert beat.tick() <= 2
        for entry in beat.schedule.values():
            entry.last_run_at -= timedelta(minutes=2)
        beat._heap = None
        for _ in beat.schedule:
            beat.tick()
        assert {"embed-pending", "roll-up-trending", "train-when-due"} <= set(rung)
