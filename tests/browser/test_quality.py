"""What holds of every page: accessible, small, steady, and nothing from another host."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import DESKTOP, PHONE

PAGES = ("/", "/favourites/", "/shoppers/", "/login/", "/sell/", "/search/?q=sofa", "/search/?q=zebra")
SERIOUS = {"serious", "critical"}
MOST_BYTES = 600_000
MOST_SHIFT = 0.1  # https://web.dev/articles/cls calls more than this bad
SHIFT_AND_PAINT = """() => new Promise((done) => {
  let shift = 0, paint = 0;
  const watch = (type, see) =>
    new PerformanceObserver((list) => list.getEntries().forEach(see)).observe({type, buffered: true});
  watch("layout-shift", (entry) => { if (!entry.hadRecentInput) shift += entry.value; });
  watch("largest-contentful-paint", (entry) => { paint = entry.startTime; });
  setTimeout(() => done([shift, paint]), 500);
})"""


def serious_problems(page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['target']}"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(as_shopper, catalogue, scheme):
    page = as_shopper(color_scheme=scheme)
    site = page.url.rstrip("/")
    for path in (*PAGES, f"/listing/{catalogue[0].external_id}/"):
        page.goto(site + path)
        assert (path, serious_problems(page)) == (path, [])
    page.goto(site)
    page.locator(".reason a").first.click()
    page.wait_for_selector("dialog[open]")
    assert serious_problems(page) == []


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_no_page_is_wider_than_its_window(as_shopper, catalogue, viewport):
    page = as_shopper(viewport=viewport)
    site = page.url.rstrip("/")
    for path in (*PAGES, f"/listing/{catalogue[0].external_id}/"):
        page.goto(site + path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert (path, width) == (path, viewport["width"])


def test_a_page_with_twenty_cards_is_small_and_asks_no_other_host(as_shopper):
    page = as_shopper()
    bodies: dict[str, int] = {}
    page.on("response", lambda reply: bodies.update({reply.url: len(reply.body())}))
    page.goto(page.url, wait_until="networkidle")
    assert page.locator(".card").count() >= 20
    assert {url.split("/")[2] for url in bodies if not url.startswith("data:")} == {page.url.split("/")[2]}
    assert 0 < sum(bodies.values()) < MOST_BYTES


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_moves_while_a_page_loads(as_shopper, catalogue, viewport, record_property):
    page = as_shopper(viewport=viewport)
    site = page.url.rstrip("/")
    for path in ("/", f"/listing/{catalogue[0].external_id}/"):
        page.goto(site + path, wait_until="networkidle")
        shift, paint_ms = page.evaluate(SHIFT_AND_PAINT)
        record_property(f"largest contentful paint of {path} in ms", paint_ms)
        assert shift < MOST_SHIFT and paint_ms > 0
