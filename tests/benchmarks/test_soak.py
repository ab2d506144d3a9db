"""The soak on a small shop that serves from this process: what it does, sees and counts, not how fast."""

import random
import subprocess
import sys
import threading
import time

import pytest
from django.db import connections

from benchmarks.soak import __main__, memory
from benchmarks.soak import lag as soak_lag
from benchmarks.soak import traffic as soak_traffic
from benchmarks.soak.installation import free_port
from benchmarks.soak.lag import CHANGES, NotDone, Watch
from benchmarks.soak.memory import growth, megabytes_of_children, name_of
from benchmarks.soak.shop import Shop
from benchmarks.soak.traffic import SHARES, Good, Pace, Traffic
from listings.announcing import catalogue_transaction
from listings.models import Listing
from marketplace.models import ServiceKey
from marketplace.servers.processes import BEAT, WEB, WORKERS, with_this_python
from recommendations.models.events import Interaction
from tests import factories

LEFT = 6  # listings that are not sold


@pytest.fixture
def stock(transactional_db, alice, follow, monkeypatch) -> list[Good]:
    """A few more than are always left, all embedded."""
    monkeypatch.setattr(soak_traffic, "LEAST_STOCK", LEFT)
    with catalogue_transaction():
        made = [factories.listing(alice, f"Blue sofa {n}", external_id=f"sofa-{n}") for n in range(LEFT + 4)]
    follow()
    return [Good(listing.external_id, listing.title) for listing in made]


@pytest.fixture
def shop(stock, live_server, settings) -> Shop:
    """Nobody encodes searches: they do without at once."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"encode_timeout_s": 0.01})
    secret = ServiceKey.issue(name="__main__", scopes=["feed", "events", "catalogue"])[1]
    return Shop(live_server.thread.port, secret)


@pytest.fixture
def following(follow):
    """The catalogue is embedded and followed all the time."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.01):
            follow()
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    over.set()
    thread.join()


class TestTraffic:
    def test_every_request_of_the_soak_is_accepted(self, shop, stock):
        traffic, chance = Traffic(shop, stock, rate=1000, seed=1), random.Random(1)
        for name in SHARES:
            for _ in range(4):
                traffic.act(name, chance)
        assert (shop.problems, shop.refusals) == ([], [])
        assert len(traffic.replies) >= 4 * len(SHARES)
        assert Interaction.objects.exclude(slate=None).exists()
        assert Listing.objects.filter(status="sold").count() == 4
        while not Listing.objects.filter(photos__isnull=False).exists():  # every other one has a photo
            traffic.act("publish", chance)
        assert shop.problems == []

    def test_the_soaks_shop_never_sells_out(self, shop, stock):
        traffic = Traffic(shop, stock, rate=1000, seed=1)
        for _ in range(10):
            traffic.act("sell", random.Random(2))
        assert Listing.objects.filter(status="active").count() == LEFT

    def test_the_soak_sends_no_more_requests_than_its_rate(self):
        pace, began = Pace(100), time.monotonic()
        for _ in range(11):
            pace.wait()
        assert time.monotonic() - began >= 0.1


class TestWatch:
    def test_the_lag_of_a_change_is_measured_when_it_is_first_seen(self, shop, stock, following):
        watch = Watch(shop, stock[0].name)
        watch.follow(1)
        assert {change: len(seen) for change, seen in watch.lags.items()} == dict.fromkeys(CHANGES, 1)
        assert all(0 <= lag < soak_lag.PATIENCE_S for seen in watch.lags.values() for _, lag in seen)
        assert shop.problems == []

    def test_a_change_that_is_never_seen_counts_with_the_longest_lag(self, shop, stock, monkeypatch):
        monkeypatch.setattr(soak_lag, "PATIENCE_S", 0.3)
        watch = Watch(shop, stock[0].name)
        watch._note("published", time.monotonic(), "nothing", "1.00", is_shown=True)
        assert [round(lag, 6) for _, lag in watch.lags["published"]] == [0.3]

    def test_listings_that_are_not_embedded_are_reported(self, shop, stock, monkeypatch):
        monkeypatch.setattr(soak_lag, "PATIENCE_S", 0.1)
        with pytest.raises(NotDone, match="watched-1 was not embedded"):
            Watch(shop, stock[0].name).follow(1)


class TestShop:
    def test_a_request_without_an_answer_counts_as_a_server_error(self):
        shop = Shop(free_port(), "no key")
        assert shop.ask("GET", "feed/").is_server_error
        assert len(shop.problems) == 1
        assert "ConnectionRefusedError" in shop.problems[0]

    def test_a_refused_request_is_no_server_error(self, shop):
        assert not shop.ask("GET", "listings/nothing/similar/").is_server_error
        assert (len(shop.problems), len(shop.refusals)) == (0, 1)


class TestMemory:
    def test_a_process_is_named_after_its_command_line(self):
        names = [name_of("\0".join(with_this_python(each.words())) + "\0") for each in (*WORKERS, BEAT, WEB)]
        assert names == [*(worker.name for worker in WORKERS), "", "web"]

    def test_memory_of_a_process_includes_its_children(self):
        inner = "held = b'x' * 40_000_000; print(flush=True); __import__('sys').stdin.read()"
        outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
        command = [sys.executable, "-c", outer, "gunicorn", ""]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, start_new_session=True, **pipes) as process:
            process.stdout.readline()  # it holds them
            megabytes = megabytes_of_children()
            process.stdin.close()
        assert megabytes["web"] > 40

    def test_memory_growth_is_from_the_first_fifth_to_the_last(self):
        still = {"worker-a": 50.0, "worker-b": 50.0}
        looks = [(float(at), still | {"web": 100.0 + at}) for at in range(-20, 101)]
        looks[35] = (15.0, still | {"web": 900.0})  # a moment tells nothing
        grown = growth(looks, 0.0, 100.0)
        assert grown["web"] == pytest.approx(190 / 110 - 1, abs=0.01)
        assert grown["worker"] == grown["worker-a"] == 0


class TestFigures:
    @pytest.fixture
    def soaked(self) -> __main__.Soaked:
        """Measured from 100 to 200; what came before is warm-up."""
        shop = Shop(1, "no key")
        traffic, watch = Traffic(shop, [], rate=1, seed=1), Watch(shop, "sofa")
        traffic.replies = [(50.0, 9.0), (150.0, 0.02), (160.0, 0.04)]
        for place, change in enumerate(CHANGES):
            watch.lags[change] = [(50.0, 9.0), (150.0, 0.1 + place / 10)]
        return __main__.Soaked(shop, traffic, watch, memory.Memory(), 100.0, 200.0)

    def test_figures_leave_out_the_warm_up(self, soaked):
        measured = __main__.figures(soaked)
        assert (measured["requests"], measured["p50_ms"]) == (2, 30.0)
        assert measured["replica_lag_p99_s"] == 0.5

    def test_figures_leave_out_no_server_error(self, soaked):
        soaked.shop.problems.append("GET feed/: 500")
        assert __main__.figures(soaked)["server_errors"] == 1

    def test_the_lag_of_a_kind_of_change_never_seen_is_unknown(self, soaked):
        soaked.watch.lags["edited"].clear()
        assert __main__.figures(soaked)["replica_lag_p99_s"] is None


class TestOptions:
    @pytest.mark.parametrize("given", [["--minutes", "0"], ["--rate", "nan"], ["--listings", "3"]])
    def test_a_nonsense_option_is_refused_in_one_line(self, given, capsys):
        with pytest.raises(SystemExit):
            __main__._options(given)
        assert f"argument {given[0]}: found {given[1]}; accepted" in capsys.readouterr().err
