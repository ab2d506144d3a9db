"""Audits of stored slates."""

import pytest
from django.core.management import CommandError, call_command

from listings.models import Listing
from recommendations.models.slates import Slate
from recommendations.models.trained_models import TrainedModel
from recommendations.slates import store


class TestAudit:
    def explained(self, slate: str, capsys) -> str:
        call_command("explain_slate", slate)
        return capsys.readouterr().out

    @pytest.fixture
    def model(self, settings) -> TrainedModel:
        path = settings.MODEL_ROOT / "encoder" / "e-1"
        path.mkdir(parents=True)
        return TrainedModel.objects.create(kind="encoder", version="e-1", path="encoder/e-1")

    def test_an_audited_slate_shows_listings_in_order_with_reasons_and_features(
        self, bobs_slate, sofas, model, now, capsys
    ):
        store.log_impression(bobs_slate, offset=0, count=4, now=now)
        account = self.explained(bobs_slate, capsys)
        titles = [account.index(sofa.title) for sofa in sofas]
        assert titles == sorted(titles)
        first = next(line for line in account.splitlines() if sofas[0].title in line)
        assert "exploring" in first
        assert "content 0" in first
        assert "distance_km" not in first
        last = next(line for line in account.splitlines() if sofas[5].title in line)
        assert "0.5" in last
        assert "distance_km 11" in last
        assert all(part in account for part in ("feed for bob", "encoder e-1", "limit 20", "served: 1-4"))
        assert "is still there" in account

    def test_an_audited_slate_names_each_input_that_is_gone(self, bobs_slate, sofas, model, settings, capsys):
        (settings.MODEL_ROOT / model.path).rmdir()
        Listing.objects.filter(pk=sofas[2].pk).delete()
        Slate.objects.update(features=b"1234", propensities=b"12", reasons=[])
        account = " ".join(self.explained(bobs_slate, capsys).split())
        assert f"Deleted since: listings {sofas[2].pk}." in account
        assert "The files of encoder e-1 are not on disk any more." in account
        for missing in ("features are missing", "propensities are missing", "Reasons are missing"):
            assert missing in account
        model.delete()
        assert "No model encoder e-1 is registered" in self.explained(bobs_slate, capsys)

    @pytest.mark.parametrize("slate", ["no-uuid", "", "\x00", "0" * 32])
    def test_auditing_an_unknown_slate_fails_with_one_line(self, db, slate):
        with pytest.raises(CommandError, match="There is no slate") as error:
            call_command("explain_slate", slate)
        assert "\n" not in str(error.value)
