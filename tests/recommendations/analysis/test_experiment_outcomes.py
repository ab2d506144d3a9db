"""Outcomes of experiments, counted by hand."""

from math import isnan

import pytest

from listings.models import Actor
from ml.evaluation.proportions import proportion_difference, wilson
from recommendations.analysis.experiment_outcomes import OUTCOMES, read_outcome
from recommendations.models.doubts import Doubt


class TestFigures:
    def test_experiment_outcomes_equal_a_count_by_hand(self, serve, does, arms, sofas, bob, charlie):
        serve(bob, sofas, "control")
        serve(bob, sofas[:2], "control", hours=5)
        does(bob, sofas[0], "view")
        does(bob, sofas[0], "click")
        does(bob, sofas[3], "click", hours=9)
        serve(charlie, sofas[:4], "bold")
        does(charlie, sofas[2], "favourite")
        does(charlie, sofas[2], "purchase", hours=100)
        control, bold = arms()["control"], arms()["bold"]
        assert (control.actor_count, control.slate_count, control.served_count) == (1, 2, 8)
        assert (bold.actor_count, bold.slate_count, bold.served_count) == (1, 1, 4)
        assert [control.of_served[kind].value for kind in OUTCOMES] == [1 / 8, 2 / 8, 0, 0]
        assert [bold.of_served[kind].value for kind in OUTCOMES] == [0, 0, 1 / 4, 1 / 4]
        assert [control.of_actors[kind].value for kind in OUTCOMES] == [1, 1, 0, 0]
        assert bold.of_served_over_control["click"].value == -2 / 8
        assert bold.of_actors_over_control["purchase"].value == 1

    def test_experiment_outcomes_carry_the_intervals_of_their_units(self, crowd, arms):
        control, bold = arms()["control"], arms()["bold"]
        clicked = bold.of_actors["click"]
        assert (clicked.value, clicked.low, clicked.high) == (0.8, *wilson(8, 10))
        over = bold.of_actors_over_control["click"]
        assert (over.low, over.high, over.level) == (*proportion_difference(8, 10, 6, 10), 0.95)
        rate = bold.of_served["click"]
        assert rate.value == 16 / 60
        # Of ten actors with 2 of 6 by a chance of 0.8: the standard error is 1/3 x sqrt(0.16 / 10).
        assert rate.high - rate.low == pytest.approx(2 * 1.96 * 0.0422, rel=0.25)
        difference = bold.of_served_over_control["click"]
        assert difference.value == pytest.approx(16 / 60 - 6 / 60)
        assert 0 < difference.low < difference.value < difference.high
        assert control.of_served_over_control == {}

    def test_an_outcome_of_too_few_actors_has_no_interval(self, crowd, arms):
        favourite = arms()["bold"].of_served["favourite"]
        assert favourite.value == 0
        assert isnan(favourite.low) and isnan(favourite.high)

    def test_intervals_of_other_than_the_primary_measure_are_adjusted_for_their_number(self, crowd, arms):
        """Only clicks can be compared: of everything else there was nothing, or too little."""
        bold = arms()["bold"]
        assert bold.of_actors_over_control["click"].level == 0.95
        compared = [
            *bold.of_served_over_control.values(),
            *(each for kind, each in bold.of_actors_over_control.items() if kind != "click"),
        ]
        levels = [each.level for each in compared if not isnan(each.level)]
        assert levels == pytest.approx([1 - 0.05 / len(levels)] * len(levels))

    def test_a_measure_that_nobody_did_is_not_compared(self, crowd, arms):
        purchase = arms()["bold"].of_actors_over_control["purchase"]
        assert purchase.value == 0
        assert isnan(purchase.low) and isnan(purchase.level)

    def test_reading_experiment_outcomes_again_gives_the_same(self, crowd, arms):
        assert repr(arms()) == repr(arms())

    def test_reading_experiment_outcomes_takes_no_query_for_each_actor(
        self, crowd, experiment, now, django_assert_num_queries
    ):
        with django_assert_num_queries(3):
            read_outcome("bolder", now=now)


