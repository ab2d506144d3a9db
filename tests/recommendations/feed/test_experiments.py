from collections import Counter
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from listings.models import Actor
from recommendations.feed import experiments
from recommendations.feed.experiments import NO_EXPERIMENT, assignment, fractions
from recommendations.models.experiments import Experiment, Variant
from recommendations.models.feed_parameters import FeedParameters

DAY = timedelta(days=1)
BOLDER = {"explore_share": 0.3, "source_weights": {"fresh": 2}}


@pytest.fixture
def experiment(db, now):
    """experiment(): running from yesterday until tomorrow, with a control and a bolder variant."""

    def make(
        name="bolder", *, days=(-1, 1), variants=None, status="running", share=1.0, **changed
    ) -> Experiment:
        start, end = (now + number * DAY for number in days)
        made = Experiment(
            name=name, share=share, status=status, starts_at=start, ends_at=end, **({"salt": "s"} | changed)
        )
        made.save()
        weights = variants or {"control": 1, "bold": 1}
        Variant.objects.bulk_create(
            Variant(experiment=made, name=each, weight=weight, parameters={} if each == "control" else BOLDER)
            for each, weight in weights.items()
        )
        return made

    return make


def shopper(number: int) -> Actor:
    """Not stored: nothing but the id counts."""
    return Actor(external_id=f"shopper-{number}")


def divided(now, count=2000) -> Counter:
    return Counter(assignment(shopper(number), now).variant for number in range(count))


class TestDivision:
    def test_without_an_experiment_everybody_gets_the_defaults(self, bob, now):
        default = assignment(bob, now)
        assert default == NO_EXPERIMENT
        assert (default.parameters, default.exposure) == (FeedParameters(), {})

    def test_each_actor_gets_the_parameters_of_their_variant(self, experiment, now):
        experiment()
        by_variant = {each.variant: each for each in (assignment(shopper(n), now) for n in range(20))}
        assert by_variant["control"].parameters == FeedParameters()
        assert by_variant["bold"].parameters == FeedParameters.from_json(BOLDER)
        assert by_variant["bold"].exposure == {"experiment": "bolder", "variant": "bold"}

    def test_an_actor_keeps_their_variant_tomorrow_and_in_another_process(self, experiment, now):
        """SHA-256 is the same everywhere: these were worked out once, and must never change."""
        experiment()
        assert fractions("s", "shopper-1") == pytest.approx((0.82262055826732, 0.51328235866173), abs=1e-12)
        before = [assignment(shopper(number), now) for number in range(50)]
        experiments.forget()
        assert [assignment(shopper(number), now + DAY / 2) for number in range(50)] == before

    def test_actors_are_divided_by_the_weights_of_the_variants(self, experiment, now):
        experiment(variants={"control": 1, "bold": 2, "bolder": 1})
        counts = divided(now)
        for variant, share in (("control", 0.25), ("bold", 0.5), ("bolder", 0.25)):
            assert counts[variant] / 2000 == pytest.approx(share, abs=0.04)  # four standard errors

    def test_a_greater_share_of_participants_moves_nobody_who_took_part_before(self, experiment, now):
        made = experiment(share=0.3)
        before = [assignment(shopper(number), now).variant for number in range(2000)]
        assert 2000 - before.count(None) == pytest.approx(600, abs=80)
        assert before.count("bold") == pytest.approx(300, abs=65)
        Experiment.objects.filter(pk=made.pk).update(share=0.6)
        after = [assignment(shopper(number), now + DAY / 2).variant for number in range(2000)]
        assert 2000 - after.count(None) == pytest.approx(1200, abs=90)
        assert all(new == old for old, new in zip(before, after, strict=True) if old is not None)

    def test_a_share_of_zero_assigns_nobody(self, experiment, now):
        experiment(share=0)
        assert divided(now, 200) == {None: 200}

    def test_another_salt_divides_actors_in_another_way(self):
        halves = [[fractions(salt, f"shopper-{n}")[1] < 0.5 for n in range(1000)] for salt in ("a", "b")]
        alike = sum(one == other for one, other in zip(*halves, strict=True))
        assert alike == pytest.approx(500, abs=65)

    def test_an_anonymous_caller_takes_no_part_in_the_experiment(self, experiment, now):
        experiment()
        assert assignment(None, now) == NO_EXPERIMENT

    def test_a_visitor_who_logged_in_gets_the_variant_of_the_member(self, experiment, now, db):
        experiment()
        for number in range(8):
            member = Actor.objects.create(external_id=f"member-{number}")
            visitor = Actor.objects.create(external_id=f"visitor-{number}", merged_into=member)
            assert assignment(visitor, now) == assignment(member, now)

    def test_an_experiment_assigns_actors_only_while_it_runs(self, experiment, now, bob):
        made = experiment(days=(0, 1))
        moments = [now - DAY / 100, now, now + DAY - DAY / 100, now + DAY]
        assert [assignment(bob, at).experiment for at in moments] == [None, "bolder", "bolder", None]
        for status in ("draft", "stopped"):
            Experiment.objects.filter(pk=made.pk).update(status=status)
            experiments.forget()
            assert assignment(bob, now) == NO_EXPERIMENT

    def test_experiments_are_read_from_the_database_once_a_second(
        self, experiment, now, bob, django_assert_num_queries
    ):
        experiment()
        with django_assert_num_queries(2):
            for number in range(10):
                assignment(shopper(number), now + timedelta(seconds=0.09 * number))
        with django_assert_num_queries(2):
            assignment(bob, now + timedelta(seconds=1))

    @pytest.mark.parametrize("broken", [{"no_such_parameter": 1}, {"explore_share": 3}])
    def test_an_experiment_with_unreadable_parameters_does_not_run_and_is_logged_once(
        self, experiment, now, bob, broken, caplog
    ):
        made = experiment(name=f"broken-{len(str(broken))}")
        made.variants.filter(name="bold").update(parameters=broken)
        for second in range(3):
            assert assignment(bob, now + timedelta(seconds=second)) == NO_EXPERIMENT
        assert len([line for line in caplog.messages if made.name in line]) == 1

    def test_an_experiment_without_a_control_does_not_run(self, experiment, now, bob):
        experiment(variants={"bold": 1, "bolder": 1})
        assert assignment(bob, now) == NO_EXPERIMENT


