from math import log2

import numpy as np
import pytest

from recommendations.collaborative.history import read_history
from recommendations.evaluation import comparison
from recommendations.evaluation.baselines import BASELINES, BETA, EvaluationContext
from recommendations.evaluation.comparison import compare, measure, rank_all
from recommendations.evaluation.point_in_time import SnapshotUnavailable
from recommendations.evaluation.runner import run_for_each
from recommendations.models.embeddings import ListingEmbedding
from recommendations.models.feature_names import SOURCES
from tests.recommendations.past import Past, listings_of
from tests.recommendations.small_world import model

SECOND = 1 / log2(3)  # what the second place gains


@pytest.fixture
def past(alice, encoder, ago) -> Past:
    return Past(alice, encoder, ago(days=1))


@pytest.fixture
def three(past):
    """Two actors touched the first listing, one the second, none the third, which Bob is going to touch too.

    Their words point three ways; the later ones are newer.
    """
    first, second, third = (past.listing(hours=-48 + place, direction=place) for place in range(3))
    past.event("xavier", first, hours=-3)
    past.event("yvonne", first, hours=-3)
    past.event("zoe", second, hours=-3)
    past.event("bob", second, hours=1)
    past.event("bob", third, hours=1)
    return first, second, third


def known(past, trained=None) -> EvaluationContext:
    return EvaluationContext(past.world().with_collaborative(trained), read_history(until=past.moment))


def measured(past, *methods, k=3, **how):
    now_known = known(past)
    return measure(now_known, past.aftermath(now_known.snapshot), methods=methods, k=k, **how)


def values(part, method) -> dict[str, float]:
    return {name: estimate.value for name, estimate in part.figures[method].items()}


def scores_of(past, method: str, name: str, trained=None) -> dict[int, float]:
    """A method's score of each listing for an actor."""
    now_known = known(past, trained)
    contender = BASELINES[method](now_known)
    (scores,) = run_for_each(now_known.snapshot, past.moment, [past.actor(name)], contender)
    return dict(zip(listings_of(now_known.snapshot), np.asarray(scores).tolist(), strict=True))


class TestMethods:
    def test_the_popularity_baseline_scores_by_the_share_of_actors_who_touched_a_listing(self, past, three):
        past.event("yvonne", three[0], "favourite", hours=-1)  # the same actor again: no more people
        past.event("yvonne", three[2], "hide", hours=-1)
        expected = dict(zip([pk.pk for pk in three], [2 / 3, 1 / 3, 0], strict=True))
        assert scores_of(past, "popularity", "bob") == pytest.approx(expected)

    def test_the_newest_baseline_puts_the_last_published_first(self, past, three):
        later = past.listing(hours=2)
        scores = scores_of(past, "newest", "bob")
        assert np.isnan(scores.pop(later.pk))
        assert sorted(scores, key=scores.get) == [sofa.pk for sofa in three]

    @pytest.fixture
    def paths(self, past):
        """Xavier touched all three, Yvonne the first two, Bob the first."""
        sofas = [past.listing() for _ in range(3)]
        for name, count in (("xavier", 3), ("yvonne", 2), ("bob", 1)):
            for place, sofa in enumerate(sofas[:count]):
                past.event(name, sofa, "favourite" if name == "xavier" else "view", hours=-9 + place)
        return [sofa.pk for sofa in sofas]

    def test_the_rp3beta_baseline_walks_from_a_listing_over_its_actors_to_others(self, past, paths):
        scores = scores_of(past, "rp3beta", "bob")
        second = (1 / 3) * (1 / 3 + 1 / 2) / 2**BETA
        third = (1 / 3) * (1 / 3) / 1**BETA
        assert scores[paths[1]] / scores[paths[2]] == pytest.approx(second / third, rel=1e-5)

    def test_the_cosine_baseline_scores_by_the_cosine_of_two_listings_actors(self, past, paths):
        scores = scores_of(past, "cosine", "bob")
        second, third = 2 / np.sqrt(3 * 2), 1 / np.sqrt(3 * 1)
        assert scores[paths[1]] / scores[paths[2]] == pytest.approx(second / third, rel=1e-5)

    @pytest.mark.parametrize("method", ["rp3beta", "cosine"])
    def test_path_based_baselines_recommend_nothing_where_no_path_leads(self, past, paths, method):
        apart = past.listing()
        assert np.isnan(scores_of(past, method, "bob")[apart.pk])
        assert all(np.isnan(list(scores_of(past, method, "stranger").values())))

    @pytest.mark.parametrize(
        ("method", "source"),
        [("content", "content"), ("als", "collaborative"), ("covisitation", "covisitation")],
    )
    def test_a_single_source_baseline_scores_every_listing(self, past, paths, method, source):
        trained = model({pk: (1.0, 0.1 * pk) for pk in paths}, {paths[0]: {paths[2]: 1.0}})
        view = known(past, trained).snapshot
        (asked,) = run_for_each(view, past.moment, [past.actor("bob")], lambda asked: asked)
        expected = asked.by_source[:, SOURCES.index(source)].tolist()
        assert list(scores_of(past, method, "bob", trained).values()) == expected
        assert not np.isnan(expected).any()

    def test_the_blend_baseline_keeps_the_order_of_the_feed_and_leaves_out_what_was_not_proposed(
        self, past, monkeypatch
    ):
        monkeypatch.setattr("recommendations.retrieval.candidates.PER_SOURCE", 3)
        for number in range(12):
            past.event("xavier", past.listing(hours=-48 + number, direction=number), hours=-3)
        view = known(past).snapshot
        (asked,) = run_for_each(view, past.moment, [past.actor("bob")], lambda asked: asked)
        ranked = rank_all(known(past), [past.actor("bob")], ["blend"], k=20)["blend"][0]
        assert len(asked.feed) < 12
        assert ranked.tolist() == asked.feed.tolist() + [-1] * (20 - len(asked.feed))

    def test_no_baseline_recommends_seen_hidden_or_own_listings(self, past):
        seen, hidden, other = (past.listing() for _ in range(3))
        own = past.listing(seller=past.actor("bob"))
        for sofa in (seen, hidden, other, own):
            past.event("xavier", sofa, hours=-3)
        past.event("bob", seen, hours=-2)
        past.event("bob", hidden, "hide", hours=-2)
        ids = [seen.pk, hidden.pk, other.pk, own.pk]
        trained = model(dict.fromkeys(ids, (1.0, 0.0)), {seen.pk: dict.fromkeys(ids, 1.0)})
        now_known = known(past, trained)
        ranked = rank_all(now_known, [past.actor("bob")], list(BASELINES), k=4)
        found = {
            name: listings_of(now_known.snapshot, rows[0][rows[0] >= 0]) for name, rows in ranked.items()
        }
        assert all(rows == [other.pk] for rows in found.values()), found


