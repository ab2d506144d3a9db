import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.arrays import ShapeError
from ml.collaborative import covisitation
from ml.collaborative.covisitation import (
    Counting,
    Counts,
    Neighbours,
    Normalisation,
    Sequences,
    count,
    normalise,
    prune,
    recency,
    update,
)
from ml.model_files import ModelFileError, read_arrays

ITEMS = 6
PLAIN = Counting(actor_exponent=0.0)  # any distance, both directions alike, long actors at full weight

sequence = st.lists(st.integers(0, ITEMS - 1), unique=True, max_size=ITEMS)
countings = st.builds(
    Counting,
    window=st.sampled_from([None, 1, 2, 100]),
    distance_decay=st.sampled_from([1.0, 0.5]),
    backward_weight=st.sampled_from([1.0, 0.6, 0.0]),
    actor_exponent=st.sampled_from([0.0, 0.5]),
)


def of(*touched: list[int]) -> Sequences:
    """A sequence for each actor; item i has the weight i + 1."""
    items = np.array([item for each in touched for item in each], np.int32)
    return Sequences.of_lengths(np.array([len(each) for each in touched], int), items, items + 1.0)


def alike(*touched: list[int]) -> Sequences:
    """The same with equal weights."""
    sequences = of(*touched)
    return Sequences(sequences.starts, sequences.items, np.ones_like(sequences.weights))


def pairs(sequences: Sequences, counting: Counting, item_count: int = ITEMS) -> np.ndarray:
    return count(sequences, item_count=item_count, counting=counting).pairs.toarray()


class TestCount:
    def test_covisitation_counts_fall_with_distance_and_are_smaller_backwards(self):
        counting = Counting(distance_decay=0.5, backward_weight=0.25, actor_exponent=0)
        expected = [[0, 1, 0.5], [0.25, 0, 1], [0.125, 0.25, 0]]  # from the row's item to the column's
        assert pairs(alike([0, 1, 2]), counting, item_count=3).tolist() == expected

    def test_a_pair_further_apart_than_the_window_is_not_counted(self):
        counted = pairs(alike([0, 1, 2]), Counting(window=1, actor_exponent=0), item_count=3)
        assert counted.tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]

    def test_covisitation_counts_of_two_actors_are_summed(self):
        counted = pairs(alike([0, 1], [1, 0]), Counting(backward_weight=0.5, actor_exponent=0), item_count=2)
        assert counted.tolist() == [[0, 1.5], [1.5, 0]]

    def test_the_last_listing_of_an_actor_does_not_lead_to_the_first_of_the_next(self):
        assert pairs(alike([0, 1], [2, 3]), Counting(window=1))[1, 2] == 0

    def test_a_covisited_pair_weighs_the_geometric_mean_of_its_two_weights(self):
        assert pairs(of([0, 3]), PLAIN)[0, 3] == pytest.approx(2)  # of 1 and 4

    def test_an_actor_who_touched_more_counts_less_for_each_pair(self):
        counting = Counting(actor_exponent=0.5)
        assert pairs(alike([0, 1, 2, 3]), counting)[0, 1] == pytest.approx(0.5)
        assert pairs(alike([0]), counting).sum() == 0

    def test_the_degree_of_a_listing_is_the_sum_of_its_weights(self):
        counts = count(of([0, 3], [3]), item_count=5, counting=PLAIN)
        assert counts.degrees.tolist() == [1, 0, 0, 4, 0]

    def test_without_actors_or_their_events_there_are_no_covisitation_counts(self):
        assert pairs(of(), Counting(window=3)).sum() == 0
        assert pairs(of([], []), PLAIN).sum() == 0

    @given(st.lists(sequence, max_size=5), st.sampled_from([0.0, 0.5]))
    def test_without_order_covisitation_counts_are_the_gram_matrix_without_its_diagonal(
        self, touched, exponent
    ):
        matrix = np.zeros((len(touched), ITEMS))
        for actor, items in enumerate(touched):
            matrix[actor, items] = np.sqrt(np.array(items) + 1.0) * max(len(items), 1) ** (-exponent / 2)
        gram = matrix.T @ matrix
        np.fill_diagonal(gram, 0)
        for counting in (Counting(actor_exponent=exponent), Counting(ITEMS, actor_exponent=exponent)):
            assert np.allclose(pairs(of(*touched), counting), gram)  # by a product, and pair by pair

    def test_covisitation_counts_do_not_depend_on_the_chunk_size(self, monkeypatch, rng):
        sequences = of(*(rng.permutation(ITEMS).tolist() for _ in range(9)))
        counting = Counting(window=4, distance_decay=0.9, backward_weight=0.6)
        whole = pairs(sequences, counting)
        monkeypatch.setattr(covisitation, "CHUNK_PAIRS", 1)
        assert np.allclose(pairs(sequences, counting), whole)

    def test_sequences_are_made_from_a_matrix_of_weights(self):
        sequences = of([2, 0], [], [1])
        matrix = covisitation.csr_matrix(
            (sequences.weights, sequences.items, sequences.starts), shape=(3, ITEMS)
        )
        again = Sequences.of_matrix(matrix)
        assert again.items.tolist() == [2, 0, 1]
        assert again.actors.tolist() == [0, 0, 2]

    def test_sequence_entries_that_belong_to_no_actor_are_refused(self):
        with pytest.raises(ShapeError):
            Sequences(np.array([0, 1]), np.array([0, 1], np.int32), np.ones(2, np.float32))


