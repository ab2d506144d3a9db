"""Files of metrics: allocated once, and deleted after their processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recommendations.core import process_metrics
from recommendations.core.process_metrics import FOREIGN_KEPT_S, HOST, MetricFiles, delete_orphans


@pytest.fixture
def folder(settings, tmp_path) -> Path:
    settings.METRICS_ROOT = tmp_path / "metrics"
    settings.METRICS_ROOT.mkdir()
    return settings.METRICS_ROOT


def ended_pid() -> int:
    """The id of a process that ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_metric_files_of_a_process_that_ended_with_its_parent_are_deleted(folder):
    ended, running = ended_pid(), os.getpid()
    pairs = [(ended, ended), (running, ended), (ended, running)]
    files = [folder / f"counter_{HOST}-{parent}-{pid}.db" for parent, pid in pairs]
    for file in files:
        file.touch()
    assert delete_orphans() == 1
    assert [file.exists() for file in files] == [False, True, True]


def test_metric_files_of_another_host_are_deleted_when_they_are_old(folder):
    old, new = (folder / f"counter_elsewhere-1-{pid}.db" for pid in (2, 3))
    for file in (old, new):
        file.touch()
    then = time.time() - FOREIGN_KEPT_S - 60
    os.utime(old, (then, then))
    assert delete_orphans() == 1
    assert (old.exists(), new.exists()) == (False, True)


def test_there_are_no_orphans_without_a_folder_of_metrics(settings, tmp_path):
    settings.METRICS_ROOT = tmp_path / "gone"
    assert delete_orphans() == 0


def test_metric_files_are_allocated_at_their_full_size(folder, monkeypatch):
    monkeypatch.setattr(process_metrics, "SIZES", {"counter": 4096})
    assert MetricFiles().are_ready()
    (file,) = folder.iterdir()
    assert file.stat().st_size == 4096


def test_metric_files_that_cannot_be_made_are_not_tried_at_each_count(settings, tmp_path, caplog):
    settings.METRICS_ROOT = tmp_path / "file" / "metrics"
    (tmp_path / "file").touch()
    files = MetricFiles()
    assert not files.are_ready()
    assert "No metrics are kept" in caplog.text
    caplog.clear()
    assert not files.are_ready()
    assert caplog.text == ""
