"""Reasons for listings: the sources that contribute most, with the touched listings as evidence."""

from dataclasses import replace

import numpy as np
import pytest

from listings.announcing import catalogue_transaction
from listings.categories.tree import ensure_category
from listings.models import Listing
from ml.collaborative.content_prior import ContentPrior
from recommendations.models.feature_names import FEATURES, SOURCES
from recommendations.ranking.explanations import explain, reason_codes, related
from recommendations.ranking.exploration import ExploredOrder
from recommendations.ranking.scoring import Ranked
from recommendations.retrieval.nearby import RADIUS_KM
from recommendations.slates.results import SENTENCES, ReasonCode
from recommendations.taste.affinity import TouchedListings
from recommendations.taste.profile import vectors_of
from tests import factories
from tests.recommendations.small_world import load, model, taste

NEAR, FAR = RADIUS_KM - 1, RADIUS_KM + 1


def ranked_of(*adds: dict[str, float], distance_km: float = np.nan) -> Ranked:
    """Listings of which each source adds so much; what is not named does not know them."""
    shares = np.full((len(adds), len(SOURCES)), np.nan, np.float32)
    for row, own in enumerate(adds):
        for source, share in own.items():
            shares[row, SOURCES.index(source)] = share
    features = np.full((len(adds), len(FEATURES)), np.nan, np.float32)
    features[:, FEATURES.index("trending")] = ["trending" in own for own in adds]
    features[:, FEATURES.index("distance_km")] = distance_km
    rows = np.arange(len(adds), dtype=np.int32)
    nothing = np.zeros(len(adds), np.float32)
    return Ranked(rows, nothing, features, shares, np.ones(len(SOURCES), "f4"), nothing)


def in_order(count: int, *explored: int) -> ExploredOrder:
    places = np.array(explored, np.int64)
    return ExploredOrder(np.arange(count), places, places, np.ones(count, np.float32))


def codes_of(ranked: Ranked, *explored: int, boosted=()) -> list[str]:
    count = len(ranked.rows)
    return reason_codes(ranked, in_order(count, *explored), np.isin(np.arange(count), boosted))


class TestCodes:
    @pytest.mark.parametrize(
        ("adds", "code"),
        [
            ({"content": 0.2, "affinity": 0.3, "covisitation": 0.4}, ReasonCode.BECAUSE_YOU_VIEWED),
            ({"content": 0.2, "collaborative": 0.2, "covisitation": 0.1}, ReasonCode.PEOPLE_ALSO_LIKED),
            ({"trending": 0.2, "fresh": 0.1}, ReasonCode.TRENDING),
            ({"trending": 0.1, "fresh": 0.2}, ReasonCode.NEW),
            ({"popularity": 0.5, "trending": 0.0, "fresh": 0.2}, ReasonCode.TRENDING),
            ({"popularity": 0.5, "fresh": 0.2}, ReasonCode.NEW),  # nobody touched it lately
            ({"trending": -0.1, "fresh": -0.2}, ReasonCode.MORE),
            ({"content": 0.0, "fresh": -0.2}, ReasonCode.MORE),
            ({}, ReasonCode.MORE),
        ],
    )
    def test_the_source_that_adds_most_is_the_reason(self, adds, code):
        assert codes_of(ranked_of(adds)) == [code]

    @pytest.mark.parametrize(("distance_km", "nearby"), [(NEAR, True), (FAR, False), (np.nan, False)])
    def test_a_trending_or_new_listing_within_the_radius_has_a_reason_that_says_nearby(
        self, distance_km, nearby
    ):
        ranked = ranked_of({"trending": 1}, {"fresh": 1}, distance_km=distance_km)
        expected = (
            [ReasonCode.TRENDING_NEARBY, ReasonCode.NEW_NEAR_YOU]
            if nearby
            else [ReasonCode.TRENDING, ReasonCode.NEW]
        )
        assert codes_of(ranked) == expected

    def test_a_near_listing_may_be_there_for_its_place(self):
        ranked = ranked_of({"place": 0.2, "content": -0.5}, distance_km=NEAR)
        assert codes_of(ranked) == [ReasonCode.NEAR_YOU]

    def test_boosted_and_explored_listings_have_that_reason_whatever_their_scores(self):
        ranked = ranked_of({"content": 1}, {"content": 1}, {"content": 1}, {"content": 1})
        expected = [
            ReasonCode.BECAUSE_YOU_VIEWED,
            ReasonCode.BOOSTED,
            ReasonCode.EXPLORING,
            ReasonCode.EXPLORING,
        ]
        assert codes_of(ranked, 2, 3, boosted=(1, 3)) == expected

    def test_reasons_follow_the_order_that_is_shown(self):
        ranked = ranked_of({"content": 1}, {"trending": 1})
        explored = replace(in_order(2), order=np.array([1, 0]))
        assert reason_codes(ranked, explored, np.array([True, False])) == [
            ReasonCode.TRENDING,
            ReasonCode.BOOSTED,
        ]


