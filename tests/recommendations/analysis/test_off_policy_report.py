import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from ml.evaluation.off_policy import PolicyEstimate
from recommendations.analysis import off_policy_report
from recommendations.analysis.off_policy import PolicyEvaluation, PolicyReward
from recommendations.models.events import Interaction
from tests.recommendations.analysis.replayed_world import (
    BY_CONTENT,
)


class TestWarnings:
    def test_a_replay_names_simulated_events(self, small_world, ask):
        Interaction.objects.update(source="simulation")
        assert any("SIMULATED" in line for line in off_policy_report.warnings_of(ask(BY_CONTENT)))


class TestWarningsOfWeights:
    """A policy's reward of .02, by a model that expects .04."""

    def warnings(self, **changes) -> str:
        usual = {"effective_sample_size": 900.0, "clipped_share": 0.0, "mean_weight": 1.0}
        robust = PolicyEstimate(0.02, 0.01, 0.03, **(usual | changes))
        earned = PolicyReward(same_count=1000, modelled=0.04, self_normalised=robust, doubly_robust=robust)
        slots = {"slot_count": 9, "slate_count": 9, "actor_count": 9, "untold_count": 0, "simulated_count": 0}
        now = timezone.now()
        result = PolicyEvaluation(
            "click", robust, self.served(), earned, robust, first_at=now, last_at=now, **slots
        )
        return " ".join(off_policy_report.warnings_of(result))

    def served(self) -> PolicyReward:
        fine = PolicyEstimate(0.02, 0.01, 0.03, effective_sample_size=900.0, clipped_share=0.0)
        return PolicyReward(same_count=1000, modelled=0.02, self_normalised=fine, doubly_robust=fine)

    def test_importance_weights_of_about_1_bring_no_warning(self):
        assert self.warnings() == ""

    def test_a_mean_weight_below_1_is_named_with_the_direction_of_the_bias(self):
        text = self.warnings(mean_weight=0.48)
        assert "MEAN WEIGHT 0.48 for the policy" in text
        assert "expects 0.0400: it is too high" in text

    def test_much_clipping_is_named_with_the_direction_of_the_bias(self):
        assert "20% of the weights of the policy were clipped" in self.warnings(clipped_share=0.2)
        assert "too high" in self.warnings(clipped_share=0.2)

    def test_a_mean_weight_far_above_1_is_named(self):
        assert "MEAN WEIGHT 1.60" in self.warnings(mean_weight=1.6)


class TestCommand:
    @pytest.fixture
    def policy_file(self, tmp_path):
        file = tmp_path / "policy.json"
        file.write_text(json.dumps(BY_CONTENT))
        return str(file)

    def test_the_replay_command_prints_its_estimates_and_warns_of_few_slots(
        self, small_world, policy_file, capsys
    ):
        call_command("replay", "--policy", policy_file, "--reward", "click")
        printed = capsys.readouterr().out
        assert "300 places that were filled by chance, in 150 slates of 60 actors" in printed
        for row in ("chance, as it was", "the order that served", "the policy", "policy − served"):
            assert row in printed
        assert "TOO FEW SLOTS" in printed

    def test_the_replay_command_prints_the_same_estimates_as_json(self, small_world, policy_file, capsys):
        call_command("replay", "--policy", policy_file, "--json")
        figures = json.loads(capsys.readouterr().out)
        assert (figures["reward"], figures["slot_count"]) == ("graded", 300)
        assert figures["asked"]["doubly_robust"]["low"] < figures["asked"]["doubly_robust"]["high"]

    def test_the_replay_command_without_any_slot_ends_with_status_1(self, db, policy_file):
        with pytest.raises(CommandError, match="No places that were filled by chance") as refusal:
            call_command("replay", "--policy", policy_file)
        assert refusal.value.returncode == 1

    def test_a_missing_or_invalid_policy_file_is_refused_in_one_line(self, db, tmp_path):
        with pytest.raises(CommandError, match="The policy cannot be read"):
            call_command("replay", "--policy", str(tmp_path / "none.json"))
        (tmp_path / "bad.json").write_text("{")
        with pytest.raises(CommandError, match="is not JSON"):
            call_command("replay", "--policy", str(tmp_path / "bad.json"))
