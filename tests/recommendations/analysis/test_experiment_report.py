import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from listings.models import Actor
from ml.evaluation.proportions import wilson
from recommendations.analysis import experiment_report
from recommendations.analysis.experiment_outcomes import NoSuchExperiment, read_outcome
from recommendations.models.events import Interaction
from tests.recommendations.analysis.conftest import HOUR


class TestWarnings:
    def report_text(self, now) -> str:
        return " ".join(experiment_report.sentences(read_outcome("bolder", now=now)))

    def test_an_experiment_report_says_that_an_even_division_is_even(self, crowd, now):
        assert "The division is as the weights say" in self.report_text(now)
        assert "MISMATCH" not in self.report_text(now)

    def test_an_experiment_report_names_the_primary_measure_and_the_adjustment(self, crowd, now):
        text = self.report_text(now)
        assert "one primary measure: share of actors with a click" in text
        assert "Holm" in text

    def test_an_experiment_report_warns_of_a_sample_ratio_mismatch(self, serve, sofas, now):
        for number in range(12):
            serve(Actor.objects.create(external_id=f"shopper-{number}"), sofas[:1], "bold")
        assert read_outcome("bolder", now=now).sample_ratio_p == pytest.approx(0.00053, abs=1e-5)
        assert "SAMPLE RATIO MISMATCH" in self.report_text(now)

    def test_variant_weights_decide_what_division_is_even(self, serve, sofas, now, experiment):
        experiment.variants.filter(name="bold").update(weight=11)
        for number in range(12):
            variant = "bold" if number else "control"
            serve(Actor.objects.create(external_id=f"shopper-{number}"), sofas[:1], variant)
        assert read_outcome("bolder", now=now).sample_ratio_p == pytest.approx(1)

    def test_an_experiment_report_names_simulated_events(self, crowd, now):
        assert "SIMULATED" not in self.report_text(now)
        Interaction.objects.update(source="simulation")
        assert "100% of the events are SIMULATED" in self.report_text(now)

    def test_an_experiment_report_says_while_outcomes_are_not_complete(self, crowd, experiment):
        served = experiment.starts_at + HOUR
        assert "Not complete" in self.report_text(served + 167 * HOUR)
        assert "Not complete" not in self.report_text(served + 168 * HOUR)


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
