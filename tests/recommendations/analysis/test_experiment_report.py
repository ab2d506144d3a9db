import json
from datetime import timedelta
from io import StringIO
from math import isnan

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from listings.models import Actor
from ml.evaluation.proportions import proportion_difference, wilson
from recommendations.analysis import experiment_report
from recommendations.analysis.experiment_outcomes import OUTCOMES, NoSuchExperiment, read_outcome
from recommendations.models.doubts import Doubt
from recommendations.models.events import Interaction
from recommendations.models.experiments import Experiment, Variant
from recommendations.slates import store
from recommendations.slates.store import SlateDraft
from tests import factories

HOUR = timedelta(hours=1)


@pytest.fixture
def experiment(db, now) -> Experiment:
    """An experiment that ran for ten days and stopped ten days ago."""
    made = Experiment.objects.create(
        name="bolder", status="stopped", starts_at=now - 480 * HOUR, ends_at=now - 240 * HOUR
    )
    Variant.objects.create(experiment=made, name="bold", parameters={"explore_share": 0.3})
    Variant.objects.create(experiment=made, name="control")
    return made


@pytest.fixture
def serve(experiment, now):
    """serve(bob, [sofa], "bold"): returns the slate's id; hours count from the start of the experiment."""

    def write(actor, listings, variant, *, hours=1, pages=None, name="bolder") -> str:
        at = experiment.starts_at + hours * HOUR
        draft = SlateDraft(
            surface="feed",
            actor=actor,
            listing_ids=[listing.pk for listing in listings],
            feature_names=(),
            features=np.empty((len(listings), 0), np.float32),
            propensities=np.ones(len(listings), np.float32),
            reasons=["fresh"] * len(listings),
            seed=0,
            parameters={"limit": 20, "experiment": name, "variant": variant},
        )
        slate_id = store.write(draft, now=at)
        for offset, count in [(0, len(listings))] if pages is None else pages:
            store.log_impression(slate_id, offset=offset, count=count, now=at)
        return slate_id

    return write


@pytest.fixture
def does(experiment):
    """does(bob, sofa, "click", hours=2), from the start of the experiment."""
    return lambda who, what, kind="click", *, hours=2: factories.event(
        who, what, kind, at=experiment.starts_at + hours * HOUR
    )


@pytest.fixture
def arms(experiment, now):
    """arms()["bold"]: the outcomes of that variant."""
    return lambda: {arm.name: arm for arm in read_outcome("bolder", now=now).arms}


@pytest.fixture
def crowd(serve, does, sofas):
    """Ten of each variant are served six sofas; six of the control click one, eight of the others two."""
    for variant, clicking, clicks in (("control", 6, 1), ("bold", 8, 2)):
        for number in range(10):
            actor = Actor.objects.create(external_id=f"{variant}-{number}")
            serve(actor, sofas, variant)
            for sofa in sofas[: clicks * (number < clicking)]:
                does(actor, sofa)


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
        assert (over.low, over.high) == proportion_difference(8, 10, 6, 10)
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


class TestWarnings:
    def told(self, now) -> str:
        return " ".join(experiment_report.sentences(read_outcome("bolder", now=now)))

    def test_an_experiment_report_says_that_an_even_division_is_even(self, crowd, now):
        assert "The division is as the weights say" in self.told(now)
        assert "MISMATCH" not in self.told(now)

    def test_an_experiment_report_warns_of_a_sample_ratio_mismatch(self, serve, sofas, now):
        for number in range(12):
            serve(Actor.objects.create(external_id=f"shopper-{number}"), sofas[:1], "bold")
        assert read_outcome("bolder", now=now).sample_ratio_p == pytest.approx(0.00053, abs=1e-5)
        assert "SAMPLE RATIO MISMATCH" in self.told(now)

    def test_variant_weights_decide_what_division_is_even(self, serve, sofas, now, experiment):
        experiment.variants.filter(name="bold").update(weight=11)
        for number in range(12):
            variant = "bold" if number else "control"
            serve(Actor.objects.create(external_id=f"shopper-{number}"), sofas[:1], variant)
        assert read_outcome("bolder", now=now).sample_ratio_p == pytest.approx(1)

    def test_an_experiment_report_names_simulated_events(self, crowd, now):
        assert "SIMULATED" not in self.told(now)
        Interaction.objects.update(source="simulation")
        assert "100% of the events are SIMULATED" in self.told(now)

    def test_an_experiment_report_says_while_outcomes_are_not_complete(self, crowd, experiment):
        served = experiment.starts_at + HOUR
        assert "Not complete" in self.told(served + 167 * HOUR)
        assert "Not complete" not in self.told(served + 168 * HOUR)


class TestCommand:
    def test_the_report_experiment_command_prints_tables(self, crowd):
        out = StringIO()
        call_command("report_experiment", "bolder", stdout=out)
        printed = out.getvalue()
        low, high = (100 * end for end in wilson(8, 10))
        assert f"80.00 % ({low:.2f} to {high:.2f})" in printed
        assert "bold − control" in printed and "+20.00 %" in printed

    def test_the_report_experiment_command_writes_figures_and_a_chart(self, crowd, tmp_path, now):
        call_command("report_experiment", "bolder", "--output", str(tmp_path / "new"), stdout=StringIO())
        figures = json.loads((tmp_path / "new" / "experiment.json").read_text())
        assert [arm["name"] for arm in figures["arms"]] == ["control", "bold"]
        assert figures["arms"][1]["of_served"]["click"]["value"] == 16 / 60
        assert figures["arms"][1]["of_served"]["favourite"]["low"] is None
        assert Image.open(tmp_path / "new" / "experiment.png").width > 1000

    def test_an_experiment_that_nobody_saw_yet_is_reported(self, experiment, tmp_path):
        out = StringIO()
        call_command("report_experiment", "bolder", "--output", str(tmp_path), stdout=out)
        assert "0 actors were served" in out.getvalue()

    def test_an_unknown_experiment_is_refused_with_the_known_names(self, experiment, now):
        with pytest.raises(CommandError, match="there are: bolder"):
            call_command("report_experiment", "bolds")
        with pytest.raises(NoSuchExperiment):
            read_outcome("bolds", now=now)

    def test_an_experiment_report_that_cannot_be_written_is_refused_before_the_work(
        self, experiment, tmp_path
    ):
        (tmp_path / "file").write_text("")
        with pytest.raises(CommandError, match="cannot be written"):
            call_command("report_experiment", "bolder", "--output", str(tmp_path / "file"))
