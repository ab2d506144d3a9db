"""Refreshes between trainings: new events and listings reach the model without a refit."""

import logging
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from listings import models, services
from listings.announcing import catalogue_transaction
from listings.models import Actor
from recommendations.collaborative import content_vectors, store
from recommendations.collaborative import refresh as collaborative_refresh
from recommendations.collaborative.history import read_history
from recommendations.collaborative.model import fit
from recommendations.collaborative.refresh import refresh_collaborative
from recommendations.core import locks
from recommendations.models.events import Interaction
from tests import factories
from tests.recommendations.published import publish_collaborative

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def any_pace(monkeypatch):
    """Refreshes may follow each other at once, however slow the machine is."""
    monkeypatch.setattr(collaborative_refresh, "SHARE_OF_TIME", 1e6)


@pytest.fixture
def trained(shoppers):
    return publish_collaborative(now=timezone.now())


def refresh() -> int:
    return refresh_collaborative(now=timezone.now())


def serving():
    return store.load(store.active())


def by_listing(counts, listing_ids) -> dict[tuple[int, int], float]:
    """Counts of each pair of listings, whatever the order of the items."""
    pairs = counts.pairs.tocoo()
    triples = zip(listing_ids[pairs.row].tolist(), listing_ids[pairs.col].tolist(), pairs.data, strict=True)
    return {(source, target): count for source, target, count in triples}


