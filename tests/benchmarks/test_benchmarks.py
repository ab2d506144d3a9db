"""The benchmarks on worlds small enough to know what is right."""

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import cold_start, gowalla, protocol, sequences
from benchmarks.protocol import BadData
from tests.benchmarks.conftest import ITEMS, write_lists


def run_as_a_user(name: str, data) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--data", str(data), "--json"]
    return subprocess.run(command, capture_output=True, text=True)


class TestGowalla:
    def test_gowalla_models_recommend_items_of_the_users_own_taste(self, gowalla_folder):
        figures = gowalla.main(gowalla_folder)
        # Twenty of the fifty untouched items, three of which are wanted: chance has .4, the right half .9.
        assert figures["recall20"] > 0.8
        assert {"ndcg20", "fit_cpu_s", "tune_cpu_s", "item_item_recall20", "als_ndcg20"} <= figures.keys()
        assert json.loads(json.dumps(figures)) == figures

    def test_held_out_and_training_interactions_make_the_whole(self, gowalla_folder):
        train = gowalla.read_users(gowalla_folder / "train.txt")
        rest, held_out = gowalla.split(train)
        assert ((rest + held_out) != train).nnz == 0
        assert 0 < held_out.nnz < rest.nnz

    def test_the_test_file_is_not_read_before_the_models_are_fitted(self, gowalla_folder, monkeypatch):
        read, fit = [], gowalla.fit
        monkeypatch.setattr(gowalla, "fit", lambda *args: read.append("fit") or fit(*args))
        read_users = gowalla.read_users
        monkeypatch.setattr(
            gowalla,
            "read_users",
            lambda path, **options: read.append(path.name) or read_users(path, **options),
        )
        gowalla.main(gowalla_folder)
        assert read == ["train.txt", "fit", "fit", "test.txt"]

    def test_a_test_file_with_unknown_items_is_refused(self, gowalla_folder):
        write_lists(gowalla_folder / "test.txt", [[ITEMS + 5]])
        with pytest.raises(BadData, match=r"test\.txt"):
            gowalla.main(gowalla_folder)


class TestSequences:
    def test_each_sequence_task_asks_for_the_item_after_the_known_ones(self):
        task = sequences.task_at([[1, 2, 3, 4, 5], [6, 7]], held_out=1, item_count=8)
        assert task.fitted == [[1, 2, 3]]
        assert task.histories == [[1, 2, 3, 4]]
        assert task.targets == [5]

    def test_tuning_on_sequences_never_sees_the_last_item(self, sequences_file, monkeypatch):
        tuned_on = []
        tune = sequences.tune
        monkeypatch.setattr(sequences, "tune", lambda task: tuned_on.append(task) or tune(task))
        sequences.main(sequences_file)
        whole = sequences.read_sequences(sequences_file)
        assert tuned_on[0].targets == [items[-2] for items in whole]
        assert tuned_on[0].histories == [items[:-2] for items in whole]

    def test_an_item_that_always_comes_next_is_recommended(self, tmp_path, rng):
        chains = [[int(first) + step for step in range(6)] for first in rng.integers(1, 200, size=600)]
        write_lists(tmp_path / "chains.txt", chains)
        assert sequences.main(tmp_path / "chains.txt")["hr10"] > 0.9

    def test_a_repeated_item_of_a_sequence_stands_at_its_last_place(self, tmp_path):
        write_lists(tmp_path / "twice.txt", [[3, 4, 3, 5]])
        assert sequences.read_sequences(tmp_path / "twice.txt") == [[4, 3, 5]]


class TestColdStart:
    def test_cold_items_are_recommended_by_their_content(self, attributes_folder):
        figures = cold_start.main(attributes_folder)
        assert figures["ndcg20"] > 0.5
        assert figures["over_content_knn"] == pytest.approx(
            figures["ndcg20"] / figures["ndcg20_content_knn"], abs=1e-3
        )
        low, high = figures["over_content_knn_interval"]
        assert low <= figures["over_content_knn"] <= high

    def test_cold_items_are_not_in_the_training_data(self, attributes_folder, tastes):
        vectors = np.eye(ITEMS, dtype=np.float32)
        world = cold_start.world_without(tastes, vectors, np.random.default_rng(1))
        assert not world.touched[:, world.cold].nnz
        assert world.wanted.nnz == sum(item in set(world.cold) for items in tastes for item in items)

    def test_a_cold_start_data_set_without_attributes_is_refused(self, sequences_file):
        with pytest.raises(BadData, match="json"):
            cold_start.main(sequences_file.parent)


class TestProtocol:
    def test_a_line_of_a_data_set_that_is_no_list_of_numbers_is_named(self, tmp_path):
        (tmp_path / "bad.txt").write_text("0 1 2\n1 two\n")
        with pytest.raises(BadData, match="line 2"):
            list(protocol.read_lists(tmp_path / "bad.txt"))

    def test_an_empty_data_set_is_refused(self, tmp_path):
        (tmp_path / "empty.txt").write_text("")
        with pytest.raises(BadData, match="no user"):
            sequences.main(tmp_path / "empty.txt")

    def test_neighbour_lists_score_the_same_as_a_matrix(self, rng):
        from scipy.sparse import random as random_matrix

        from ml.collaborative import covisitation

        neighbours = covisitation.prune(random_matrix(20, 20, density=0.3, format="csr", rng=rng), keep=5)
        touched = np.array([3, 7])
        row = np.zeros((1, 20), np.float32)
        row[0, touched] = [1.0, 0.5]
        expected = neighbours.score(touched, np.array([1.0, 0.5], np.float32))
        assert np.allclose((row @ protocol.as_matrix(neighbours))[0], expected, atol=1e-5)

    def test_a_benchmark_prints_one_json_object_as_its_last_line(self, sequences_file):
        finished = run_as_a_user("sequences", sequences_file)
        assert finished.returncode == 0, finished.stderr
        assert "hr10" in json.loads(finished.stdout.strip().splitlines()[-1])

    def test_a_benchmark_without_its_data_ends_with_a_message(self, tmp_path):
        finished = run_as_a_user("sequences", tmp_path / "nothing.txt")
        assert finished.returncode == 1
        assert "nothing.txt" in finished.stderr and "Traceback" not in finished.stderr