class TestMeasures:
    def test_the_measures_of_popularity_equal_a_computation_by_hand(self, past, three):
        """Bob is shown the first, the second and the third, and touches the last two."""
        everyone = measured(past, "popularity").slices[0]
        ideal = 1 + SECOND
        assert everyone.actor_count == 1
        assert values(everyone, "popularity") == pytest.approx(
            {
                "recall": 1.0,
                "ndcg": (SECOND + 1 / 2) / ideal,
                "map": (1 / 2 + 2 / 3) / 2,
                "coverage": 1.0,
                "novelty": np.mean([-log2(2 / 3), -log2(1 / 3), -log2(1 / 6)]),
            }
        )

    def test_only_the_first_k_places_count_for_a_measure(self, past, three):
        everyone = measured(past, "popularity", k=2).slices[0]
        found = values(everyone, "popularity")
        assert found["recall"] == 1 / 2
        assert found["coverage"] == pytest.approx(2 / 3)

    def test_cold_listings_are_ranked_among_all_others(self, past, three):
        """Only the third listing is relevant there, and it is ranked third."""
        cold = measured(past, "popularity").slices[1]
        assert (cold.name, cold.actor_count) == ("cold listings", 1)
        assert values(cold, "popularity") == pytest.approx({"recall": 1, "ndcg": 1 / 2, "map": 1 / 3})
        at_two = measured(past, "popularity", k=2).slices[1]
        assert values(at_two, "popularity") == {"recall": 0, "ndcg": 0, "map": 0}

    def test_cold_actors_are_measured_in_a_slice_of_their_own(self, past, three):
        past.event("xavier", three[1], hours=1)
        found = measured(past, "popularity", "cosine", "blend")
        everyone, _, cold = found.slices
        assert (everyone.actor_count, cold.actor_count) == (2, 1)
        assert values(cold, "cosine") == {"recall": 0, "ndcg": 0, "map": 0}
        assert values(cold, "blend")["recall"] == 1
        assert values(everyone, "popularity")["ndcg"] == pytest.approx(
            (1 + values(cold, "popularity")["ndcg"]) / 2  # Xavier has seen the first
        )

    def test_a_slice_without_actors_has_unknown_figures(self, past):
        past.event("bob", past.listing(), hours=-1)
        past.event("bob", past.listing(), hours=1)
        cold = measured(past, "content").slices[2]
        assert cold.actor_count == 0
        assert np.isnan(list(values(cold, "content").values())).all()

    def test_a_measurement_counts_its_actors_and_listings(self, past, three):
        past.event("xavier", three[1], hours=1)
        now_known = known(past)
        found = measure(now_known, past.aftermath(now_known.snapshot, max_actors=1), methods=["newest"])
        assert (found.actor_count, found.eligible_count) == (1, 2)
        assert (found.listing_count, found.cold_listing_count) == (3, 1)

    def test_intervals_hold_the_measured_value_and_narrow_with_more_actors(self, past):
        sofas = [past.listing(direction=place) for place in range(6)]
        for place, sofa in enumerate(sofas):
            for number in range(6 - place):
                past.event(f"earlier {number}", sofa, hours=-1)
        widths = []
        for count in (6, 60):
            for number in range(count):
                past.event(f"actor {number}", sofas[number % 6], hours=1 + count / 100)
            figures = measured(past, "popularity").slices[0].figures["popularity"]
            assert all(found.low <= found.value <= found.high for found in figures.values())
            widths.append(figures["ndcg"].high - figures["ndcg"].low)
        assert widths[1] < widths[0] / 2

    def test_the_same_seed_measures_the_same_figures(self, past, three):
        past.event("xavier", three[1], hours=1)
        assert measured(past, *BASELINES, seed=3) == measured(past, *BASELINES, seed=3)

    def test_the_interval_of_coverage_lies_around_its_value(self):
        """Each of 50 actors is shown another listing; bootstrap samples of the actors would cover 0.64."""
        found = comparison._coverage(np.arange(50)[:, None], 50, seed=0)
        assert found.value == 1
        assert 0.85 < found.low < 1 < found.high < 1.15