class TestRules:
    def test_two_experiments_at_one_time_are_refused_by_the_database(self, experiment):
        experiment()
        with pytest.raises(IntegrityError), transaction.atomic():
            experiment("second", days=(0, 2))

    def test_a_form_names_the_experiment_that_runs_at_the_same_time(self, experiment, now):
        experiment()
        second = experiment("second", days=(0, 2), status="draft")
        second.status = "running"
        with pytest.raises(ValidationError) as refused:
            second.full_clean()
        assert refused.value.message_dict == {"status": ["bolder runs in that time: one runs at a time."]}

    def test_an_experiment_may_follow_another_and_stand_beside_drafts_and_stopped_ones(self, experiment):
        experiment()
        experiment("after", days=(1, 2))
        experiment("draft", status="draft")
        experiment("stopped", status="stopped").full_clean()

    @pytest.mark.parametrize("wrong", [{"share": 1.01}, {"share": -0.1}, {"days": (1, 1)}])
    def test_a_share_out_of_range_or_an_empty_span_of_an_experiment_is_refused_by_the_database(
        self, experiment, wrong
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            experiment(**wrong)

    def test_a_form_refuses_an_experiment_that_ends_before_it_starts(self, experiment, now):
        wrong = Experiment(name="wrong", starts_at=now, ends_at=now - DAY, status="running")
        with pytest.raises(ValidationError) as refused:
            wrong.full_clean()
        assert list(refused.value.message_dict) == ["ends_at"]

    @pytest.mark.parametrize(
        ("changed", "field"),
        [
            ({"name": "other"}, "name"),
            ({"salt": "t"}, "salt"),
            ({"status": "draft"}, "status"),
        ],
    )
    def test_name_salt_and_status_of_a_started_experiment_are_fixed(self, experiment, changed, field):
        begun, draft = experiment(), experiment("draft", status="draft")
        for name, value in changed.items():
            setattr(begun, name, value)
            setattr(draft, name, value)
        draft.full_clean()
        with pytest.raises(ValidationError) as refused:
            begun.full_clean()
        assert list(refused.value.message_dict) == [field]

    def test_a_started_experiment_can_be_prolonged_widened_and_stopped(self, experiment):
        made = experiment()
        made.ends_at, made.share, made.status = made.ends_at + DAY, 0.9, "stopped"
        made.full_clean()

    @pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf")])
    def test_a_variant_without_a_finite_weight_above_zero_is_refused(self, experiment, weight):
        with pytest.raises(IntegrityError), transaction.atomic():
            experiment(variants={"control": 1, "bold": weight})

    def test_a_control_with_parameters_of_its_own_is_refused(self, experiment):
        made = experiment()
        with pytest.raises(IntegrityError), transaction.atomic():
            made.variants.filter(name="control").update(parameters=BOLDER)

    @pytest.mark.parametrize("parameters", [{"source_weights": {"nonsense": 2}}, {"seller_cap": 0}, [1]])
    def test_a_variant_with_unknown_or_invalid_parameters_is_refused(self, experiment, parameters):
        variant = experiment().variants.get(name="bold")
        variant.full_clean()
        variant.parameters = parameters
        with pytest.raises(ValidationError) as refused:
            variant.full_clean()
        assert list(refused.value.message_dict) == ["parameters"]