def touching(
    snapshot, touched: dict[int, float], *, categories: list[int] | None = None, kinds: tuple[str, ...] = ()
):
    """The profile of somebody who touched these, all of one category unless others are given."""
    vectors, _ = vectors_of(np.array(list(touched), np.int64), snapshot)
    own = np.array(categories or [0] * len(touched), np.int64)
    about = replace(TouchedListings.none(), categories=own)
    rows = Listing.objects.filter(pk__in=touched).values_list("pk", "external_id", "title")
    names = {pk: (external_id, title) for pk, external_id, title in rows}
    known = vectors.astype(np.float32)
    return replace(taste(snapshot, touched), vectors=known, touched=about, kinds=kinds, names=names)


@pytest.fixture
def sofas(alice):
    with catalogue_transaction():
        return [factories.listing(alice, title) for title in ("Blue sofa", "Red sofa", "A bicycle")]


@pytest.fixture
def snapshot(sofas):
    """Two sofas and a bicycle, and a listing 9001 that is like sofas."""
    blue, red, bicycle = (sofa.pk for sofa in sofas)
    return load((blue, 0), (red, 0), (bicycle, 1), (9001, 0))


class TestEvidence:
    def test_evidence_for_content_is_the_touched_listing_most_like_it(self, snapshot, sofas):
        blue, _, bicycle = sofas
        profile = touching(snapshot, {bicycle.pk: 5.0, blue.pk: 1.0})
        [reason] = explain(snapshot, profile, [9001], [ReasonCode.BECAUSE_YOU_VIEWED])
        assert reason.evidence == (blue.external_id, bicycle.external_id)
        assert reason.sentence == "Because you viewed “Blue sofa”"

    def test_evidence_for_collaborative_is_the_touched_listings_by_contribution(self, snapshot, sofas):
        blue, _, bicycle = sofas
        factors = {blue.pk: (1.0, 0.0), bicycle.pk: (0.0, 1.0), 9001: (1.0, 0.3)}
        snapshot = snapshot.with_collaborative(model(factors))
        profile = touching(snapshot, {bicycle.pk: 1.0, blue.pk: 1.0})
        [reason] = explain(snapshot, profile, [9001], [ReasonCode.PEOPLE_ALSO_LIKED])
        assert reason.evidence == (blue.external_id, bicycle.external_id)
        assert reason.sentence == "People who liked “Blue sofa” also liked this"

    def test_evidence_for_an_untouched_listing_comes_from_the_content_prior(self, snapshot, sofas):
        blue, _, bicycle = sofas
        prior = ContentPrior(np.array([[0, 0]] * 4 + [[1, 0]] + [[0, 1]] * 3, np.float32), np.zeros(2, "f4"))
        factors = {blue.pk: (1.0, 0.0), bicycle.pk: (-0.5, 1.0)}
        snapshot = snapshot.with_collaborative(model(factors, prior=prior))
        profile = touching(snapshot, {bicycle.pk: 1.0, blue.pk: 1.0})
        [reason] = explain(snapshot, profile, [9001], [ReasonCode.PEOPLE_ALSO_LIKED])
        assert reason.evidence == (blue.external_id,)

    @pytest.mark.parametrize(
        ("kind", "sentence"),
        [
            ("view", "Because you viewed “Blue sofa”"),
            ("click", "Because you viewed “Blue sofa”"),
            ("favourite", "Because you saved “Blue sofa”"),
            ("message", "Because you asked about “Blue sofa”"),
            ("offer", "Because you made an offer for “Blue sofa”"),
            ("purchase", "Because you bought “Blue sofa”"),
        ],
    )
    def test_the_sentence_says_what_was_done(self, snapshot, sofas, kind, sentence):
        profile = touching(snapshot, {sofas[0].pk: 1.0}, kinds=(kind,))
        [reason] = explain(snapshot, profile, [9001], [ReasonCode.BECAUSE_YOU_VIEWED])
        assert reason.sentence == sentence

    def test_contributions_of_touched_listings_sum_to_the_collaborative_score(self, snapshot, sofas):
        blue, _, bicycle = sofas
        collaborative = model({blue.pk: (1.0, 0.2), bicycle.pk: (0.0, 1.0), 9001: (1.0, 0.3)})
        items, weights = np.array([0, 1]), np.array([1.0, 2.5], np.float32)
        target = collaborative.als.item_factors[2]
        parts = collaborative.contributions(items, weights, target)
        assert parts.sum() == pytest.approx(target @ collaborative.fold_in(items, weights), rel=1e-4)

    def test_reasons_without_touched_listings_have_plain_sentences_and_no_evidence(self, snapshot):
        reasons = explain(snapshot, taste(snapshot, {}), [9001] * len(ReasonCode), list(ReasonCode))
        assert [reason.sentence for reason in reasons] == [SENTENCES[code] for code in ReasonCode]
        assert not any(reason.evidence for reason in reasons)

    def test_a_listing_of_a_category_tree_where_nothing_was_touched_has_no_such_reason(self, snapshot, sofas):
        profile = touching(snapshot, {sofas[0].pk: 1.0}, categories=[77])
        [reason] = explain(snapshot, profile, [9001], [ReasonCode.BECAUSE_YOU_VIEWED])
        assert (reason.code, reason.evidence) == (ReasonCode.MORE, ())

    def test_an_unknown_reason_code_is_left_out_and_a_missing_listing_keeps_its_reason(self, snapshot):
        reasons = explain(
            snapshot, taste(snapshot, {}), [9001, 12345], ["because_of_the_moon", ReasonCode.NEW]
        )
        assert reasons[0] is None
        assert reasons[1].code == ReasonCode.NEW


