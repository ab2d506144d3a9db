"""Raw co-visitation counts with the sequences behind them, stored so that refreshes can update the counts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.arrays import Rows, ShapeError
from ml.collaborative import covisitation
from ml.collaborative.covisitation import Counting, Counts, Sequences
from ml.model_files import ModelFileError, read_arrays, write_arrays
from recommendations.collaborative.history import InteractionHistory

COUNTS, HISTORIES = "counts.npz", "histories.npz"
FILES = (COUNTS, HISTORIES)


@dataclass(frozen=True)
class CountedHistories:
    """Raw counts, and the sequences of the actors at the time of counting.

    To count an actor again, the old sequence must be subtracted first. The tables do not hold it any more:
    visitors may have been merged with members, events deleted, or kinds given other weights.
    """

    counts: Counts
    actor_ids: np.ndarray  # (a,) int64, sorted
    sequences: Sequences  # of these actors; items are those of the model

    @classmethod
    def of(cls, history: InteractionHistory, listing_ids: np.ndarray, counts: Counts) -> "CountedHistories":
        """The counts of a history over listing_ids (n,) int64, the model's items."""
        return cls(counts, history.actors, history.sequences(listing_ids))

    def updated(
        self,
        history: InteractionHistory,
        actor_ids: np.ndarray,
        listing_ids: np.ndarray,
        counting: Counting,
    ) -> "CountedHistories":
        """The counts with the sequences of these actors (b,) int64 replaced by their current history.

        Equal to counting everything again. history: all of these actors' interactions; listing_ids: the
        items, starting with those that were counted before.
        """
        after = history.sequences(listing_ids)
        old = np.isin(self.actor_ids, actor_ids)
        counts = covisitation.update(
            self.counts,
            before=_of_actors(self.sequences, old),
            after=after,
            item_count=len(listing_ids),
            counting=counting,
        )
        return _joined(
            counts,
            (self.actor_ids[~old], _of_actors(self.sequences, ~old)),
            (history.actors, after),
        )

    def actors_of(self, items: Rows) -> np.ndarray:
        """Ids of the actors whose sequences have any of these items: (b,) int64"""
        return self.actor_ids[np.unique(self.sequences.actors[np.isin(self.sequences.items, items)])]

    def save(self, folder: Path) -> None:
        """Write its two files into a folder."""
        self.counts.save(folder / COUNTS)
        histories = {
            "actor_ids": self.actor_ids,
            "starts": self.sequences.starts,
            "items": self.sequences.items,
            "weights": self.sequences.weights,
        }
        write_arrays(folder / HISTORIES, histories)

    @classmethod
    def load(cls, folder: Path) -> "CountedHistories":
        """Read what `save` wrote.   Raises ModelFileError."""
        arrays = read_arrays(folder / HISTORIES, ("actor_ids", "starts", "items", "weights"))
        actor_ids = arrays.pop("actor_ids")
        try:
            return cls(Counts.load(folder / COUNTS), actor_ids, Sequences(**arrays))
        except (ShapeError, IndexError) as error:
            raise ModelFileError(f"{folder / HISTORIES} contradicts itself: {error}") from error


def _of_actors(sequences: Sequences, chosen: np.ndarray) -> Sequences:
    """The sequences of the chosen actors (a,) bool."""
    entries = chosen[sequences.actors]
    return Sequences.of_lengths(
        sequences.lengths[chosen], sequences.items[entries], sequences.weights[entries]
    )


def _joined(counts: Counts, *parts: tuple[np.ndarray, Sequences]) -> CountedHistories:
    """Counts with the sequences of disjoint sets of actors joined, ordered by actor."""
    actor_ids = np.concatenate([ids for ids, _ in parts])
    lengths = np.concatenate([sequences.lengths for _, sequences in parts])
    order = np.argsort(actor_ids, kind="stable")
    entries = np.argsort(np.repeat(actor_ids, lengths), kind="stable")
    items = np.concatenate([sequences.items for _, sequences in parts])
    weights = np.concatenate([sequences.weights for _, sequences in parts])
    return CountedHistories(
        counts, actor_ids[order], Sequences.of_lengths(lengths[order], items[entries], weights[entries])
    )
