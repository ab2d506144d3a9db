"""Serving processes that find damaged files."""

import pytest

from listings import models as listings_models
from recommendations.collaborative import store
from recommendations.model_registry import watcher
from recommendations.replica import follower
from tests import factories
from tests.recommendations.model_registry.published_models import damage, folder_of, served, train, watching


class TestDamagedFiles:
    FILES = ["als.npz", "als.json", "neighbours.npz", "items.faiss", "model.json"]

    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize("how", ["corrupted", "cut short", "missing"])
    def test_with_a_damaged_file_the_model_before_serves_on_and_the_row_says_why(self, shoppers, name, how):
        first, watch = train(), watching()
        watch.look()
        second = train()
        file = folder_of(second) / name
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content if how == "corrupted" else content[:-1])
        if how == "missing":
            file.unlink()
        assert served(watch) == first.version
        second.refresh_from_db()
        assert name in second.problem
        assert second.problem_at
        assert not watch.is_missing

    def test_damaged_counts_do_not_keep_a_collaborative_model_from_serving(self, shoppers):
        model = train()
        damage(model, "counts.npz")
        assert served(watching()) == model.version

    def test_a_damaged_model_is_logged_once_however_many_watchers_find_it(
        self, shoppers, caplog, monkeypatch
    ):
        monkeypatch.setattr(watcher, "TRY_AGAIN_AFTER_S", -1)
        train()
        damage(train())
        for watch in (watching(), watching()):
            for _ in range(3):
                watch.look()
        assert [record.levelname for record in caplog.records if "cannot be loaded" in record.message] == [
            "ERROR"
        ]

    def test_a_watcher_does_not_read_damaged_files_again_each_second(self, shoppers, monkeypatch):
        damage(train())
        watch, loads = watching(), []
        monkeypatch.setattr(store, "load", lambda row, real=store.load: loads.append(row) or real(row))
        for _ in range(5):
            watch.look()
        assert len(loads) == 1

    def test_a_watcher_takes_up_mended_files_and_clears_the_problem(self, shoppers, monkeypatch):
        monkeypatch.setattr(watcher, "TRY_AGAIN_AFTER_S", -1)
        train()
        second, watch = train(), watching()
        file = folder_of(second) / "als.npz"
        content = file.read_bytes()
        damage(second)
        watch.look()
        file.write_bytes(content)
        assert served(watch) == second.version
        second.refresh_from_db()
        assert (second.problem, second.problem_at) == ("", None)

    def test_a_starting_process_serves_the_newest_intact_model(self, shoppers):
        first, second, third = train(), train(), train()
        damage(third)
        assert served(watching()) == second.version
        damage(second)
        assert served(watching()) == first.version

    def test_without_an_intact_model_feeds_are_served_degraded(self, shoppers, follow, as_bob):
        damage(train())
        follow()
        page = as_bob.get("/api/v1/feed/").json()
        assert page["items"]
        assert page["degraded"] == ["collaborative"]

    def test_a_process_keeps_its_model_when_the_files_vanish_under_it(self, shoppers, follow, as_bob):
        model = train()
        follow()
        for file in folder_of(model).iterdir():
            file.write_bytes(b"")  # a mapped file that is cut short would end the process
        factories.event(
            listings_models.Actor.objects.get(external_id="bob"), listings_models.Listing.objects.first()
        )
        follow()
        page = as_bob.get("/api/v1/feed/").json()
        assert any(item["scores"]["collaborative"] is not None for item in page["items"])
        assert follower.snapshot().collaborative.version == model.version

    def test_the_admin_shows_that_a_model_cannot_be_loaded(self, shoppers, admin_client):
        damage(train())
        watching().look()
        page = admin_client.get("/admin/recommendations/trainedmodel/").content.decode()
        assert "Cannot be loaded" in page
        assert "als.npz is not what was published" in page
        row = admin_client.get(f"/admin/recommendations/trainedmodel/{store.active().pk}/change/")
        assert "Cannot be loaded" in row.content.decode()