class TestCategories:
    """A sofa and a lamp of one root category, and a bicycle of another, were touched."""

    @pytest.fixture
    def paths(self, db):
        names = (
            "Home / Seats / Sofas",
            "Home / Seats / Chairs",
            "Home / Lights / Lamps",
            "Sports / Bicycles",
            "Music",
        )
        return {name.rsplit(" / ", 1)[-1]: ensure_category(name).pk for name in names}

    @pytest.fixture
    def evidence_of(self, sofas, paths):
        """evidence_of("Chairs", direction=2): titles of the evidence for a listing of that category."""

        def ask(category: str, *, direction: int = 2) -> list[str]:
            sofa, lamp, bicycle = (listing.pk for listing in sofas)
            snapshot = load((sofa, 0), (lamp, 1), (bicycle, 2), (9001, direction))
            snapshot.attributes["category_id"][snapshot.rows_of(np.array([9001]))] = paths[category]
            touched = [paths["Sofas"], paths["Lamps"], paths["Bicycles"]]
            profile = touching(snapshot, {sofa: 1.0, lamp: 1.0, bicycle: 1.0}, categories=touched)
            [reason] = explain(snapshot, profile, [9001], [ReasonCode.BECAUSE_YOU_VIEWED])
            names = dict(Listing.objects.values_list("external_id", "title"))
            return [names[external_id] for external_id in reason.evidence]

        return ask

    def test_evidence_is_of_the_same_category_however_like_others_are(self, evidence_of):
        assert evidence_of("Sofas") == ["Blue sofa"]

    def test_else_it_is_of_the_nearest_category_that_holds_both(self, evidence_of):
        assert evidence_of("Chairs") == ["Blue sofa"]

    def test_what_shares_only_the_root_category_must_be_like_it(self, evidence_of, paths, sofas):
        paths["Rugs"] = ensure_category("Home / Floors / Rugs").pk
        assert evidence_of("Rugs", direction=3) == []
        assert evidence_of("Rugs", direction=1) == ["Red sofa"]

    def test_nothing_of_another_root_category_is_evidence(self, evidence_of):
        assert evidence_of("Music", direction=0) == []

    def test_only_listings_of_a_touched_root_category_are_related(self, sofas, paths):
        snapshot = load((9001, 0), (9002, 0))
        snapshot.attributes["category_id"] = [paths["Chairs"], paths["Music"]]
        profile = touching(snapshot, {sofas[0].pk: 1.0}, categories=[paths["Sofas"]])
        assert related(snapshot, profile, np.array([0, 1])).tolist() == [True, False]

    def test_unrelated_listings_have_the_reason_that_adds_next_most(self):
        ranked = ranked_of({"content": 2, "trending": 1}, {"content": 2, "trending": 1}, {"covisitation": 1})
        codes = reason_codes(ranked, in_order(3), np.zeros(3, bool), np.array([True, False, False]))
        assert codes == [ReasonCode.BECAUSE_YOU_VIEWED, ReasonCode.TRENDING, ReasonCode.MORE]

    def test_a_listing_farther_than_the_radius_is_not_said_to_be_near(self):
        assert codes_of(ranked_of({"place": 1}, distance_km=FAR)) == [ReasonCode.MORE]
