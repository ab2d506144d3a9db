"""Serving: rates, latencies, processor time, queries and memory of requests, over those of a bare view.

A catalogue with events is written straight to the tables of throwaway servers, indexed as in production, and
served by the production web server (two processes, four threads each) with a worker that encodes searches.
Another process sends the load. Beside the product the same processes serve the floor: a bare Django view that
reads 20 listings with their photos by id. Rounds of all kinds of requests alternate, so that a busy machine
slows all of them down.

  ratio                   feeds a second over floors a second: 4 clients, actors with events
  feed_p50_over_floor     median of a feed over the median of the floor, 1 client; also for similar and search
  feed_p99_over_floor_p50 the same of the 99th percentile over the floor's median
  feed_cpu_over_floor     processor time of the web processes for a feed over that for a floor
  feed_queries            statements that a feed sends to PostgreSQL, of actors with events
  bytes_per_listing       memory of a ready web process that is no file, beyond that with an empty catalogue
  ready_s                 from the start of the web server until it answers
  kinds                   all kinds: requests a second, p50_ms and p99_ms at 1 and 4 clients, cpu_ms, queries
  errors                  answers that were not 200
  memory_mb               of each web process: PSS, and its parts that are its own and that are files

feed: first page of an actor with events; stranger: of nobody; next: second page; similar, search, detail:
one of a listing; event, events: one event, 100 events.
"""

import argparse
import json
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.utils import timezone

from benchmarks import installation
from benchmarks.protocol import BadData, json_option, print_figures, say
from benchmarks.serving import catalogue, server
from benchmarks.serving.catalogue import Sizes
from benchmarks.serving.material import Advert, read_material
from benchmarks.serving.requests import Request, next_pages, requests_of
from benchmarks.serving.server import Web
from benchmarks.soak.installation import CannotRun
from marketplace.models import ServiceKey
from recommendations.indexing import compaction
from recommendations.popularity import trending

SEED = 6
CLIENTS = (1, 4)
ROUNDS = 2
FIRST_PAGES = 100  # whose second pages are asked for, again and again
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Plan:
    sizes: Sizes
    data: Path | None
    seconds: float  # of load for each kind of request, number of clients and round


def benchmark(plan: Plan) -> dict[str, Any]:
    """All figures. Raises CannotRun, BadData."""
    with installation.servers():
        with server.web() as empty:
            nothing = _mean_of_own(empty)
        material = read_material(plan.data)
        fill(material, plan.sizes)
        with server.encode_worker(), server.web() as web:
            own = (_mean_of_own(web) - nothing) / plan.sizes.listings
            kinds = measured(web, material, plan)
            memory = web.memory()
    return {
        **ratios(kinds),
        "bytes_per_listing": round(own),
        "ready_s": web.ready_s,
        "kinds": kinds,
        "memory_mb": [{name: round(size / MEGABYTE, 1) for name, size in part.items()} for part in memory],
    }


def fill(material: list[Advert], sizes: Sizes) -> None:
    """A catalogue with events, an index, a collaborative model and trending scores."""
    now = timezone.now()
    catalogue.fill(material, sizes, now=now)
    say(f"Indexed: {compaction.compact(least_changes=0)}")
    catalogue.publish_model(now)
    trending.roll_up(now=now)


def measured(web: Web, material: list[Advert], plan: Plan) -> dict[str, dict[str, Any]]:
    """Figures of each kind of request."""
    secret = ServiceKey.issue(name="serving", scopes=["feed", "events", "catalogue"])[1]
    headers = {"Authorization": f"Api-Key {secret}"}
    requests = requests_of(material, plan.sizes, np.random.default_rng(SEED))
    some = requests["feed"][:FIRST_PAGES]
    first = {request[1].partition("actor=")[2]: answer(web, request, headers) for request in some}
    requests["next"] = next_pages(first)
    figures: dict[str, dict[str, Any]] = {kind: {"queries": None, "errors": 0} for kind in requests}
    runs = [(kind, clients) for _ in range(ROUNDS) for clients in CLIENTS for kind in requests]
    results: dict[tuple[str, int], list[dict]] = {}
    for kind, clients in runs:
        results.setdefault((kind, clients), []).append(load(web, requests[kind], headers, clients, plan))
    for (kind, clients), runs_of_kind in results.items():
        figures[kind] |= summary(runs_of_kind, clients)
        figures[kind]["errors"] += sum(run["errors"] for run in runs_of_kind)
    for kind, some in requests.items():
        figures[kind]["queries"] = query_count(some, headers)
    return figures


