"""Deletion of old slates."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from recommendations.models.slates import Impression, Slate
from recommendations.slates import store
from recommendations.tasks import prune_slates
from tests.recommendations.slates.drafts import draft


class TestPruning:
    @pytest.fixture
    def written(self, bob, ago):
        """Five of a hundred days ago, each served, and one of today."""
        for number in range(5):
            old = store.write(draft([1, 2], bob), now=ago(days=100, hours=number))
            store.log_impression(old, offset=0, count=2, now=ago(days=100, hours=number))
        return store.write(draft([1, 2], bob), now=ago(hours=1))

    def test_old_slates_are_pruned_with_their_impressions_in_batches(self, written, monkeypatch, capsys):
        monkeypatch.setattr(store, "PRUNED_AT_ONCE", 2)
        call_command("prune_slates")
        assert "5 slates" in capsys.readouterr().out
        assert [slate.pk.hex for slate in Slate.objects.all()] == [written]
        assert not Impression.objects.exists()
        call_command("prune_slates")
        assert "0 slates" in capsys.readouterr().out

    def test_anonymous_slates_are_pruned_after_a_month(self, bob, ago):
        for actor in (bob, None):
            for days in (30, 32):
                store.write(draft([days], actor), now=ago(days=days))
        call_command("prune_slates")
        assert set(Slate.objects.values_list("actor", "listing_ids__0")) == {
            (bob.pk, 30),
            (bob.pk, 32),
            (None, 30),
        }

    def test_pruning_slates_reports_its_progress(self, written, monkeypatch, now):
        monkeypatch.setattr(store, "PRUNED_AT_ONCE", 2)
        reported = []
        store.prune(kept=timedelta(days=90), now=now, progress=lambda *counts: reported.append(counts))
        assert reported == [(2, 5), (4, 5), (5, 5)]

    def test_slates_are_kept_for_the_given_number_of_days(self, written):
        call_command("prune_slates", "--days", "101")
        assert Slate.objects.count() == 6

    @pytest.mark.parametrize("days", ["0", "-1", "1.5", "all", "99999999"])
    def test_pruning_slates_refuses_invalid_numbers_of_days(self, db, days):
        with pytest.raises(CommandError, match="whole days"):
            call_command("prune_slates", f"--days={days}")

    def test_the_nightly_task_keeps_slates_for_the_days_of_the_setting(self, written, settings):
        assert prune_slates() == 5
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"slate_days": 1000})
        assert prune_slates() == 0
