"""A site with a catalogue of drawn photos, and Chromium in front of it.

Collected by `make test-browser` alone, which names the browser in BROWSER.
"""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageDraw

from listings.announcing import catalogue_transaction
from listings.models import Actor, Listing
from recommendations.interactions.simulation import simulate
from tests import factories

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

BROWSER = os.environ.get("BROWSER", "")
collect_ignore_glob = [] if BROWSER else ["test_*.py"]

# Playwright runs an event loop in this thread, in which Django would refuse to query.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
# Headless Chromium calls itself one, and pages for crawlers are not stored as slates.
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1440, "height": 900}
KINDS = (("Blue sofa", "Home & Garden / Sofas", "navy"), ("Mountain bike", "Sports / Bicycles", "darkred"))
SIZE = (640, 480)
PATIENCE_MS = 60_000  # for whatever the page waits for: a busy machine takes its time
OF_EACH = 30  # a simulated shopper has seen about 25 of all, which are not shown again


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import expect, sync_playwright  # only installed for these tests

    expect.set_options(timeout=PATIENCE_MS)

    with sync_playwright() as playwright:
        # Root, as in containers, has no sandbox.
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def catalogue(alice, encoder) -> list[Listing]:
    """Sofas and bicycles by turns, each with a photo."""
    with catalogue_transaction():
        made = [
            factories.listing(alice, f"{title} {number}", path=path, price=20 + number)
            for number in range(OF_EACH)
            for title, path, _ in KINDS
        ]
    for place, listing in enumerate(made):
        factories.add_picture(listing, drawing(KINDS[place % len(KINDS)][2], place))
    return made


def drawing(colour: str, number: int) -> bytes:
    """A photo of rectangles in this colour, laid out anew for each number.

    Photos that differ by the place of one bar alone are taken for copies, which are folded into one card.
    """
    chance = random.Random(number)
    image = Image.new("RGB", SIZE, "white")
    for _ in range(12):
        left, top = chance.randrange(SIZE[0]), chance.randrange(SIZE[1])
        corner = (left + chance.randrange(40, 240), top + chance.randrange(40, 180))
        ImageDraw.Draw(image).rectangle(((left, top), corner), fill=colour)
    stream = io.BytesIO()
    image.save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def shoppers(catalogue, settings, now) -> list[Actor]:
    """Simulated ones, as whom anyone may look."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"demo_shoppers": True})
    simulate(shopper_count=4, seed=2, now=now)
    return list(Actor.objects.filter(external_id__startswith="shopper").order_by("pk"))


@pytest.fixture
def encoding(encode_worker, settings) -> None:
    """Queries are encoded, however long that takes beside a browser."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"encode_timeout_s": 60})


@pytest.fixture
def site(transactional_db, catalogue, shoppers, follow, live_server) -> str:
    """The address of the site. Everything in it can be found."""
    follow()
    return live_server.url


@pytest.fixture
def visit(chromium, site) -> Iterator[Callable[..., Page]]:
    """visit(path) opens a page in a window of its own. An error in its console fails the test."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def open_page(path: str = "/", **options) -> Page:
        usual = {"viewport": DESKTOP, "reduced_motion": "reduce", "user_agent": PERSON}
        context = chromium.new_context(**usual | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(site + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def as_shopper(visit, shoppers) -> Callable[..., Page]:
    """as_shopper(path) opens a page as the first simulated shopper."""

    def open_page(path: str = "/", **options) -> Page:
        page = visit("/shoppers/", **options)
        page.get_by_role("button", name=f"Look as {shoppers[0].external_id}").click()
        if path != "/":
            page.goto(page.url.rstrip("/") + path)
        return page

    return open_page


@pytest.fixture
def photo_file(tmp_path: Path, catalogue) -> Path:
    """A photo of the first listing of the catalogue, as a file."""
    file = tmp_path / "sofa.jpg"
    file.write_bytes(Path(catalogue[0].photos.get().file.path).read_bytes())
    return file
