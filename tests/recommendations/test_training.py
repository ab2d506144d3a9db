import gzip
import json

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone

from recommendations import locks, training
from recommendations.behaviour import read_behaviour
from recommendations.interaction_weights import TRAINING_HALF_LIFE, WEIGHT_CAP
from recommendations.models import Interaction, TrainedModel
from recommendations.simulation import simulate
from tests import factories


@pytest.fixture
def sofas(alice):
    return [factories.listing(alice, f"Blue sofa {number}") for number in range(6)]


@pytest.fixture
def shoppers(alice, encoder, now):
    for number in range(12):
        factories.listing(alice, f"Blue sofa {number}", price=20 + number)
        factories.listing(alice, f"Mountain bike {number}", path="Sports / Bicycles", price=80 + number)
    simulate(shopper_count=30, seed=2, now=now)


@pytest.fixture
def few_are_enough(monkeypatch):
    monkeypatch.setattr(training, "LEAST_EVENTS", 1)
    monkeypatch.setattr(training, "LEAST_ACTORS", 1)


class TestBehaviour:
    def test_kinds_are_weighed_decayed_and_capped(self, bob, sofas, now, ago, few_are_enough):
        half_life = TRAINING_HALF_LIFE
        factories.event(bob, sofas[0], "view", at=now)
        factories.event(bob, sofas[1], "favourite", at=now)
        factories.event(bob, sofas[2], "view", at=now - half_life)
        for _ in range(30):
            factories.event(bob, sofas[3], "view", at=now)
        factories.event(bob, sofas[4], "hide", at=now)
        behaviour = read_behaviour(until=now)
        weights = dict(zip(behaviour.listing_ids.tolist(), behaviour.weights, strict=True))
        expected = {sofas[0].pk: 1, sofas[1].pk: 4, sofas[2].pk: 0.5, sofas[3].pk: WEIGHT_CAP}
        assert weights == pytest.approx(expected, rel=1e-3)

    def test_a_merged_visitor_is_one_actor_with_the_member(self, bob, sofas, now, few_are_enough):
        visitor = factories.Actor.objects.create(external_id="visitor-1", kind="visitor", merged_into=bob)
        factories.event(visitor, sofas[0])
        factories.event(bob, sofas[1])
        assert read_behaviour(until=timezone.now()).actors.tolist() == [bob.pk]

    def test_sold_listings_stay(self, bob, sofas, now, few_are_enough):
        factories.event(bob, sofas[0])
        factories.services.mark_sold(listing=sofas[0], buyer=bob, now=now)
        assert read_behaviour(until=timezone.now()).listing_ids.tolist() == [sofas[0].pk]


class TestTrain:
    def test_it_publishes_by_switching_one_row(self, shoppers, capsys):
        call_command("train", "collaborative")
        call_command("train", "collaborative")
        assert [
            model.status for model in TrainedModel.objects.filter(kind="collaborative").order_by("pk")
        ] == [*("retired", "active")]
        assert "events of 30 actors" in capsys.readouterr().out

    def test_files_of_old_models_go_away_and_their_rows_stay(self, shoppers, settings):
        models = [training.train_collaborative(now=timezone.now()) for _ in range(5)]
        kept = [(settings.MODEL_ROOT / model.path).exists() for model in models]
        assert kept == [False, False, True, True, True]
        assert TrainedModel.objects.filter(kind="collaborative").count() == 5

    def test_its_files_hold_no_pickle(self, shoppers, settings, now):
        model = training.train_collaborative(now=now)
        folder = settings.MODEL_ROOT / model.path
        assert sorted(file.suffix for file in folder.iterdir()) == [".faiss", ".json", ".npz"]
        with np.load(folder / "als.npz", allow_pickle=False) as archive:
            assert all(archive[name].dtype != object for name in archive)

    def test_without_events_it_says_so_and_the_model_before_stays(self, db):
        with pytest.raises(CommandError, match="no events yet"):
            call_command("train", "collaborative")
        assert not TrainedModel.objects.exists()

    def test_too_few_events_are_refused(self, bob, sofas):
        factories.event(bob, sofas[0])
        with pytest.raises(CommandError, match="at least"):
            call_command("train", "collaborative")

    def test_never_two_at_once(self, shoppers):
        other = connections.create_connection("default")
        try:
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s)", [locks.TRAINING])
            with pytest.raises(CommandError, match="Another process"):
                call_command("train", "collaborative")
        finally:
            other.close()
        assert connection.is_usable()


