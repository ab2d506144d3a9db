"""Constraints and forms of experiments and their variants."""

from functools import partial

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from recommendations.models.experiments import Experiment
from tests.recommendations.running_experiments import BOLDER, DAY, make_experiment


@pytest.fixture
def experiment(db, now):
    """experiment(...): running from yesterday until tomorrow, with a control and a bolder variant."""
    return partial(make_experiment, now)


class TestConstraints:
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
