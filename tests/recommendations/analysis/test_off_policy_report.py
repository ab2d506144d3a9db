import json

import pytest
from django.core.management import CommandError, call_command

from recommendations.analysis import off_policy_report
from recommendations.models.events import Interaction
from tests.recommendations.analysis.replayed_world import (
    BY_CONTENT,
)


class TestWarnings:
    def test_a_replay_names_simulated_events(self, small_world, ask):
        Interaction.objects.update(source="simulation")
        assert any("SIMULATED" in line for line in off_policy_report.warnings_of(ask(BY_CONTENT)))


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
        assert "120 places that were filled by chance, in 60 slates of 60 actors" in printed
        for row in ("chance, as it was", "the order that served", "the policy", "policy − served"):
            assert row in printed
        assert "TOO FEW SLOTS" in printed

    def test_the_replay_command_prints_the_same_estimates_as_json(self, small_world, policy_file, capsys):
        call_command("replay", "--policy", policy_file, "--json")
        figures = json.loads(capsys.readouterr().out)
        assert (figures["reward"], figures["slot_count"]) == ("graded", 120)
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