class TestCompare:
    @pytest.fixture
    def leads(self, past):
        """Bob and Charlie touched the first of twelve listings and touch the sixth next."""
        sofas = [past.listing(direction=place) for place in range(12)]
        for name in ("bob", "charlie"):
            past.event(name, sofas[0], "favourite", hours=-1)
            past.event(name, sofas[5], hours=1)
        ids = [sofa.pk for sofa in sofas]
        flat = dict.fromkeys(ids, (1.0, 0.0))
        right, wrong = (model(flat, {ids[0]: {ids[place]: 1.0}}) for place in (5, 8))
        return right, wrong

    def test_comparing_models_gives_the_ndcg_of_each_actor_by_model_and_by_popularity(self, past, leads):
        right, wrong = leads
        earlier = read_history(until=past.moment)
        found = compare({"right": right, "wrong": wrong, "none": None}, earlier, end=past.end)
        assert list(found) == ["right", "popularity", "wrong", "none"]
        assert found["right"].tolist() == [1.0, 1.0]
        assert (found["wrong"] < found["right"]).all()
        assert (found["none"] < found["right"]).all()
        assert all(len(ndcg) == 2 for ndcg in found.values())

    def test_comparing_models_ranks_with_the_blend_weights_of_each(self, past, leads):
        """The fitted blend weights of a model count too."""
        right, _ = leads
        only_fresh = model(
            dict(zip(right.listing_ids.tolist(), right.als.item_factors.tolist(), strict=True)),
            recipe=right.recipe.replaced(blend=((0.0, (0.0, 0.0, 0.0, 0.0, 1.0)),)),
        )
        earlier = read_history(until=past.moment)
        found = compare({"right": right, "fresh": only_fresh}, earlier, end=past.end)
        assert (found["fresh"] < found["right"]).all()

    def test_comparing_models_reports_progress_once_through_all(self, past, leads):
        told = []
        models = {"right": leads[0], "wrong": leads[1]}
        earlier = read_history(until=past.moment)
        compare(models, earlier, end=past.end, progress=lambda *step: told.append(step))
        assert told == [(2, 4), (4, 4)]

    def test_comparing_models_without_later_events_measures_nobody(self, past):
        past.event("bob", past.listing(), hours=-1)
        found = compare({"none": None}, read_history(until=past.moment), end=past.end)
        assert {name: ndcg.shape for name, ndcg in found.items()} == {"none": (0,), "popularity": (0,)}

    def test_comparing_models_without_embeddings_is_refused(self, past, leads):
        ListingEmbedding.objects.all().delete()
        with pytest.raises(SnapshotUnavailable):
            compare({"right": leads[0]}, read_history(until=past.moment), end=past.end)
