import numpy as np
import pytest

from recommendations.evaluation.baselines import BASELINES, BETA
from recommendations.evaluation.comparison import rank_all
from recommendations.evaluation.runner import run_for_each
from recommendations.models.feature_names import SOURCES
from tests.recommendations.evaluation.conftest import known
from tests.recommendations.past import listings_of
from tests.recommendations.small_world import model


def scores_of(past, method: str, name: str, trained=None) -> dict[int, float]:
    """A method's score of each listing for an actor."""
    now_known = known(past, trained)
    baseline = BASELINES[method](now_known)
    (scores,) = run_for_each(now_known.snapshot, past.moment, [past.actor(name)], baseline)
    return dict(zip(listings_of(now_known.snapshot), np.asarray(scores).tolist(), strict=True))


class TestBaselines:
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
        (context,) = run_for_each(view, past.moment, [past.actor("bob")], lambda context: context)
        expected = context.by_source[:, SOURCES.index(source)].tolist()
        assert list(scores_of(past, method, "bob", trained).values()) == expected
        assert not np.isnan(expected).any()

    def test_the_blend_baseline_keeps_the_order_of_the_feed_and_leaves_out_what_was_not_proposed(
        self, past, monkeypatch
    ):
        monkeypatch.setattr("recommendations.retrieval.candidates.PER_SOURCE", 3)
        for number in range(12):
            past.event("xavier", past.listing(hours=-48 + number, direction=number), hours=-3)
        view = known(past).snapshot
        (context,) = run_for_each(view, past.moment, [past.actor("bob")], lambda context: context)
        ranked = rank_all(known(past), [past.actor("bob")], ["blend"], k=20)["blend"][0]
        assert len(context.feed) < 12
        assert ranked.tolist() == context.feed.tolist() + [-1] * (20 - len(context.feed))

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
        recommended = {
            name: listings_of(now_known.snapshot, rows[0][rows[0] >= 0]) for name, rows in ranked.items()
        }
        assert all(rows == [other.pk] for rows in recommended.values()), recommended