class TestRefresh:
    def test_a_listing_published_after_the_training_gets_collaborative_scores_by_a_refresh(
        self, trained, shoppers, alice
    ):
        sofa = factories.listing(alice, "Blue sofa that just came")
        for shopper in shoppers[:6]:
            factories.event(shopper, sofa, "favourite")
        assert serving().items_of(np.array([sofa.pk])) == [-1]
        assert refresh() == 1
        item = serving().items_of(np.array([sofa.pk]))[0]
        assert serving().als.item_factors[item].any()
        assert serving().neighbours.weights[item].any(), "it has neighbours"
        assert item in serving().neighbours.items[:item], "and is one"

    def test_after_a_refresh_a_new_listing_ranks_higher_for_actors_like_those_who_touched_it(
        self, trained, shoppers, alice
    ):
        """An actor's factors, folded in before and after, score the listings of similar actors higher."""
        sofa_fans = self.fans_of(shoppers, "Home & Garden / Sofas")
        bike_fans = self.fans_of(shoppers, "Sports / Bicycles")
        sofa, bike = factories.listing(alice, "Blue sofa new"), factories.listing(alice, "Mountain bike new")
        for fans, newcomer in ((sofa_fans, sofa), (bike_fans, bike)):
            for shopper in fans[:5]:
                factories.event(shopper, newcomer, "favourite")
        refresh()
        assert self.leaning(sofa_fans[5:10], sofa, bike) > self.leaning(bike_fans[5:10], sofa, bike)

    def leaning(self, actors, first, second) -> float:
        """How much higher the first listing scores for these actors than the second, on average."""
        model = serving()
        seen = [read_history(until=timezone.now(), actor_ids=[actor.pk]) for actor in actors]
        factors = [model.fold_in(model.items_of(each.listing_ids), each.weights) for each in seen]
        scores = np.array(factors) @ model.als.item_factors[model.items_of(np.array([first.pk, second.pk]))].T
        return float(np.mean(scores[:, 0] - scores[:, 1]))

    def fans_of(self, shoppers, path: str) -> list[Actor]:
        share = {
            shopper: np.mean([e.listing.category.path == path for e in shopper.interactions.all()])
            for shopper in shoppers
        }
        return sorted(shoppers, key=lambda shopper: -share[shopper])

    def test_counts_after_a_refresh_equal_those_of_a_new_training(self, trained, shoppers, alice, now):
        sofa = factories.listing(alice, "Blue sofa that just came")
        visitor = models.Actor.objects.create(external_id="visitor-1", kind="visitor")
        factories.event(visitor, sofa, "view")
        for number, shopper in enumerate(shoppers[:9]):
            factories.event(shopper, sofa, "favourite")
            listing = Interaction.objects.exclude(actor=shopper).order_by("pk")[number].listing
            factories.event(shopper, listing, "message")
        refresh()
        factories.event(shoppers[0], sofa, "message")
        Actor.objects.filter(pk=visitor.pk).update(merged_into=shoppers[0])
        refresh()
        self.counts_are_those_of_a_training_anew()

    def test_counts_after_a_refresh_equal_those_of_a_new_training_when_events_were_taken_back(
        self, trained, shoppers, bob, alice
    ):
        """All events of Bob, and one that another shopper had before the training."""
        with catalogue_transaction():
            sofas = [factories.listing(alice, f"Blue sofa that just came {number}") for number in range(2)]
        for sofa in sofas:
            factories.event(bob, sofa, "favourite")
            factories.event(shoppers[0], sofa, "view")
        refresh()
        for sofa in sofas:
            factories.event(bob, sofa, "unfavourite")
        old = Interaction.objects.filter(kind="favourite").exclude(actor=bob).first()
        factories.event(old.actor, old.listing, "unfavourite")
        assert refresh() == 3
        assert bob.pk not in read_history(until=timezone.now()).actors
        self.counts_are_those_of_a_training_anew()
        assert refresh() == 0

    def counts_are_those_of_a_training_anew(self) -> None:
        counted = store.load_counted(store.active())
        history = read_history(until=timezone.now())
        anew = fit(history, serving().recipe, version="")[1]
        refreshed, expected = (
            by_listing(counted.counts, serving().listing_ids),
            by_listing(anew, history.listings),
        )
        assert refreshed.keys() == expected.keys()
        assert refreshed == pytest.approx(expected)

    def test_a_refresh_without_new_events_writes_nothing(self, trained, settings, alice, bob):
        factories.listing(alice, "Blue sofa that nobody saw")
        before = sorted(settings.MODEL_ROOT.rglob("*"))
        assert refresh() == 0
        factories.event(bob, Interaction.objects.first().listing, "hide")
        assert refresh() == 0
        assert sorted(settings.MODEL_ROOT.rglob("*")) == before
        assert store.active().sha256 == trained.sha256

    def test_a_refresh_reads_each_event_once(self, trained, shoppers, alice):
        factories.event(shoppers[0], factories.listing(alice, "Blue sofa that just came"))
        assert [refresh() for _ in range(3)] == [1, 0, 0]

    def test_a_refresh_keeps_the_row_of_the_model_and_records_when_and_how_much(
        self, trained, shoppers, alice
    ):
        factories.event(shoppers[0], factories.listing(alice, "Blue sofa that just came"))
        refresh()
        row = store.active()
        assert (row.pk, row.version, row.metrics["refreshed_listings"]) == (trained.pk, trained.version, 1)
        assert row.metrics["refreshed_at"]
        assert row.metrics["events"] == trained.metrics["events"]

    def test_after_a_refresh_a_sold_listing_is_nobodys_neighbour_and_still_has_neighbours(
        self, trained, shoppers, alice, now
    ):
        sofa = factories.listing(alice, "Blue sofa that just came")
        for shopper in shoppers[:6]:
            factories.event(shopper, sofa, "favourite")
        services.mark_sold(listing=sofa, buyer=None, now=now)
        refresh()
        model = serving()
        item = model.items_of(np.array([sofa.pk]))[0]
        led_to = model.neighbours.items[model.neighbours.weights > 0]
        assert item not in led_to
        assert model.neighbours.weights[item].any()

    def test_a_refresh_gives_a_listing_touched_only_by_new_actors_factors_from_its_content(
        self, shoppers, alice, follow, monkeypatch
    ):
        monkeypatch.setattr("recommendations.collaborative.model.LEAST_FOR_PRIOR", 10)
        follow()
        publish_collaborative(now=timezone.now())
        sofa = factories.listing(alice, "Blue sofa 3")
        follow()
        factories.event(factories.actor("dave"), sofa)
        refresh()
        model = serving()
        assert model.als.item_factors[model.items_of(np.array([sofa.pk]))[0]].any()

    def test_a_refresh_waits_while_a_training_runs(self, trained, shoppers, alice):
        factories.event(shoppers[0], factories.listing(alice, "Blue sofa that just came"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(locks, "is_held", lambda lock: lock == locks.TRAINING)
            assert refresh() == 0
        assert refresh() == 1

    def test_refreshes_take_a_quarter_of_the_time_at_most(self, trained, shoppers, alice, monkeypatch):
        monkeypatch.setattr(collaborative_refresh, "SHARE_OF_TIME", 0.25)
        factories.event(shoppers[0], factories.listing(alice, "Blue sofa that just came"))
        trained.metrics |= {"refresh_s": 60, "refreshed_at": timezone.now().isoformat()}
        trained.save()
        assert refresh() == 0
        assert refresh_collaborative(now=timezone.now() + timedelta(seconds=241)) == 1

    def test_before_the_first_model_a_refresh_does_nothing(self, shoppers):
        assert refresh() == 0


class TestWhatGoesWrong:
    @pytest.fixture
    def news(self, trained, shoppers, alice):
        factories.event(shoppers[0], factories.listing(alice, "Blue sofa that just came"))

    def file(self, settings, name: str):
        return settings.MODEL_ROOT / store.active().path / name

    @pytest.mark.parametrize("name", ["counts.npz", "histories.npz"])
    def test_a_refresh_counts_anew_and_logs_it_where_counts_are_damaged(self, news, settings, name, caplog):
        self.file(settings, name).write_bytes(b"no counts")
        with caplog.at_level(logging.ERROR):
            assert refresh() == 1
        assert "counted again from all interactions" in caplog.text
        history = read_history(until=timezone.now())
        anew = fit(history, serving().recipe, version="")[1]
        counted = store.load_counted(store.active())
        refreshed, expected = (
            by_listing(counted.counts, serving().listing_ids),
            by_listing(anew, history.listings),
        )
        assert refreshed == pytest.approx(expected)

    def test_a_refresh_leaves_a_damaged_model_alone_and_records_the_problem(self, news, settings):
        self.file(settings, "als.npz").write_bytes(b"no model")
        assert refresh() == 0
        assert "als.npz is not what was published" in store.active().problem

    def test_a_refresh_does_not_touch_a_model_published_meanwhile(self, news, monkeypatch):
        """A training ends, or somebody rolls back, while a refresh computes."""

        def read_showable(real=content_vectors.read_showable):
            publish_collaborative(now=timezone.now())
            return real()

        monkeypatch.setattr(collaborative_refresh, "read_showable", read_showable)
        assert refresh() == 0
        assert "refreshed_at" not in store.active().metrics

    def test_files_before_a_refresh_stay_until_nobody_can_be_reading_them(
        self, news, trained, settings, shoppers, monkeypatch
    ):
        refresh()
        assert (settings.MODEL_ROOT / trained.path).is_dir()
        monkeypatch.setattr("recommendations.model_registry.artifacts.GRACE_S", 0)
        factories.event(shoppers[1], Interaction.objects.last().listing)
        refresh()
        kept = [folder.name for folder in (settings.MODEL_ROOT / "collaborative").iterdir()]
        assert len(kept) == 1 and kept[0].startswith(f"{trained.version}.2-")

    def test_a_refresh_succeeds_after_one_that_broke_off(self, news, trained, settings, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr("django.db.models.query.QuerySet.update", lambda *args, **changes: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                refresh()
        assert len(list((settings.MODEL_ROOT / "collaborative").iterdir())) == 2
        assert refresh() == 1
