from collections import Counter
from datetime import timedelta
from functools import partial

import pytest

from listings.models import Actor
from recommendations.feed import experiments
from recommendations.feed.experiments import NO_EXPERIMENT, assignment, fractions
from recommendations.models.experiments import Experiment
from recommendations.models.feed_parameters import FeedParameters
from tests.recommendations.running_experiments import BOLDER, DAY, make_experiment


@pytest.fixture
def experiment(db, now):
    """experiment(...): running from yesterday until tomorrow, with a control and a bolder variant."""
    return partial(make_experiment, now)


def shopper(number: int) -> Actor:
    """Not stored: nothing but the id counts."""
    return Actor(external_id=f"shopper-{number}")


def divided(now, count=2000) -> Counter:
    return Counter(assignment(shopper(number), now).variant for number in range(count))


class TestAssignment:
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
