"""An installation for the soak: servers, a drawn catalogue, and the processes that `make run` starts."""

import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import installation
from benchmarks.protocol import say
from listings import places
from listings.demo.catalogue import draw_catalogue
from listings.demo.drawings import labelled_drawings
from marketplace.servers.processes import BEAT, WEB, WORKERS, Supervisor
from recommendations.encoders import selection
from recommendations.encoders.backbones import BackboneChoice
from recommendations.indexing import embedding_jobs

SEED = 6
BACKBONE, DRAWN_PHOTOS, TRAINED_S = "shufflenet_v2_x0_5", 390, 10.0
START_TIMEOUT_S, EMBED_TIMEOUT_S = 120.0, 300.0
COUNTRY = "GB"


class CannotRun(Exception):
    """The benchmark cannot run, or cannot finish. The message says why."""


@contextmanager
def running_installation(listing_count: int) -> Iterator[tuple[int, list[str]]]:
    """A running installation with an embedded catalogue.

    Yields the port of its web process, and a list of log lines about processes that ended. Raises CannotRun.
    """
    with installation.servers():
        fill(listing_count)
        with processes() as running:
            yield running


def fill(listing_count: int) -> None:
    """Create a drawn catalogue, not yet embedded, and an encoder for it."""
    from django.utils import timezone

    from ml.vision.small_backbone import train_small_backbone

    say("Training a small backbone")
    weights = Path(os.environ["VAR"]) / "soak.safetensors"
    pictures, labels = zip(*labelled_drawings(DRAWN_PHOTOS, seed=SEED), strict=True)
    train_small_backbone(pictures, labels, weights, seconds=TRAINED_S, seed=SEED)
    selection.propose(BackboneChoice(BACKBONE, weights, "trained for this benchmark"))
    say(f"Drawing {listing_count} listings")
    places.load_gazetteer(COUNTRY)
    draw_catalogue(count=listing_count, seed=SEED, now=timezone.now(), advance=lambda count: None)


@contextmanager
def processes() -> Iterator[tuple[int, list[str]]]:
    """Start web, all workers and beat as the demo does, and stop them afterwards."""
    from marketplace.management.commands.demo import child_environment

    port, ended, var = free_port(), list[str](), os.environ["VAR"]
    supervisor = Supervisor(
        logs=Path(var) / "log",
        environment=child_environment(),
        say=lambda name, line: _tell(name, line, ended),
    )
    try:
        for process in (*WORKERS, BEAT, WEB):
            supervisor.start(process, bind=f"127.0.0.1:{port}", var=var)
        say("Starting web, workers and beat")
        wait_until(lambda: is_alive(port), "the web process answered", START_TIMEOUT_S)
        wait_until_embedded()
        yield port, ended
    finally:
        supervisor.stop()


def wait_until_embedded() -> None:
    """Wait until every listing is embedded. Raises CannotRun after EMBED_TIMEOUT_S."""
    say("Waiting for listings that are not embedded yet")
    wait_until(lambda: not embedding_jobs.waiting_count(), "everything was embedded", EMBED_TIMEOUT_S)


def wait_until(check: Callable[[], object], what: str, patience_s: float) -> None:
    """Wait until the check is true. Raises CannotRun after so many seconds."""
    deadline = time.monotonic() + patience_s
    while not check():
        if time.monotonic() > deadline:
            raise CannotRun(
                f"It took more than {patience_s:.0f} s until {what}. The log lines above may say why."
            )
        time.sleep(0.2)


def is_alive(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _tell(name: str, line: str, ended: list[str]) -> None:
    say(f"{name}: {line}")
    if "starts again in" in line:
        ended.append(f"{name} {line}")
