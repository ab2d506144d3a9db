"""The report of an evaluation, on the screen and in files."""

import json
from types import SimpleNamespace

import pytest
from django.utils import timezone

from ml.evaluation.estimate import IntervalEstimate
from recommendations.analysis import backtest_report
from recommendations.evaluation import point_in_time
from recommendations.evaluation.comparison import EvaluationResult, SliceResult
from recommendations.ranking.scoring import WARMTH_WEIGHTS

PNG = b"\x89PNG\r\n"


class TestReport:
    def test_the_evaluate_command_prints_a_table_for_each_slice_and_the_share_of_simulated_events(
        self, evaluate
    ):
        printed = evaluate()
        for words in ("All:", "Untouched listings:", "Unknown actors:", "Recall@5", "NDCG@5", "MAP@5"):
            assert words in printed
        for words in ("coverage", "novelty (bits)", "popularity", "the feed", "±"):
            assert words in printed
        assert "100% of the events are SIMULATED" in printed
        assert f"up to {timezone.localtime(point_in_time.split_time()):%Y-%m-%d %H:%M}" in printed

    def test_the_evaluation_json_is_strict_and_holds_every_figure_with_its_interval(self, evaluate, tmp_path):
        evaluate("--json", str(tmp_path / "evaluation.json"))
        text = (tmp_path / "evaluation.json").read_text()
        figures = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        estimate = figures["measured"]["slices"][0]["figures"]["blend"]["ndcg"]
        assert 0 <= estimate["low"] <= estimate["value"] <= estimate["high"] <= 1
        assert figures["measured"]["k"] == 5
        assert figures["moment"] == point_in_time.split_time().isoformat()
        assert len(figures["recipe"]["blend"]) == len(WARMTH_WEIGHTS)

    def test_the_output_folder_of_an_evaluation_gets_all_three_files(self, evaluate, tmp_path):
        evaluate("--output", str(tmp_path / "new" / "folder"))
        folder = tmp_path / "new" / "folder"
        names = ["evaluation.json", "evaluation.md", "evaluation.png"]
        assert sorted(file.name for file in folder.iterdir()) == names
        assert (folder / "evaluation.png").read_bytes().startswith(PNG)
        markdown = (folder / "evaluation.md").read_text()
        heads = ("Recall@5", "NDCG@5", "MAP@5", "lead", "coverage", "novelty (bits)")
        assert f"| method | {' | '.join(heads)} |" in markdown
        assert markdown.count("| the feed |") == 3
        assert "SIMULATED" in markdown

    def test_a_slice_without_actors_says_that_there_is_no_case(self):
        unknown = IntervalEstimate(float("nan"), float("nan"), float("nan"))
        part = SliceResult("cold actors", 0, {"popularity": {"ndcg": unknown}})
        measured = EvaluationResult(5, 0, 0, 3, 0, [part])
        [table] = backtest_report.tables(SimpleNamespace(measured=measured))
        assert table.rows == [(["popularity", "no case"], False)]

    def test_a_path_for_one_evaluation_file_overrides_the_output_folder(self, evaluate, tmp_path):
        own = tmp_path / "mine.png"
        evaluate("--output", str(tmp_path / "rest"), "--chart", str(own))
        assert own.read_bytes().startswith(PNG)
        assert not (tmp_path / "rest" / "evaluation.png").exists()

    def test_an_evaluation_of_one_method_draws_a_chart(self, evaluate, tmp_path):
        evaluate("--chart", str(tmp_path / "one.png"), methods=["content"])
        assert (tmp_path / "one.png").read_bytes().startswith(PNG)
