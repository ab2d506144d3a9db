from math import log2

import numpy as np
import pytest

from recommendations.collaborative.history import read_history
from recommendations.evaluation import comparison
from recommendations.evaluation.baselines import BASELINES
from recommendations.evaluation.comparison import compare, measure
from recommendations.evaluation.point_in_time import SnapshotUnavailable
from recommendations.models.embeddings import ListingEmbedding
from tests.recommendations.evaluation.conftest import known
from tests.recommendations.small_world import model

SECOND = 1 / log2(3)  # what the second place gains


def measured(past, *methods, k=3, **how):
    now_known = known(past)
    return measure(now_known, past.aftermath(now_known.snapshot), methods=methods, k=k, **how)


def values(part, method) -> dict[str, float]:
    return {name: estimate.value for name, estimate in part.figures[method].items() if name != "lead"}


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

    def test_the_lead_of_the_feed_is_the_mean_difference_over_the_same_actors(self, past, three):
        figures = measured(past, "popularity", "blend").slices[0].figures
        lead = figures["blend"]["ndcg"].value - figures["popularity"]["ndcg"].value
        assert figures["popularity"]["lead"].value == pytest.approx(lead)
        assert figures["blend"]["lead"].value == 0

    def test_only_the_first_k_places_count_for_a_measure(self, past, three):
        everyone = measured(past, "popularity", k=2).slices[0]
        figures = values(everyone, "popularity")
        assert figures["recall"] == 1 / 2
        assert figures["coverage"] == pytest.approx(2 / 3)

    def test_cold_listings_are_ranked_among_all_others(self, past, three):
        """Only the third listing is relevant there, and it is ranked third."""
        cold = measured(past, "popularity").slices[1]
        assert (cold.name, cold.actor_count) == ("cold listings", 1)
        assert values(cold, "popularity") == pytest.approx({"recall": 1, "ndcg": 1 / 2, "map": 1 / 3})
        at_two = measured(past, "popularity", k=2).slices[1]
        assert values(at_two, "popularity") == {"recall": 0, "ndcg": 0, "map": 0}

    def test_cold_actors_are_measured_in_a_slice_of_their_own(self, past, three):
        past.event("xavier", three[1], hours=1)
        result = measured(past, "popularity", "cosine", "blend")
        everyone, _, cold = result.slices
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
        result = measure(now_known, past.aftermath(now_known.snapshot, max_actors=1), methods=["newest"])
        assert (result.actor_count, result.eligible_count) == (1, 2)
        assert (result.listing_count, result.cold_listing_count) == (3, 1)

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
            assert all(figure.low <= figure.value <= figure.high for figure in figures.values())
            widths.append(figures["ndcg"].high - figures["ndcg"].low)
        assert widths[1] < widths[0] / 2

    def test_the_same_seed_measures_the_same_figures(self, past, three):
        past.event("xavier", three[1], hours=1)
        assert measured(past, *BASELINES, seed=3) == measured(past, *BASELINES, seed=3)

    def test_the_interval_of_coverage_lies_around_its_value(self):
        """Each of 50 actors is shown another listing; bootstrap samples of the actors would cover 0.64."""
        estimate = comparison._coverage(np.arange(50)[:, None], 50, seed=0)
        assert estimate.value == 1
        assert 0.85 < estimate.low < 1 < estimate.high < 1.15


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
        ndcg_by_model = compare({"right": right, "wrong": wrong, "none": None}, earlier, end=past.end)
        assert list(ndcg_by_model) == ["right", "popularity", "wrong", "none"]
        assert ndcg_by_model["right"].tolist() == [1.0, 1.0]
        assert (ndcg_by_model["wrong"] < ndcg_by_model["right"]).all()
        assert (ndcg_by_model["none"] < ndcg_by_model["right"]).all()
        assert all(len(ndcg) == 2 for ndcg in ndcg_by_model.values())

    def test_comparing_models_ranks_with_the_blend_weights_of_each(self, past, leads):
        """The fitted blend weights of a model count too."""
        right, _ = leads
        only_fresh = model(
            dict(zip(right.listing_ids.tolist(), right.als.item_factors.tolist(), strict=True)),
            recipe=right.recipe.replaced(blend=((0.0, (0.0, 0.0, 0.0, 0.0, 1.0)),)),
        )
        earlier = read_history(until=past.moment)
        ndcg_by_model = compare({"right": right, "fresh": only_fresh}, earlier, end=past.end)
        assert (ndcg_by_model["fresh"] < ndcg_by_model["right"]).all()

    def test_comparing_models_reports_progress_once_through_all(self, past, leads):
        steps = []
        models = {"right": leads[0], "wrong": leads[1]}
        earlier = read_history(until=past.moment)
        compare(models, earlier, end=past.end, progress=lambda *step: steps.append(step))
        assert steps == [(2, 4), (4, 4)]

    def test_comparing_models_without_later_events_measures_nobody(self, past):
        past.event("bob", past.listing(), hours=-1)
        ndcg_by_model = compare({"none": None}, read_history(until=past.moment), end=past.end)
        assert {name: ndcg.shape for name, ndcg in ndcg_by_model.items()} == {
            "none": (0,),
            "popularity": (0,),
        }

    def test_comparing_models_without_embeddings_is_refused(self, past, leads):
        ListingEmbedding.objects.all().delete()
        with pytest.raises(SnapshotUnavailable):
            compare({"right": leads[0]}, read_history(until=past.moment), end=past.end)
