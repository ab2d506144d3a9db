"""The benchmark of the feed on a world of two tastes: some look at sofas, the others at bicycles."""

import csv
import gzip
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from benchmarks import stored_adverts
from benchmarks.feed import __main__, figures
from benchmarks.feed import catalogue as feed_catalogue
from benchmarks.feed import log as feed_log
from benchmarks.feed.log import Lifetime, Log, LogEvent
from benchmarks.feed.replay import Replay
from benchmarks.protocol import BadData
from listings.models import Listing, Place
from recommendations.models.events import Interaction
from recommendations.models.trained_models import TrainedModel
from tests import factories

START = datetime(2026, 3, 2, tzinfo=UTC)
KINDS = ("sofa", "bicycle")
EACH = 14  # listings of a taste
SHOPPERS = 26
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def name_of(taste: int, number: int) -> str:
    return f"{KINDS[taste]}-{number}"


def life_of(number: int) -> Lifetime:
    """The first ends before anybody is asked, the last comes after the models are trained."""
    published = START + (12 * DAY if number == EACH - 1 else -DAY)
    return Lifetime(published, START + (10 * DAY if number == 0 else 30 * DAY), is_sold=True)


@pytest.fixture(scope="module")
def log() -> Log:
    """Each shopper looks at nine of their taste on nine days, and on the thirteenth at two more."""
    rng, events = np.random.default_rng(3), []
    for shopper in range(SHOPPERS):
        liked = [name_of(shopper % 2, int(number)) for number in 1 + rng.permutation(EACH - 2)]
        for place, listing in enumerate(liked[:11]):
            days = place if place < 9 else 12.5
            at = START + days * DAY + shopper * MINUTE + place * timedelta(seconds=1)
            events.append(LogEvent(f"{shopper}-{place}", at, f"shopper-{shopper}", listing, "view"))
    lives = {name_of(taste, number): life_of(number) for taste in (0, 1) for number in range(EACH)}
    return Log(sorted(events, key=lambda event: event.at), lives)


@pytest.fixture
def folders(tmp_path, log):
    """The same as files: adverts with a photo each, and the log."""
    adverts, shoppers = tmp_path / "adverts", tmp_path / "shoppers"
    (adverts / "images").mkdir(parents=True)
    shoppers.mkdir()
    write_adverts(adverts, log)
    events = [
        (event.event_id, event.at.isoformat(), event.actor, event.listing, event.kind) for event in log.events
    ]
    lives = [(name, life.published_at, life.ended_at, "sold") for name, life in log.lives.items()]
    write_log(shoppers, "events", events)
    write_log(shoppers, "listings", lives)
    return adverts, shoppers


def write_adverts(folder, log: Log) -> None:
    header = ["id", "product_name", "category", "product_description", "price", "location"]
    with (folder / "Products.csv").open("w", newline="") as products:
        writer = csv.writer(products, lineterminator="\n")
        writer.writerow(header)
        for name in log.lives:
            kind = name.split("-")[0]
            path = {"sofa": "Home / Sofas", "bicycle": "Sports / Bicycles"}[kind]
            writer.writerow([name, f"A fine {kind} {name}", path, f"One {kind}.", "£50.00", "Leeds"])
    images = ["id,product_id"] + [f"photo-{name},{name}" for name in log.lives]
    (folder / "Images.csv").write_text("\n".join(images) + "\n")
    for name in log.lives:
        colour = "navy" if name.startswith("sofa") else "red"
        (folder / "images" / f"photo-{name}.jpg").write_bytes(factories.picture(colour))


def write_log(folder, name: str, rows: list[tuple]) -> None:
    lines = [",".join(feed_log.FILES[name]), *(",".join(map(str, row)) for row in rows)]
    (folder / f"{name}.csv.gz").write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


@pytest.fixture
def stage(transactional_db, weights_file, monkeypatch):
    """A very small backbone, and a gazetteer of one town."""
    monkeypatch.setattr(stored_adverts, "BACKBONE", "shufflenet_v2_x0_5")
    Place.objects.create(name="Leeds", country="GB", latitude=53.8, longitude=-1.5, population=500_000)
    return weights_file


class TestQuestions:
    def questions(self, *rows: tuple[float, str, str], since: float = 600):
        """Questions about one actor who did these: minute, listing, kind."""
        events = [
            LogEvent(str(number), START + minute * MINUTE, "bob", listing, kind)
            for number, (minute, listing, kind) in enumerate(rows)
        ]
        return Log(events, {}).questions(START + since * MINUTE, START + 10 * DAY)

    before = ((1, "a", "view"), (2, "b", "view"), (3, "c", "hide"))

    def test_new_listings_touched_within_half_an_hour_are_relevant(self):
        session = ((700, "d", "view"), (701, "a", "purchase"), (702, "e", "hide"), (729, "f", "message"))
        [question] = self.questions(*self.before, *session, (731, "g", "view"))
        assert question.moment == START + 700 * MINUTE
        assert question.relevant == {"d", "f"}
        assert question.touched == {"a", "b", "c"}

    def test_a_session_that_began_before_the_period_is_skipped(self):
        [question] = self.questions(*self.before, (595, "d", "view"), (605, "e", "view"), (700, "f", "view"))
        assert question.relevant == {"f"}

    def test_shoppers_with_too_few_events_or_nothing_new_are_skipped(self):
        assert not self.questions(*self.before[:2], (700, "d", "view"))
        assert not self.questions(*self.before, (700, "a", "view"))
        assert not self.questions(*self.before)


