"""Failpoints, with signals that are noted instead of sent."""

import os
import signal

import pytest

from listings.errors import Invalid
from recommendations.core import failpoints


@pytest.fixture
def crash_points(monkeypatch, tmp_path):
    """The file that CRASH_POINTS names, not written yet."""
    file = tmp_path / "points"
    monkeypatch.setattr(failpoints, "FILE", str(file))
    return file


@pytest.fixture
def signals(monkeypatch) -> list[signal.Signals]:
    """The signals that this process would have got."""
    sent = []
    monkeypatch.setattr(failpoints.os, "kill", lambda pid, number: sent.append((pid, number)))
    return sent


def test_a_failpoint_sends_the_signal_of_its_line(crash_points, signals):
    crash_points.write_text("index.written SIGKILL\nindex.synced SIGSTOP\n")
    failpoints.failpoint("index.synced")
    failpoints.failpoint("index.renamed")
    assert signals == [(os.getpid(), signal.SIGSTOP)]


def test_a_failpoint_of_a_listing_is_reached_with_that_listing_alone(crash_points, signals):
    crash_points.write_text("embedding.claimed 17 SIGKILL\n")
    failpoints.failpoint("embedding.claimed", [1, 7])
    assert signals == []
    failpoints.failpoint("embedding.claimed", [1, 17])
    assert signals == [(os.getpid(), signal.SIGKILL)]


def test_failpoints_without_their_file_send_nothing(crash_points, signals, monkeypatch):
    failpoints.failpoint("index.written")
    monkeypatch.setattr(failpoints, "FILE", None)
    failpoints.failpoint("index.written")
    assert signals == []


def test_failpoints_are_refused_in_production(crash_points, settings, monkeypatch):
    settings.SECURE_SSL_REDIRECT = False
    failpoints.refuse_in_production()
    settings.SECURE_SSL_REDIRECT = True
    with pytest.raises(Invalid, match="CRASH_POINTS"):
        failpoints.refuse_in_production()
    monkeypatch.setattr(failpoints, "FILE", None)
    failpoints.refuse_in_production()
