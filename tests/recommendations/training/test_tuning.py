import pytest

from recommendations.collaborative.config import TrainingConfig
from recommendations.training import collaborative, tuning


class TestTuning:
    @pytest.fixture
    def parts(self, shoppers, now):
        material = collaborative._read_material(now)
        return material.first, material.second

    def test_tuning_never_ends_with_a_config_worse_than_its_start(self, parts):
        tried = []
        best = tuning.tune(*parts, start=TrainingConfig(alpha=0.1), budget_s=10, report=tried.append)
        assert tried[0].recipe == TrainingConfig(alpha=0.1)
        assert best in [trial.recipe for trial in tried]
        assert max(trial.ndcg for trial in tried) * 0.999 <= next(t.ndcg for t in tried if t.recipe == best)

    def test_tuning_keeps_to_its_time_budget(self, parts):
        ticks = iter(range(10**6))
        tried = []
        tuning.tune(
            *parts, start=TrainingConfig(), budget_s=5, report=tried.append, clock=lambda: next(ticks)
        )
        assert 1 <= len(tried) <= 6

    def test_tuning_never_sees_the_events_that_the_gate_asks_about(self, shoppers, now, monkeypatch):
        material = collaborative._read_material(now)
        seen = []
        monkeypatch.setattr(
            tuning, "tune", lambda earlier, later, **how: seen.extend([earlier, later]) or how["start"]
        )
        collaborative._tuned(material, TrainingConfig(), 1, lambda tried: None)
        assert seen == [material.first, material.second]
        assert material.first.until < material.second.until < material.whole.until
