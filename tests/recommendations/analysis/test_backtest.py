import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from listings.models import Listing
from recommendations.analysis import backtest
from recommendations.analysis.backtest import NothingHeldOut, run_backtest
from recommendations.collaborative import config as recommendations_recipe
from recommendations.collaborative import model as collaborative_model
from recommendations.evaluation import point_in_time
from recommendations.evaluation.baselines import BASELINES
from recommendations.models.embeddings import ListingEmbedding
from recommendations.models.events import Interaction
from recommendations.models.trained_models import TrainedModel
from recommendations.ranking.scoring import WARMTH_WEIGHTS
from recommendations.training import collaborative, source_weights
from recommendations.training.collaborative import TooFewEvents
from tests.recommendations.analysis.conftest import METHODS


def state() -> list:
    """All state that an evaluation could change."""
    tables = connection.introspection.table_names()
    with connection.cursor() as cursor:
        return [cursor.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables]


class TestRehearse:
    def test_a_backtest_splits_events_by_share_and_counts_all_of_them(self, shoppers):
        result = run_backtest(share=0.8, methods=METHODS, max_actors=10)
        assert result.moment == point_in_time.split_time(0.8)
        assert result.end == point_in_time.last_event()
        assert result.event_count + result.answer_count == Interaction.objects.count()
        assert result.event_count / Interaction.objects.count() == pytest.approx(0.8, abs=0.01)
        assert result.simulated_count == Interaction.objects.count()
        assert result.measured.actor_count == 10 < result.measured.eligible_count

    def test_a_backtest_fits_source_weights_on_events_before_the_split(self, shoppers, monkeypatch):
        fits = []

        def fit_blend(model, moment, *, end, last, progress):
            fits.append((model.trained_until, moment, end, last))
            return WARMTH_WEIGHTS[::-1]

        monkeypatch.setattr(source_weights, "fit_blend", fit_blend)
        result = run_backtest(share=0.8, methods=METHODS, max_actors=10)
        earlier = point_in_time.split_time(0.8, until=result.moment)
        assert fits == [(earlier, earlier, result.moment, ())]
        assert earlier < result.moment
        assert result.recipe.blend == WARMTH_WEIGHTS[::-1]

    def test_no_model_of_a_backtest_is_fitted_on_later_events(self, shoppers, monkeypatch):
        seen, real = [], collaborative_model.fit

        def fit(history, *args, **how):
            seen.append(history.until)
            return real(history, *args, **how)

        monkeypatch.setattr(backtest, "fit", fit)
        result = run_backtest(methods=["als", "blend"], max_actors=10)
        assert len(seen) == 2
        assert max(seen) == result.moment

    def test_a_backtest_without_the_feed_fits_no_source_weights(self, shoppers, monkeypatch):
        monkeypatch.setattr(source_weights, "fit_blend", None)
        assert run_backtest(methods=["content"], max_actors=10).recipe.blend == ()

    def test_a_backtest_fits_with_the_config_of_the_active_model(self, shoppers):
        recipe = recommendations_recipe.TrainingConfig(factors=7)
        collaborative.train_collaborative(now=timezone.now(), recipe=recipe, force=True)
        assert run_backtest(methods=["als"], max_actors=10).recipe.factors == 7

    def test_later_events_are_held_out_and_change_nothing_that_was_known_at_the_split(self, shoppers, past):
        moment = point_in_time.split_time(0.9)
        before = run_backtest(since=moment, methods=METHODS)
        there = point_in_time.listings_on_market(moment, end=past.moment)[:5]
        for listing in Listing.objects.filter(pk__in=there.tolist()):
            past.event("somebody", listing, hours=-0.01)
        after = run_backtest(since=moment, methods=METHODS)
        assert (after.event_count, after.recipe) == (before.event_count, before.recipe)
        assert after.measured.eligible_count == before.measured.eligible_count + 1

    def test_a_backtest_split_before_all_events_is_refused(self, shoppers, ago):
        with pytest.raises(TooFewEvents, match="no events before"):
            run_backtest(since=ago(days=100))

    def test_a_backtest_split_after_all_events_is_refused(self, shoppers, now):
        with pytest.raises(NothingHeldOut, match="Split earlier"):
            run_backtest(since=now)

    def test_a_backtest_after_which_nobody_touched_anything_new_is_refused(self, shoppers, past):
        moment = point_in_time.last_event()
        known = Interaction.objects.filter(occurred_at__lte=moment, kind="view").latest("occurred_at")
        past.event(known.actor, known.listing, hours=0)
        with pytest.raises(NothingHeldOut, match="anything new"):
            run_backtest(since=moment)


