"""Slates that a ranker learns from, and the events that count as outcomes."""

from datetime import timedelta

import numpy as np
import pytest

from listings.models import Actor, Listing
from ml.ranking.lambdarank import CLICK, FAVOURITE, HIDDEN, MESSAGE, NO_INTERACTION, OFFER, PURCHASE
from recommendations.models.doubts import Doubt
from recommendations.models.events import Interaction
from recommendations.models.feature_names import FEATURES
from recommendations.ranker.served_slates import read_served_slates
from tests.recommendations.logged_feeds import NAMES, columns, followed, logged

HOUR = timedelta(hours=1)


@pytest.fixture
def features() -> np.ndarray:
    return columns(6, blend=np.arange(6, 0, -1), content=np.linspace(0, 1, 6))


@pytest.fixture
def served(bob, sofas, features, now):
    """served(pages=...): serves Bob a slate of six sofas three hours ago and returns its id."""
    ids = [sofa.pk for sofa in sofas]
    return lambda **how: logged(
        **{"actor": bob, "listing_ids": ids, "features": features, "at": now - 3 * HOUR} | how
    )


@pytest.fixture
def does(bob, sofas, now):
    """does(slate, 2, "click"): Bob with the third sofa, two hours ago."""

    def act(slate, number, kind="click", *, who=bob, hours=2, source="tests"):
        event = followed(slate, who, sofas[number].pk, now - hours * HOUR, kind=kind, source=source)
        event.save()

    return act


@pytest.fixture
def read(now):
    return lambda: list(read_served_slates(until=now))


@pytest.fixture
def grades(read):
    """Grades of the only slate."""
    return lambda: read()[0].grades.tolist()


class TestWhatFollowed:
    @pytest.mark.parametrize(
        ("kinds", "grade"),
        [
            (["view"], CLICK),
            (["click"], CLICK),
            (["click", "favourite"], FAVOURITE),
            (["message", "favourite", "view"], MESSAGE),
            (["offer", "message"], OFFER),
            (["purchase", "offer", "click"], PURCHASE),
            (["hide"], HIDDEN),
            (["report"], HIDDEN),
            (["click", "hide"], HIDDEN),
            (["favourite", "hide"], FAVOURITE),
        ],
    )
    def test_a_served_listing_is_graded_by_the_strongest_event_that_followed(
        self, served, does, grades, kinds, grade
    ):
        slate = served()
        for kind in kinds:
            does(slate, 2, kind)
        assert grades() == [
            NO_INTERACTION,
            NO_INTERACTION,
            grade,
            NO_INTERACTION,
            NO_INTERACTION,
            NO_INTERACTION,
        ]

    def test_events_taken_back_do_not_count_towards_a_grade(self, served, does, grades):
        slate = served()
        does(slate, 0, "favourite")
        does(slate, 1, "hide")
        does(slate, 0, "unfavourite", hours=1)
        does(slate, 1, "unhide", hours=1)
        assert grades() == [NO_INTERACTION] * 6

    def test_events_after_the_time_in_question_do_not_count_towards_a_grade(self, served, does, grades):
        does(served(), 0, hours=-1)
        assert grades() == [NO_INTERACTION] * 6

    def test_only_listings_on_a_served_page_are_graded(self, served, does, read):
        slate = served(pages=[(0, 2), (4, 1)])
        for number in range(6):
            does(slate, number)
        only = read()[0]
        assert only.served.tolist() == [0, 1, 4]
        assert only.grades.tolist() == [CLICK, CLICK, NO_INTERACTION, NO_INTERACTION, CLICK, NO_INTERACTION]

    def test_only_events_that_name_the_slate_count_towards_its_grades(self, served, does, read, sofas, now):
        served()
        second = served(at=now - 2.5 * HOUR)
        does(second, 0)
        does("another slate", 1)
        assert [slate.has_preferences for slate in read()] == [False, True]

    def test_events_may_name_a_slate_with_or_without_dashes(self, served, does, grades):
        slate = served()
        does(f"{slate[:8]}-{slate[8:12]}-{slate[12:16]}-{slate[16:20]}-{slate[20:]}", 0)
        does(slate.upper(), 1)
        assert grades() == [CLICK, CLICK, NO_INTERACTION, NO_INTERACTION, NO_INTERACTION, NO_INTERACTION]

    def test_events_of_other_actors_do_not_count_towards_a_grade(self, served, does, grades, charlie):
        does(served(), 0, who=charlie)
        assert grades() == [NO_INTERACTION] * 6

    def test_slates_of_a_visitor_who_logged_in_belong_to_the_member(self, served, does, read, bob):
        visitor = Actor.objects.create(external_id="visitor", kind="visitor", merged_into=bob)
        does(served(actor=visitor), 0)
        does(served(), 1, who=visitor)
        assert [(slate.who, slate.grades.max()) for slate in read()] == [(bob.pk, CLICK)] * 2

    def test_a_slate_with_simulated_events_is_marked_as_simulated(self, served, does, read):
        does(served(), 0, source="simulation")
        does(served(), 0)
        assert sorted(slate.is_simulated for slate in read()) == [False, True]


