"""Candidates and scores of each source, on a world small enough to check by eye."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from ml.collaborative.content_prior import ContentPrior, ContentSmoother
from recommendations.models.feature_names import SOURCES
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.retrieval import candidates
from recommendations.retrieval.candidates import gather, propose, score_rows
from tests.recommendations.small_world import BLOCKS, changed, load, model, taste, words

NOW = datetime(2026, 3, 2, tzinfo=UTC)
FACTORS = {1: (1.0, 0.0), 2: (0.5, 0.5), 3: (0.0, 1.0)}
SOFAS, BIKES, COATS = 0, 1, 2  # directions of words
# Whoever likes what 1 is like is to like sofas, and coats half as much.
PRIOR = ContentPrior(
    np.array([[0, 0]] * 4 + [[1, 0], [0, 1], [0.5, 0], [0, 0]], np.float32), np.ones(2, "f4")
)


def listings(snapshot: CatalogueSnapshot, rows) -> list[int]:
    return snapshot.attributes["listing_id"][rows].tolist()


def scores_of(snapshot: CatalogueSnapshot, profile, source: str) -> dict[int, float]:
    """The scores of live listings from a source, rounded; unknown ones are left out."""
    rows = np.flatnonzero(snapshot.alive).astype(np.int32)
    scores = score_rows(snapshot, profile, rows, now=NOW)[:, SOURCES.index(source)]
    scored = zip(listings(snapshot, rows), scores.tolist(), strict=True)
    return {pk: round(score, 3) for pk, score in scored if not np.isnan(score)}


def proposed_by_each(
    monkeypatch, snapshot: CatalogueSnapshot, profile, count: int = 1, allowed=None
) -> set[int]:
    """What is proposed when each source names so many."""
    monkeypatch.setattr(candidates, "PER_SOURCE", count)
    return set(listings(snapshot, propose(snapshot, profile, snapshot.alive if allowed is None else allowed)))


class TestGather:
    @pytest.fixture
    def snapshot(self):
        return load((1, SOFAS), (2, SOFAS), (3, BIKES), (4, COATS)).with_collaborative(model(FACTORS))

    def test_candidate_rows_are_unique_int32_and_scores_float32(self, snapshot):
        gathered = gather(
            snapshot, taste(snapshot, {1: 1.0}, interests=(words(SOFAS),)), snapshot.alive, now=NOW
        )
        assert gathered.rows.tolist() == [0, 1, 2, 3]
        assert gathered.rows.dtype == np.int32
        assert gathered.scores.shape == (4, len(SOURCES))
        assert gathered.scores.dtype == np.float32

    def test_only_allowed_rows_are_proposed(self, snapshot):
        profile = taste(snapshot, {1: 1.0}, interests=(words(SOFAS),))
        allowed = np.array([False, True, False, True])
        assert gather(snapshot, profile, allowed, now=NOW).rows.tolist() == [1, 3]
        assert gather(snapshot, profile, np.zeros(4, bool), now=NOW).scores.shape == (0, len(SOURCES))

    def test_an_empty_profile_has_scores_only_from_trending_and_freshness(self, snapshot):
        scores = gather(snapshot, taste(snapshot, {}), snapshot.alive, now=NOW).scores
        of_taste = [place for place, name in enumerate(SOURCES) if name not in ("trending", "fresh")]
        assert np.isnan(scores[:, of_taste]).all()
        assert not np.isnan(np.delete(scores, of_taste, axis=1)).any()

    def test_the_score_of_a_row_does_not_depend_on_the_other_rows(self):
        trained = model(FACTORS, {1: {2: 0.5, 3: 0.25}}, prior=PRIOR)
        snapshot = load((1, SOFAS), (2, SOFAS), (3, BIKES), (4, SOFAS), (5, COATS)).with_collaborative(
            trained
        )
        profile = taste(snapshot, {1: 1.0}, interests=(words(SOFAS),))
        together = score_rows(snapshot, profile, np.arange(5), now=NOW)
        alone = [score_rows(snapshot, profile, np.array([row]), now=NOW)[0] for row in range(5)]
        assert np.allclose(together, alone, equal_nan=True)


class TestContent:
    def test_an_interest_without_blocks_in_common_with_a_listing_does_not_silence_another(self):
        snapshot = load((1, SOFAS))
        look = np.zeros(BLOCKS.dimension, np.float32)
        look[0] = 1
        assert scores_of(snapshot, taste(snapshot, {1: 1.0}, interests=(look, words(SOFAS))), "content") == {
            1: 1.0
        }
        assert scores_of(snapshot, taste(snapshot, {1: 1.0}, interests=(look,)), "content") == {}


class TestCollaborative:
    def test_a_listing_in_the_model_is_scored_by_its_factors(self):
        snapshot = load((1, SOFAS), (2, SOFAS), (9, COATS)).with_collaborative(model(FACTORS))
        profile = replace(taste(snapshot, {1: 1.0}), factors=np.array([2.0, 1.0], np.float32))
        assert scores_of(snapshot, profile, "collaborative") == {1: 2.0, 2: 1.5}

    def test_a_listing_outside_the_model_is_scored_by_the_prior(self):
        snapshot = load((1, BIKES), (8, BIKES), (9, COATS)).with_collaborative(model(FACTORS, prior=PRIOR))
        profile = replace(taste(snapshot, {1: 1.0}), factors=np.array([2.0, 1.0], np.float32))
        assert scores_of(snapshot, profile, "collaborative") == {1: 2.0, 8: 1 + 3, 9: 1 + 3}

    def test_a_prior_for_other_vectors_gives_no_scores(self):
        trained = model(FACTORS, prior=PRIOR, encoder_version="another")
        snapshot = load((1, BIKES), (8, BIKES)).with_collaborative(trained)
        assert scores_of(snapshot, taste(snapshot, {1: 1.0}), "collaborative").keys() == {1}

    def test_the_best_by_factors_and_the_best_by_the_prior_are_proposed(self, monkeypatch):
        """Listing 9, the newest, comes up by that."""
        world = load((1, BIKES), (2, BIKES), (3, BIKES), (7, SOFAS), (8, COATS), (9, BIKES))
        profile = {"factors": np.array([2.0, 0.1], np.float32)}
        snapshot = world.with_collaborative(model(FACTORS))
        assert proposed_by_each(monkeypatch, snapshot, replace(taste(snapshot, {3: 1.0}), **profile)) == {
            1,
            9,
        }
        snapshot = world.with_collaborative(model(FACTORS, prior=PRIOR))
        profile = replace(taste(snapshot, {3: 1.0}), **profile)
        assert proposed_by_each(monkeypatch, snapshot, profile) == {1, 7, 9}
        allowed = snapshot.alive & ~np.isin(snapshot.attributes["listing_id"], [1, 7])
        assert proposed_by_each(monkeypatch, snapshot, profile, allowed=allowed) == {2, 8, 9}


class TestCovisitation:
    LEADS = {1: {2: 0.5, 3: 0.25}, 4: {3: 1.0}}

    @pytest.fixture
    def trained(self):
        smoother = ContentSmoother(np.eye(BLOCKS.dimension, dtype=np.float32))
        return model(FACTORS | {4: (0.0, 0.0)}, self.LEADS, smoother=smoother)

    def test_a_covisitation_score_is_the_sum_of_links_from_touched_listings(self, trained):
        snapshot = load((1, SOFAS), (2, SOFAS), (3, BIKES)).with_collaborative(trained)
        assert scores_of(snapshot, taste(snapshot, {1: 2.0}), "covisitation") == {1: 0, 2: 1.0, 3: 0.5}

    def test_a_touched_listing_that_was_sold_counts_in_covisitation(self, trained):
        snapshot = load((1, SOFAS), (2, SOFAS), (3, BIKES)).with_collaborative(trained)
        assert scores_of(snapshot, taste(snapshot, {1: 1.0, 4: 0.5}), "covisitation") == {
            1: 0,
            2: 0.5,
            3: 0.75,
        }

    def test_covisitation_proposes_the_best_and_nothing_without_a_link(self, trained, monkeypatch):
        world = load((1, SOFAS), (2, SOFAS), (3, BIKES), (5, COATS)).with_collaborative(trained)
        profile = replace(taste(world, {1: 1.0}), factors=None)  # 5 is the newest
        assert proposed_by_each(monkeypatch, world, profile) == {2, 5}
        assert proposed_by_each(monkeypatch, world, profile, count=2) == {2, 3, 5}
        allowed = world.alive & (world.attributes["listing_id"] != 2)
        assert proposed_by_each(monkeypatch, world, profile, allowed=allowed) == {3, 5}

    def test_a_listing_outside_the_model_gets_the_covisitation_score_of_similar_ones(self, trained):
        snapshot = load((1, COATS), (2, SOFAS), (3, BIKES), (8, SOFAS), (9, BIKES)).with_collaborative(
            trained
        )
        scores = scores_of(snapshot, taste(snapshot, {1: 1.0}), "covisitation")
        assert scores[8] == pytest.approx(2 * scores[9], rel=0.01), "as 2 and 3 stand to each other"
        assert scores[8] > 0

    def test_a_listing_similar_only_to_one_without_links_has_a_covisitation_score_of_zero(self, trained):
        snapshot = load((1, COATS), (2, SOFAS), (3, BIKES), (9, COATS)).with_collaborative(trained)
        assert scores_of(snapshot, taste(snapshot, {1: 1.0}), "covisitation")[9] == 0, (
            "1 is like 9, but nobody went on to it"
        )

    def test_covisitation_proposes_the_unknown_listing_most_similar_to_a_linked_one(
        self, trained, monkeypatch
    ):
        world = load((1, SOFAS), (2, SOFAS), (3, BIKES), (7, SOFAS), (8, BIKES), (9, COATS))
        snapshot = world.with_collaborative(trained)
        profile = replace(taste(snapshot, {1: 1.0}), factors=None)  # 9 is the newest
        assert proposed_by_each(monkeypatch, snapshot, profile) == {2, 7, 9}

    def test_a_listing_outside_the_model_has_no_covisitation_score_without_a_smoother(self, trained):
        snapshot = load((1, COATS), (2, SOFAS), (8, SOFAS))
        for other in (replace(trained, smoother=None), replace(trained, encoder_version="another")):
            profile = snapshot.with_collaborative(other)
            assert scores_of(profile, taste(profile, {1: 1.0}), "covisitation").keys() == {1, 2}

    def test_a_sold_listing_lends_its_covisitation_score_to_no_similar_one(self, trained):
        snapshot = changed(load((1, COATS), (2, SOFAS), (3, BIKES), (8, SOFAS)), [2]).with_collaborative(
            trained
        )
        assert scores_of(snapshot, taste(snapshot, {1: 1.0}), "covisitation")[8] == 0

    def test_a_listing_left_out_by_a_filter_lends_its_covisitation_score_to_similar_ones(self, trained):
        snapshot = load((1, COATS), (2, SOFAS), (8, SOFAS)).with_collaborative(trained)
        allowed = snapshot.attributes["listing_id"] == 8
        gathered = gather(snapshot, taste(snapshot, {1: 1.0}), allowed, now=NOW)
        assert listings(snapshot, gathered.rows) == [8]
        assert gathered.scores[0, SOURCES.index("covisitation")] > 0

    def test_an_actor_outside_the_model_has_no_covisitation_or_collaborative_scores(self, trained):
        snapshot = load((1, SOFAS), (2, SOFAS)).with_collaborative(trained)
        unknown = replace(taste(snapshot, {1: 1.0}), factors=None, covisited=None)
        assert (
            scores_of(snapshot, unknown, "covisitation")
            == scores_of(snapshot, unknown, "collaborative")
            == {}
        )