class TestSimulate:
    def test_it_says_that_it_is_simulated_and_the_same_seed_adds_nothing(self, shoppers, capsys):
        count = Interaction.objects.count()
        call_command("simulate", "--shoppers", "5", "--seed", "3")
        assert "SIMULATED" in capsys.readouterr().out
        more = Interaction.objects.count()
        assert more > count
        call_command("simulate", "--shoppers", "5", "--seed", "3")
        assert Interaction.objects.count() == more

    def test_shoppers_have_tastes(self, shoppers):
        """Most of what a shopper looks at lies in one or two categories, not evenly in both."""
        shares = []
        for number in range(30):
            paths = Interaction.objects.filter(actor__external_id=f"shopper-2-{number}", kind="favourite")
            seen = list(paths.values_list("listing__category__path", flat=True))
            if len(seen) >= 3:
                shares.append(max(seen.count(path) for path in seen) / len(seen))
        assert np.mean(shares) > 0.75

    def test_a_listing_is_bought_once_and_stays_active(self, shoppers):
        bought = list(Interaction.objects.filter(kind="purchase").values_list("listing_id", flat=True))
        assert bought
        assert len(bought) == len(set(bought))
        assert set(Interaction.objects.values_list("listing__status", flat=True)) == {"active"}


class TestImportInteractions:
    ROWS = [
        {"event_id": "1", "occurred_at": "2026-03-02T00:57:13Z", "actor": "shopper", "kind": "view"},
        {
            "event_id": "2",
            "occurred_at": "2026-03-02T00:58:13+01:00",
            "actor": "shopper",
            "kind": "favourite",
        },
        {"event_id": "3", "occurred_at": "2026-03-02T00:59:13", "actor": "shopper", "kind": "view"},
        {"event_id": "4", "occurred_at": "2026-03-02T00:59:13Z", "actor": "shopper", "kind": "dance"},
        {"event_id": "5", "occurred_at": "2026-03-02T00:59:13Z", "kind": "view"},
    ]

    def rows(self, listing):
        gone = self.ROWS[0] | {"event_id": "6", "listing": "gone"}
        return [row | {"listing": listing.external_id} for row in self.ROWS] + [gone]

    def as_csv(self, rows):
        names = ["event_id", "occurred_at", "actor", "listing", "kind"]
        return "\n".join([",".join(names)] + [",".join(row.get(name, "") for name in names) for row in rows])

    @pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".jsonl", ".jsonl.gz"])
    def test_csv_and_json_lines_plain_and_gzipped(self, sofas, tmp_path, ending, capsys):
        rows = self.rows(sofas[0])
        text = self.as_csv(rows) if "csv" in ending else "\n".join(map(json.dumps, rows))
        file = tmp_path / f"events{ending}"
        file.write_bytes(gzip.compress(text.encode()) if ending.endswith(".gz") else text.encode())
        call_command("import_interactions", str(file))
        assert "2 accepted, 4 rejected" in capsys.readouterr().out
        call_command("import_interactions", str(file))
        assert "2 duplicate, 4 rejected" in capsys.readouterr().out
        assert Interaction.objects.count() == 2

    @pytest.mark.parametrize(("name", "text"), [("e.csv", "a,b\n1,2"), ("e.txt", "x"), ("e.jsonl", "{oops")])
    def test_another_kind_of_file_is_refused_in_one_line(self, db, tmp_path, name, text):
        file = tmp_path / name
        file.write_text(text)
        with pytest.raises(CommandError) as error:
            call_command("import_interactions", str(file))
        assert "\n" not in str(error.value)