class TestCommand:
    def test_the_evaluate_command_measures_all_methods_unless_some_are_named(self, evaluate, tmp_path):
        evaluate("--json", str(tmp_path / "all.json"), methods=list(BASELINES))
        evaluate("--json", str(tmp_path / "some.json"))
        figures = [
            json.loads((tmp_path / name).read_text())["measured"]["slices"][0]["figures"]
            for name in ("all.json", "some.json")
        ]
        assert [list(methods) for methods in figures] == [list(BASELINES), METHODS]
        assert figures[0]["popularity"] == figures[1]["popularity"]

    def test_the_same_seed_writes_the_same_evaluation_file(self, evaluate, tmp_path):
        for name, seed in (("1", "4"), ("2", "4"), ("3", "5")):
            evaluate("--seed", seed, "--actors", "8", "--json", str(tmp_path / name))
        first, again, other = ((tmp_path / name).read_text() for name in "123")
        assert first == again != other

    def test_the_evaluate_command_splits_at_a_given_time(self, evaluate, tmp_path):
        moment = point_in_time.split_time(0.7)
        evaluate("--since", moment.isoformat(), "--json", str(tmp_path / "evaluation.json"))
        assert json.loads((tmp_path / "evaluation.json").read_text())["moment"] == moment.isoformat()

    def test_an_evaluation_publishes_nothing_and_changes_nothing(self, evaluate, settings):
        before, files = state(), sorted(settings.MODEL_ROOT.rglob("*"))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            evaluate()
        assert state() == before
        assert sorted(settings.MODEL_ROOT.rglob("*")) == files
        starts = {query["sql"].split()[0].upper() for query in queries}
        assert starts <= {"SELECT", "WITH", "DECLARE", "SAVEPOINT", "RELEASE", "CLOSE", "FETCH"}

    def test_the_evaluate_command_prints_its_steps_in_order(self, evaluate):
        printed = evaluate()
        steps = [
            "Fitting a model for the source weights ...",
            "Fitting source weights ...",
            "Fitting on the earlier events",
        ]
        places = [printed.index(step) for step in [*steps, "Ranking for"]]
        assert places == sorted(places)


class TestWhatCannotBeEvaluated:
    def refused(self, *words: str) -> str:
        with pytest.raises(CommandError) as error:
            call_command("evaluate", *words, stdout=io.StringIO())
        assert error.value.returncode != 0
        assert "\n" not in str(error.value)
        return str(error.value)

    def test_evaluating_without_events_is_refused(self, encoder):
        assert self.refused().startswith("There are no events")

    def test_evaluating_too_few_events_is_refused(self, past):
        sofa = past.listing()
        for hour in range(5):
            past.event(f"actor {hour}", sofa, hours=hour - 10)
        assert "at least" in self.refused()

    def test_evaluating_without_an_encoder_names_the_command_that_helps(self, shoppers):
        TrainedModel.objects.all().delete()
        assert "manage.py embed" in self.refused()

    def test_evaluating_without_embedded_listings_names_the_command_that_helps(self, shoppers):
        ListingEmbedding.objects.all().delete()
        assert "manage.py embed" in self.refused()

    def test_evaluating_with_nothing_after_the_split_is_refused(self, shoppers):
        assert "Split earlier" in self.refused("--since", "2999-01-01")

    def test_an_evaluation_file_that_cannot_be_written_is_refused_before_the_work(
        self, shoppers, tmp_path, monkeypatch
    ):
        monkeypatch.setattr("recommendations.management.commands.evaluate.run_backtest", None)
        assert "is a folder" in self.refused("--json", str(tmp_path))
        (tmp_path / "file").touch()
        assert "cannot be written" in self.refused("--output", str(tmp_path / "file" / "below"))

    @pytest.mark.parametrize(
        "words",
        [
            *(["--split", share] for share in ("0", "1", "1.5", "nan", "much")),
            *(["--k", count] for count in ("0", "-3", "2.5", "some")),
            ["--actors", "0"],
            ["--since", "yesterday"],
            ["--split", "0.8", "--since", "2026-03-14"],
            ["--methods", "magic"],
        ],
    )
    def test_options_of_the_evaluate_command_that_make_no_sense_are_refused(self, db, words):
        assert self.refused(*words)