class TestUpdate:
    @given(st.lists(st.tuples(sequence, sequence), max_size=4), st.lists(sequence, max_size=3), countings)
    def test_updated_covisitation_counts_equal_counting_everything_again(self, changed, others, counting):
        """Some actors' sequences changed, some actors and items are new, others stay as they were."""
        before, after = [was for was, _ in changed], [now for _, now in changed]
        newer = [[item, ITEMS, ITEMS + 1] for item in range(2)]
        counts = count(of(*others, *before), item_count=ITEMS, counting=counting)
        updated = update(
            counts,
            before=of(*before, [], []),
            after=of(*after, *newer),
            item_count=ITEMS + 2,
            counting=counting,
        )
        anew = count(of(*others, *after, *newer), item_count=ITEMS + 2, counting=counting)
        assert np.allclose(updated.pairs.toarray(), anew.pairs.toarray(), atol=1e-9)
        assert np.allclose(updated.degrees, anew.degrees)
        assert updated.pairs.nnz == anew.pairs.nnz, "what was taken back leaves no dust"

    def test_updating_covisitation_counts_leaves_those_before_unchanged(self):
        counts = count(of([0, 1]), item_count=2, counting=PLAIN)
        update(counts, before=of([0, 1]), after=of([0, 1, 2]), item_count=3, counting=PLAIN)
        assert counts.pairs.shape == (2, 2)
        assert counts.pairs[0, 1] == pytest.approx(2**0.5)

    def test_updating_covisitation_counts_to_fewer_listings_is_refused(self):
        counts = count(of([0, 1]), item_count=2, counting=PLAIN)
        with pytest.raises(ShapeError):
            update(counts, before=of(), after=of(), item_count=1, counting=PLAIN)


def normalised(counts: Counts, **how) -> np.ndarray:
    return normalise(counts, Normalisation(**how)).toarray()


class TestNormalise:
    @pytest.fixture
    def counts(self):
        """Item 0 occurs with every item, 1 and 2 also with each other."""
        return count(alike([0, 1, 2], [0, 3], [0, 4]), item_count=5, counting=PLAIN)

    def test_the_greatest_normalised_covisitation_weight_is_one(self, counts):
        assert normalised(counts).max() == 1
        assert normalised(count(of(), item_count=3, counting=PLAIN)).max() == 0

    def test_a_listing_covisited_with_every_other_is_normalised_down(self, counts):
        weights = normalised(counts, target_exponent=0.5)
        assert weights[1, 2] > weights[1, 0]
        assert counts.pairs[1, 2] == counts.pairs[1, 0]

    def test_without_exponents_normalised_counts_keep_their_proportion(self, counts):
        weights = normalised(counts, source_exponent=0, target_exponent=0)
        assert np.allclose(weights, counts.pairs.toarray() / counts.pairs.max())

    def test_sharpness_raises_strong_covisitation_over_weak(self, counts):
        assert np.allclose(normalised(counts, sharpness=2), normalised(counts) ** 2)


class TestPrune:
    WEIGHTS = covisitation.csr_matrix(np.array([[0, 0.5, 0.25, 1], [0, 0, 0.5, 0], [0] * 4, [0] * 4]))

    def test_pruning_keeps_the_strongest_neighbours_strongest_first(self):
        kept = prune(self.WEIGHTS, keep=2)
        assert kept.items[0].tolist() == [3, 1]
        assert kept.weights[0].tolist() == [1, 0.5]

    def test_pruning_fills_short_neighbour_lists_with_weight_zero(self):
        kept = prune(self.WEIGHTS, keep=2)
        assert kept.weights[1:].tolist() == [[0.5, 0], [0, 0], [0, 0]]

    def test_pruning_keeps_only_targets_as_neighbours(self):
        kept = prune(self.WEIGHTS, keep=2, targets=np.array([True, True, True, False]))
        assert kept.items[0].tolist() == [1, 2]
        assert prune(self.WEIGHTS, targets=np.zeros(4, bool)).weights.sum() == 0

    def test_pruned_neighbours_are_no_wider_than_the_longest_list(self):
        assert prune(self.WEIGHTS, keep=200).items.shape == (4, 3)


