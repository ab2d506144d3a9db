"""Number of OpenMP and BLAS threads of a process."""

import os

import pytest

from marketplace.native_threads import COUNTS, set_native_threads


@pytest.fixture(autouse=True)
def no_count(monkeypatch):
    for variable in (*COUNTS, "OMP_WAIT_POLICY"):
        monkeypatch.setenv(variable, "")  # restored after the test, also where it was not set
        monkeypatch.delenv(variable)


def test_every_library_gets_the_count_and_its_threads_sleep():
    set_native_threads(2)
    assert {os.environ[variable] for variable in COUNTS} == {"2"}
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_a_count_of_the_environment_is_kept(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    set_native_threads(2)
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OPENBLAS_NUM_THREADS"]) == ("7", "2")