class TestWhatIsRead:
    def test_the_features_of_a_served_slate_are_those_that_were_logged(self, served, read, features):
        served()
        Listing.objects.update(price=9999)
        only = read()[0]
        wanted = features[:, [NAMES.index(name) for name in FEATURES]]
        np.testing.assert_array_equal(only.features, wanted)
        np.testing.assert_array_equal(only.score, features[:, -1])

    def test_logged_features_are_read_by_name_and_missing_ones_are_unknown(self, served, read, features):
        names = ("score", "blend", "what_a_release_before_logged", "content")
        served(names=names, features=features[:, [-1, NAMES.index("blend"), 0, 0]])
        only = read()[0]
        np.testing.assert_array_equal(only.features[:, FEATURES.index("content")], features[:, 0])
        assert np.isnan(only.features[:, FEATURES.index("distance_km")]).all()

    @pytest.mark.parametrize(
        "how",
        [
            {"surface": "search"},
            {"pages": []},
            {"actor": None},
            {"names": tuple(f"x_{name}" for name in NAMES)},
        ],
        ids=["of a search", "never served", "of nobody", "without a blend"],
    )
    def test_slates_that_are_no_served_feeds_of_an_actor_are_left_out(self, served, read, how):
        served(**how)
        assert read() == []

    def test_slates_of_a_doubted_actor_are_left_out_until_they_are_released(self, served, read, bob):
        served()
        doubt = Doubt.objects.create(actor=bob, reason="haste", share=0, evidence="900 events on a day")
        assert read() == []
        doubt.decision = "released"
        doubt.save()
        assert len(read()) == 1

    def test_exploration_slots_are_read_with_their_pool(self, served, read):
        served(explored={"places": [3, 1], "pool": [1, 3, 5]})
        served(explored={"places": [9], "pool": [9]})  # not places of this slate
        only = read()[0]
        assert (only.explored.tolist(), only.pool.tolist()) == ([1, 3], [1, 3, 5])

    def test_slates_are_read_earliest_first_and_of_too_many_the_newest(self, served, read, now, monkeypatch):
        monkeypatch.setattr("recommendations.ranker.served_slates.MOST_SLATES", 2)
        for hours in (1, 3, 2):
            served(at=now - hours * HOUR)
        assert [slate.created_at for slate in read()] == [now - 2 * HOUR, now - HOUR]

    def test_reading_served_slates_takes_no_query_for_each_slate(
        self, served, does, now, django_assert_num_queries
    ):
        for _ in range(5):
            does(served(), 0)
        with django_assert_num_queries(4):
            list(read_served_slates(until=now))
        assert Interaction.objects.count() == 5