def answer(web: Web, request: Request, headers: dict[str, str]) -> dict:
    sent = urllib.request.Request(f"http://127.0.0.1:{web.port}{request[1]}", headers=headers)
    with urllib.request.urlopen(sent, timeout=60) as reply:
        return dict(json.load(reply))


def load(web: Web, requests: list[Request], headers: dict[str, str], clients: int, plan: Plan) -> dict:
    """One run of the load process, with the processor time of the web processes a request."""
    wanted = {"port": web.port, "clients": clients, "seconds": plan.seconds, "headers": headers}
    before = web.cpu_s()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving.load"],
        input=json.dumps({**wanted, "requests": requests}),
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout)
    count = len(result["latencies"])
    errors = count - result["statuses"].get("200", 0)
    say(f"{requests[0][1][:40]}, {clients} clients: {count / result['took_s']:.1f} a second, {errors} errors")
    return {**result, "cpu_ms": 1000 * (web.cpu_s() - before) / count, "errors": errors}


def summary(runs: list[dict], clients: int) -> dict[str, float]:
    latencies = np.concatenate([run["latencies"] for run in runs])
    took_s = sum(run["took_s"] for run in runs)
    figures = {
        f"rate_{clients}": round(len(latencies) / took_s, 1),
        f"p50_ms_{clients}": _ms(latencies, 50),
        f"p99_ms_{clients}": _ms(latencies, 99),
    }
    cpu = sum(run["cpu_ms"] * len(run["latencies"]) for run in runs) / len(latencies)
    return figures | ({"cpu_ms": round(cpu, 2)} if clients == 1 else {})


def ratios(kinds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    floor = kinds["floor"]
    return {
        "ratio": round(kinds["feed"]["rate_4"] / floor["rate_4"], 3),
        "feed_p50_over_floor": round(kinds["feed"]["p50_ms_1"] / floor["p50_ms_1"], 2),
        "feed_p99_over_floor_p50": round(kinds["feed"]["p99_ms_1"] / floor["p50_ms_1"], 2),
        "similar_p50_over_floor": round(kinds["similar"]["p50_ms_1"] / floor["p50_ms_1"], 2),
        "search_p50_over_floor": round(kinds["search"]["p50_ms_1"] / floor["p50_ms_1"], 2),
        "feed_cpu_over_floor": round(kinds["feed"]["cpu_ms"] / floor["cpu_ms"], 2),
        "feed_queries": kinds["feed"]["queries"],
        "errors": sum(figures["errors"] for figures in kinds.values()),
    }


def query_count(requests: list[Request], headers: dict[str, str]) -> int | None:
    """Statements of the second of two requests in this process: the first one fills caches."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    method, path, body = requests[-1]
    if path.startswith("/floor/"):
        return None  # this process does not know it
    client = Client(headers=headers, SERVER_NAME="localhost")
    options = {} if body is None else {"data": body, "content_type": "application/json"}
    client.generic(method, requests[0][1], **({} if body is None else {**options, "data": requests[0][2]}))
    with CaptureQueriesContext(connection) as captured:
        client.generic(method, path, **options)
    return len(captured)


def _mean_of_own(web: Web) -> float:
    """Bytes of a web process, as soon as it is ready, that are no file."""
    return float(np.mean([process["own"] for process in web.memory()]))


def _ms(latencies: np.ndarray, percent: int) -> float:
    return round(1000 * float(np.percentile(latencies, percent)), 2)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--listings", type=int, default=10_000, help="of the catalogue (default: 10000)")
    parser.add_argument("--actors", type=int, default=1_000, help="actors with events (default: 1000)")
    parser.add_argument("--data", type=Path, help="folder of adverts to tile; without it they are made up")
    parser.add_argument("--seconds", type=float, default=4, help="of load at a time (default: 4)")
    json_option(parser)
    return parser.parse_args()


def main() -> None:
    options = _options()
    plan = Plan(Sizes(options.listings, options.actors), options.data, options.seconds)
    try:
        figures = benchmark(plan)
    except (CannotRun, BadData, OSError) as error:
        sys.exit(f"{error}")
    print_figures(figures, as_json=options.json)


if __name__ == "__main__":
    main()
