import numpy as np
import pytest

from ml.collaborative import covisitation
from ml.collaborative.covisitation import Counting
from ml.model_files import ModelFileError, write_arrays
from recommendations.collaborative.covisitation_counts import HISTORIES, CountedHistories
from tests.recommendations.collaborative.histories import history_of

COUNTING = Counting(window=3, distance_decay=0.9, backward_weight=0.6, actor_exponent=0.5)
LISTINGS = np.arange(10, 16)


def counted(history, listing_ids=LISTINGS) -> CountedHistories:
    sequences = history.sequences(listing_ids)
    counts = covisitation.count(sequences, item_count=len(listing_ids), counting=COUNTING)
    return CountedHistories.of(history, listing_ids, counts)


def require_equal(one: CountedHistories, other: CountedHistories) -> None:
    np.testing.assert_allclose(one.counts.pairs.toarray(), other.counts.pairs.toarray(), atol=1e-9)
    assert one.actor_ids.tolist() == other.actor_ids.tolist()
    for name in ("starts", "items", "weights"):
        assert getattr(one.sequences, name).tolist() == getattr(other.sequences, name).tolist()


BEFORE = [(1, [10, 11, 12]), (3, [11, 13]), (5, [14, 10])]


class TestUpdated:
    def test_counts_of_changed_new_and_emptied_actors_equal_counting_everything_again(self):
        """The first actor went on, the third has no interactions left, the second and fourth are new."""
        now = {1: [10, 11, 12, 15], 2: [13, 14], 4: [15]}
        listing_ids = np.append(LISTINGS, 16)
        updated = counted(history_of(*BEFORE)).updated(
            history_of(*now.items()), np.array([1, 2, 3, 4]), listing_ids, COUNTING
        )
        anew = history_of((1, now[1]), (2, now[2]), (4, now[4]), BEFORE[2])
        require_equal(updated, counted(anew, listing_ids))

    def test_counts_without_a_changed_actor_stay_as_they_are(self):
        before = counted(history_of(*BEFORE))
        require_equal(before.updated(history_of(), np.empty(0, np.int64), LISTINGS, COUNTING), before)


class TestActorsOf:
    def test_the_actors_of_items_are_those_whose_sequences_have_any_of_them(self):
        histories = counted(history_of(*BEFORE))
        assert histories.actors_of(np.array([0, 3])).tolist() == [1, 3, 5]
        assert histories.actors_of(np.array([4])).tolist() == [5]
        assert histories.actors_of(np.array([5])).tolist() == []


class TestFiles:
    def test_saved_counts_with_their_histories_are_loaded_unchanged(self, tmp_path):
        histories = counted(history_of(*BEFORE))
        histories.save(tmp_path)
        require_equal(CountedHistories.load(tmp_path), histories)

    def test_histories_that_contradict_themselves_are_refused_by_name(self, tmp_path):
        histories = counted(history_of(*BEFORE))
        histories.save(tmp_path)
        sequences = histories.sequences
        arrays = {"actor_ids": histories.actor_ids, "starts": sequences.starts}
        write_arrays(
            tmp_path / HISTORIES, arrays | {"items": sequences.items, "weights": sequences.weights[:-1]}
        )
        with pytest.raises(ModelFileError, match="histories"):
            CountedHistories.load(tmp_path)