class TestScore:
    @given(
        st.lists(sequence, min_size=1, max_size=5),
        st.lists(st.tuples(st.integers(0, ITEMS - 1), st.floats(0.25, 4, width=16)), max_size=4),
    )
    def test_covisitation_scores_equal_a_dense_product(self, touched, liked):
        neighbours = prune(normalise(count(of(*touched), item_count=ITEMS, counting=PLAIN), Normalisation()))
        dense = np.zeros((ITEMS, ITEMS))
        for item in range(ITEMS):
            np.add.at(dense[item], neighbours.items[item], neighbours.weights[item].astype(float))
        rows = np.array([item for item, _ in liked], np.int64)
        weights = np.array([weight for _, weight in liked], np.float32)
        scores = neighbours.score(rows, weights)
        assert scores.shape == (ITEMS,) and scores.dtype == np.float32
        assert np.allclose(scores, weights @ dense[rows], atol=1e-5)

    def test_covisitation_scores_demand_a_weight_for_each_touched_listing(self):
        with pytest.raises(ShapeError):
            prune(TestPrune.WEIGHTS).score(np.array([0, 1]), np.ones(1, np.float32))


def test_recency_halves_with_each_entry_since():
    factors = recency(np.array([3, 0, 2]), 0.5)
    assert factors.tolist() == [0.25, 0.5, 1, 0.5, 1]
    assert factors.dtype == np.float32


class TestSavedCounts:
    @pytest.fixture
    def counts(self):
        return count(of([0, 1, 2], [2, 3]), item_count=4, counting=Counting(window=2))

    @pytest.fixture
    def file(self, counts, tmp_path):
        counts.save(tmp_path / "counts.npz")
        return tmp_path / "counts.npz"

    def test_saved_covisitation_counts_are_loaded_unchanged(self, counts, file):
        loaded = Counts.load(file)
        assert (loaded.pairs != counts.pairs).nnz == 0
        assert (loaded.degrees == counts.degrees).all()
        assert loaded.item_count == 4

    @pytest.mark.parametrize(
        "change",
        [
            {"degrees": np.ones(3)},
            {"degrees": np.float64(1)},
            {"indptr": np.array([0, 1])},
            {"indices": np.full(8, 7, np.int32)},
            {"data": np.ones(3)},
        ],
    )
    def test_loading_covisitation_counts_refuses_arrays_that_contradict_each_other(self, file, change):
        np.savez(file, **(read_arrays(file, ("data", "indices", "indptr", "degrees")) | change))
        with pytest.raises(ModelFileError, match=r"counts\.npz"):
            Counts.load(file)

    @pytest.mark.parametrize("content", [None, b"", b"junk"])
    def test_loading_covisitation_counts_refuses_a_missing_or_damaged_file(self, file, content):
        file.unlink() if content is None else file.write_bytes(content)
        with pytest.raises(ModelFileError, match=r"counts\.npz"):
            Counts.load(file)


class TestSavedNeighbours:
    @pytest.fixture
    def file(self, tmp_path):
        prune(TestPrune.WEIGHTS).save(tmp_path / "neighbours.npz")
        return tmp_path / "neighbours.npz"

    def test_saved_neighbours_are_loaded_unchanged(self, file):
        loaded, saved = Neighbours.load(file), prune(TestPrune.WEIGHTS)
        assert (loaded.items == saved.items).all()
        assert (loaded.weights == saved.weights).all()

    @pytest.mark.parametrize(
        "change",
        [
            {"items": np.full((4, 3), 4, np.int32)},
            {"items": np.full((4, 3), -1, np.int32)},
            {"items": np.zeros((4, 3), np.int64)},
            {"items": np.zeros((3, 3), np.int32)},
            {"items": np.zeros(4, np.int32)},
            {"weights": np.zeros((4, 3), np.float32)},
        ],
    )
    def test_loading_neighbours_refuses_arrays_that_contradict_each_other(self, file, change):
        np.savez(file, **(read_arrays(file, ("items", "weights")) | change))
        with pytest.raises(ModelFileError, match=r"neighbours\.npz"):
            Neighbours.load(file)

    def test_loading_neighbours_refuses_half_a_file(self, file):
        file.write_bytes(file.read_bytes()[:200])
        with pytest.raises(ModelFileError):
            Neighbours.load(file)

    def test_loading_neighbours_refuses_pickled_objects(self, file):
        np.savez(file, items=np.array([object()]), weights=np.zeros((1, 1), np.float16))
        with pytest.raises(ModelFileError, match="pickle"):
            Neighbours.load(file)