class TestWhatCounts:
    def clicks(self, arms, variant="control") -> float:
        return arms()[variant].of_served["click"].value

    @pytest.mark.parametrize(("hours", "counted"), [(0.9, 0), (1, 1), (168.9, 1), (169, 0)])
    def test_events_count_for_an_experiment_within_seven_days_of_the_slate(
        self, serve, does, arms, sofas, bob, hours, counted
    ):
        serve(bob, sofas[:1], "control", hours=1)
        does(bob, sofas[0], hours=hours)
        assert self.clicks(arms) == counted

    def test_events_of_others_and_on_listings_not_served_do_not_count_for_an_experiment(
        self, serve, does, arms, sofas, bob, charlie
    ):
        serve(bob, sofas, "control", pages=[(0, 2), (2, 2)])
        does(charlie, sofas[0])
        does(bob, sofas[4])
        assert (self.clicks(arms), arms()["control"].served_count) == (0, 4)
        does(bob, sofas[3])
        assert self.clicks(arms) == 1 / 4

    def test_a_page_served_twice_counts_once_in_an_experiment(self, serve, does, arms, sofas, bob):
        serve(bob, sofas[:2], "control", pages=[(0, 2), (0, 2)])
        does(bob, sofas[0])
        does(bob, sofas[0], hours=3)
        assert (self.clicks(arms), arms()["control"].served_count) == (1 / 2, 2)

    def test_an_event_counts_for_the_last_slate_before_it_alone(self, serve, does, arms, sofas, bob):
        for hours in (1, 2, 4):
            serve(bob, sofas[:1], "control", hours=hours)
        does(bob, sofas[0], hours=3)
        assert self.clicks(arms) == 1 / 3
        does(bob, sofas[0], hours=5)
        assert self.clicks(arms) == 2 / 3

    def test_an_unserved_slate_is_no_exposure_to_an_experiment_and_an_empty_page_is(
        self, serve, arms, sofas, bob, charlie
    ):
        serve(bob, sofas, "control", pages=[])
        serve(charlie, [], "bold")
        assert {name: (arm.actor_count, arm.served_count) for name, arm in arms().items()} == {
            "control": (0, 0),
            "bold": (1, 0),
        }

    def test_slates_without_an_actor_and_of_other_experiments_are_not_counted(self, serve, arms, sofas, bob):
        serve(None, sofas, "control")
        serve(bob, sofas, "control", name="other")
        assert [arm.slate_count for arm in arms().values()] == [0, 0]

    def test_a_doubted_actor_is_not_counted_in_an_experiment_until_staff_release_them(
        self, serve, does, arms, sofas, bob, charlie, now
    ):
        serve(bob, sofas[:2], "control")
        serve(charlie, sofas[:2], "control")
        does(charlie, sofas[0])
        doubt = Doubt.objects.create(actor=charlie, reason="haste", share=0, found_at=now)
        assert (self.clicks(arms), arms()["control"].actor_count) == (0, 1)
        doubt.decision = "released"
        doubt.save()
        assert (self.clicks(arms), arms()["control"].actor_count) == (1 / 4, 2)

    def test_a_favourite_taken_back_does_not_count_for_an_experiment(self, serve, does, arms, sofas, bob):
        serve(bob, sofas[:1], "control")
        does(bob, sofas[0], "favourite")
        assert arms()["control"].of_served["favourite"].value == 1
        does(bob, sofas[0], "unfavourite", hours=3)
        assert arms()["control"].of_served["favourite"].value == 0

    def test_a_visitor_who_logged_in_is_one_actor_of_the_experiment_with_the_member(
        self, serve, does, arms, sofas, bob
    ):
        visitor = Actor.objects.create(external_id="visitor-1", kind="visitor", merged_into=bob)
        serve(visitor, sofas[:2], "bold")
        does(bob, sofas[0])
        assert arms()["bold"].actor_count == 1
        assert self.clicks(arms, "bold") == 1 / 2

    def test_an_actor_who_saw_two_variants_counts_in_neither(self, serve, arms, sofas, bob, charlie, now):
        visitor = Actor.objects.create(external_id="visitor-1", kind="visitor", merged_into=bob)
        serve(visitor, sofas, "bold")
        serve(bob, sofas, "control")
        serve(charlie, sofas, "control")
        assert read_outcome("bolder", now=now).mixed_count == 1
        assert [arm.actor_count for arm in arms().values()] == [1, 0]
