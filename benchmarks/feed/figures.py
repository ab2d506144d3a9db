"""Metrics of evaluated feeds: accuracy, coverage, fairness to sellers, repeats, diversity and freshness."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.feed.catalogue import Catalogue
from benchmarks.feed.log import EvaluatedSession, Log
from ml.arrays import Matrix, Rows, Vector
from ml.evaluation import ranking_metrics
from recommendations.replica.snapshot import CatalogueSnapshot

K = 20
NEW = timedelta(days=1)  # age up to which a listing counts as new


@dataclass(frozen=True)
class Judge:
    """Evaluates rankings (a, K) int64 of rows, padded with -1, against a questions."""

    catalogue: Catalogue
    log: Log
    questions: Sequence[EvaluatedSession]

    def accuracy(self, ranked: Rows) -> dict[str, float]:
        """Mean NDCG and hit rate at K over all questions, and coverage."""
        return {
            "ndcg20": float(np.mean(self.ndcg(ranked))),
            "hit_rate20": float(np.mean(ranking_metrics.hit_rate(ranked, self.relevant, K))),
            "coverage": self.coverage(ranked),
        }

    def ndcg(self, ranked: Rows) -> Vector:
        """NDCG of each question: (a,)"""
        return ranking_metrics.ndcg(ranked, self.relevant, K)

    def coverage(self, ranked: Rows) -> float:
        """Share of the listings on the market during the evaluation that were shown to any actor."""
        shown = np.unique(ranked[ranked >= 0])
        return len(shown) / max(len(self._offered), 1)

    def character(self, ranked: Rows, second: Rows) -> dict[str, float]:
        """Metrics of the shown listings apart from accuracy; repeats over a feed's first two pages."""
        return {
            "seller_gini": self._seller_gini(ranked),
            "repeat_rate": self._share(np.hstack([ranked, second]), self._is_repeat),
            "sold_shown": self._share(ranked, self._is_gone),
            "intra_list_similarity": float(np.mean([self._similarity(own[own >= 0]) for own in ranked])),
            "new_listing_share": self._share(ranked, self._is_new),
        }

    @cached_property
    def relevant(self) -> csr_matrix:
        """(a, rows), the relevant listings of each question."""
        rows = [[self.catalogue.row_of[name] for name in sorted(one.relevant)] for one in self.questions]
        owners = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
        places = (owners, np.concatenate([np.empty(0, np.int64), *rows]).astype(np.int64))
        shape = (len(rows), self.catalogue.whole.row_count)
        return csr_matrix((np.ones(len(owners), np.float32), places), shape=shape)

    @property
    def _view(self) -> CatalogueSnapshot:
        return self.catalogue.whole

    @cached_property
    def _offered(self) -> Rows:
        """Rows that were on the market at any time between the first question and the last."""
        first, last = self.questions[0].moment, self.questions[-1].moment
        lives = self.log.lives.items()
        return np.array(
            [
                self.catalogue.row_of[name]
                for name, life in lives
                if life.published_at <= last and life.ended_at > first
            ]
        )

    def _seller_gini(self, ranked: Rows) -> float:
        """Gini coefficient of impressions over sellers with listings on the market; 0 is even."""
        sellers = self._view.attributes["seller_id"]
        offering = np.unique(sellers[self._offered])
        places = np.searchsorted(offering, sellers[ranked[ranked >= 0]])
        return gini(np.bincount(places, minlength=len(offering)))

    def _share(self, ranked: Rows, holds) -> float:
        """Share of shown listings for which holds(question, its rows) -> (m,) bool is true."""
        masks = [holds(question, own[own >= 0]) for question, own in zip(self.questions, ranked, strict=True)]
        return float(np.mean(np.concatenate(masks))) if masks else 0.0

    def _is_repeat(self, question: EvaluatedSession, rows: Rows) -> np.ndarray:
        """True for listings that the actor had touched before, or that are shown a second time."""
        touched = [self.catalogue.row_of[name] for name in question.touched]
        first = np.zeros(len(rows), bool)
        first[np.unique(rows, return_index=True)[1]] = True
        return np.isin(rows, touched) | ~first

    def _is_gone(self, question: EvaluatedSession, rows: Rows) -> np.ndarray:
        """True for listings that the log says are not on the market."""
        published, ended = self._lives
        at = question.moment.timestamp()
        return (published[rows] > at) | (ended[rows] <= at)

    def _is_new(self, question: EvaluatedSession, rows: Rows) -> np.ndarray:
        return question.moment.timestamp() - self._lives[0][rows] < NEW.total_seconds()

    @cached_property
    def _lives(self) -> tuple[Vector, Vector]:
        """Timestamps of publication and end of each row's listing: (rows,) float64 each."""
        count = self._view.row_count
        published, ended = np.full(count, np.inf), np.full(count, -np.inf)
        for name, life in self.log.lives.items():
            row = self.catalogue.row_of[name]
            published[row], ended[row] = life.published_at.timestamp(), life.ended_at.timestamp()
        return published, ended

    def _similarity(self, rows: Rows) -> float:
        """Mean similarity of two different listings of a page."""
        if len(rows) < 2:
            return 0.0
        vectors: Matrix = self._view.vectors(rows).astype(np.float32)
        similarity = self._view.comparison.likeness(vectors, vectors)
        return float(np.nanmean(similarity[~np.eye(len(rows), dtype=bool)]))


def gini(counts: np.ndarray) -> float:
    """The Gini coefficient of counts (n,) >= 0: 0 if all are equal, near 1 if one has all."""
    ordered, count = np.sort(counts), len(counts)
    total = ordered.sum()
    if not total:
        return 0.0
    return float(2 * (np.arange(1, count + 1) @ ordered) / (count * total) - (count + 1) / count)