class TestReplay:
    @pytest.fixture
    def replay(self, stage, folders, log) -> Replay:
        catalogue = feed_catalogue.load(folders[0], log, stage, trained_before=None, cache=None)
        return Replay(catalogue, log)

    def live(self, replay: Replay) -> set[str]:
        return {name for name, row in replay.catalogue.row_of.items() if replay.snapshot().alive[row]}

    def test_replayed_listings_are_on_the_market_when_the_log_says_so(self, replay):
        replay.forward_to(START + 9 * DAY)
        assert "sofa-0" in self.live(replay)
        assert "sofa-13" not in self.live(replay)
        replay.forward_to(START + 13 * DAY)
        assert "sofa-0" not in self.live(replay)
        assert "sofa-13" in self.live(replay)
        active = Listing.objects.filter(status=Listing.Status.ACTIVE)
        assert set(active.values_list("external_id", flat=True)) == self.live(replay)

    def test_a_replayed_database_holds_no_later_event(self, replay):
        replay.forward_to(START + 2.5 * DAY)
        assert Interaction.objects.count() == 3 * SHOPPERS
        assert Interaction.objects.latest("occurred_at").occurred_at < START + 2.5 * DAY
        assert not Listing.objects.filter(status=Listing.Status.SOLD).exists()

    def test_replayed_events_are_counted_once_and_are_trending(self, replay):
        replay.forward_to(START + 5 * DAY)
        assert replay.touched_by.sum() == 5 * SHOPPERS
        assert (replay.snapshot().trending > 0).any()


class TestTheWhole:
    def test_the_replayed_feed_finds_the_shoppers_interest_and_shows_no_ended_listing(
        self, stage, folders, tmp_path
    ):
        adverts, shoppers = folders
        log = feed_log.read_log(shoppers)
        cache = tmp_path / "cache"
        measured = __main__.replayed(
            adverts, log, stage, trained=False, cache=cache, period=__main__.Period()
        )
        assert measured["feed_users"] == SHOPPERS
        # Of 17 that are on the market and new to each, 4 are to their taste, and 2 of these are wanted.
        assert measured["hit_rate20"] == 1
        assert measured["ndcg20"] > 0.55
        assert measured["sold_shown"] == measured["repeat_rate"] == 0
        assert set(measured["single"]) == {
            *("popularity", "newest", "content_only", "covisitation_only", "als_only"),
            *("affinity_only", "place_only", "trending_only"),
        }
        over = measured["over_every_source"]
        assert over["low"] <= over["lead"] <= over["high"]
        assert measured["data"] == "simulated shoppers"
        assert TrainedModel.objects.get(kind="collaborative").metrics["trained_until"] == (
            "2026-03-13T00:00:00+00:00"
        )
        assert len(list(cache.iterdir())) == 1


class TestFigures:
    def test_gini_is_zero_for_equal_counts_and_near_one_when_one_has_all(self):
        assert figures.gini(np.array([3, 3, 3])) == pytest.approx(0)
        assert figures.gini(np.eye(1, 100)[0]) == pytest.approx(0.99)
        assert figures.gini(np.array([1, 3])) == pytest.approx(0.25)
        assert figures.gini(np.zeros(4)) == 0


class TestBadData:
    def test_an_unreadable_event_log_is_refused_with_its_reason(self, folders):
        _, shoppers = folders
        write_log(shoppers, "events", [("1", "yesterday", "bob", "sofa-1", "view")])
        with pytest.raises(BadData, match="yesterday"):
            feed_log.read_log(shoppers)
        write_log(shoppers, "events", [("1", START.isoformat(), "bob", "sofa-1", "stare")])
        with pytest.raises(BadData, match="stare"):
            feed_log.read_log(shoppers)

    def test_the_feed_benchmark_without_a_log_ends_in_one_line(self, folders, weights_file, monkeypatch):
        given = ["feed", "--data", str(folders[0]), "--log", "nowhere", "--weights", str(weights_file)]
        monkeypatch.setattr(sys, "argv", given)
        with pytest.raises(SystemExit) as ended:
            __main__.main()
        assert "nowhere" in ended.value.code
        assert "\n" not in ended.value.code
