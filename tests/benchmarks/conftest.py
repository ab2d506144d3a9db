"""Small worlds of two tastes: users and items of the first half belong together, and so do the others."""

import json

import numpy as np
import pytest

from benchmarks import cold_start, gowalla, sequences

USERS, ITEMS = 120, 60


@pytest.fixture(autouse=True)
def few_trials(monkeypatch):
    for module in (cold_start, gowalla, sequences):
        monkeypatch.setattr(module, "FACTORS", 8)
        monkeypatch.setattr(module, "ITERATIONS", 3)
    monkeypatch.setattr(gowalla, "TUNING_FACTORS", 8)
    for module, name in (
        *((gowalla, "ITEM_ITEM_TRIALS"), (gowalla, "ALS_TRIALS")),
        *((sequences, "ORDER_TRIALS"), (sequences, "ALS_TRIALS")),
        *((cold_start, "SMOOTHER_TRIALS"), (cold_start, "PRIOR_TRIALS")),
    ):
        monkeypatch.setattr(module, name, 2)
    monkeypatch.setattr(cold_start, "NEIGHBOURHOODS", (5, 10))


@pytest.fixture
def tastes(rng) -> list[list[int]]:
    """What each user took, in order: twelve items of their own half."""
    halves = [np.arange(1, ITEMS // 2), np.arange(ITEMS // 2, ITEMS)]
    return [rng.choice(halves[user % 2], size=12, replace=False).tolist() for user in range(USERS)]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def write_lists(path, lists: list[list[int]]) -> None:
    path.write_text("".join(f"{user} {' '.join(map(str, items))}\n" for user, items in enumerate(lists)))


@pytest.fixture
def gowalla_folder(tmp_path, tastes):
    write_lists(tmp_path / "train.txt", [items[:9] for items in tastes])
    write_lists(tmp_path / "test.txt", [items[9:] for items in tastes])
    return tmp_path


@pytest.fixture
def sequences_file(tmp_path, tastes):
    write_lists(tmp_path / "world.txt", tastes)
    return tmp_path / "world.txt"


@pytest.fixture
def attributes_folder(sequences_file, rng):
    """Each item has an attribute of its half and two that mean nothing."""
    attributes = {
        str(item): [1 if item < ITEMS // 2 else 2, *rng.choice(np.arange(3, 12), 2, replace=False).tolist()]
        for item in range(1, ITEMS)
    }
    (sequences_file.parent / "attributes.json").write_text(json.dumps(attributes))
    return sequences_file.parent
