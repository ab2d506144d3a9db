"""Screenshots of shop and admin, light and dark, on desktop and phone: `make screenshots`.

    python -m tests.browser.screenshots SITE FOLDER

SITE is a running demo, as by `make run`. BROWSER names Chromium. STAFF=NAME:PASSWORD is the login that the
demo prints; without it the admin is left out.
"""

import os
import sys
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, sync_playwright

# Headless Chromium calls itself one, and crawlers get no reasons to ask about.
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
WINDOWS = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
WORDS = "wooden table under £100"


def be_a_shopper(page: Page, site: str) -> None:
    """Look as the second simulated shopper, where there are any."""
    page.goto(f"{site}/shoppers/")
    buttons = page.get_by_role("button", name="Look as shopper")
    if buttons.count() > 1:
        buttons.nth(1).click()


def take(context: BrowserContext, site: str, save) -> None:
    page = context.new_page()
    be_a_shopper(page, site)
    page.goto(f"{site}/", wait_until="networkidle")
    save(page, "home")
    listing = page.locator(".grid .card-title a").nth(1).get_attribute("href")
    page.locator(".reason a").first.click()
    page.wait_for_selector("dialog[open]")
    page.wait_for_load_state("networkidle")
    save(page, "why")
    page.goto(f"{site}{listing}", wait_until="networkidle")
    save(page, "listing")
    page.goto(f"{site}/search/?q={WORDS}", wait_until="networkidle")
    save(page, "search")
    page.goto(f"{site}/search/?q=zebra under £5", wait_until="networkidle")
    save(page, "nothing-found")
    page.goto(f"{site}/sell/", wait_until="networkidle")
    page.get_by_label("Title").fill("Oak dining table with four chairs")
    page.wait_for_selector("#advice h2", timeout=20_000)
    page.wait_for_load_state("networkidle")
    save(page, "sell")
    page.goto(f"{site}/shoppers/", wait_until="networkidle")
    save(page, "shoppers")


def take_admin(context: BrowserContext, site: str, save, login: str) -> None:
    """The dashboard, and the first actor, listing, slate, model and experiment that there are."""
    page = context.new_page()
    page.goto(f"{site}/admin/login/")
    name, _, password = login.partition(":")
    page.locator("input[name=username]").fill(name)
    page.locator("input[name=password]").fill(password)
    page.locator("[type=submit]").click()
    page.wait_for_load_state("networkidle")
    save(page, "dashboard")
    pages = {
        "actor": ("listings/actor/?q=shopper", "Events and taste"),
        "actor-feed": ("listings/actor/?q=shopper", "Feed now"),
        "listing-admin": ("listings/listing/?status__exact=active", "What happened"),
        "slate": ("recommendations/slate/", "Order and outcome"),
        "model": ("recommendations/trainedmodel/", "Compared"),
        "experiment": ("recommendations/experiment/", "Result"),
    }
    for picture, (path, link) in pages.items():
        page.goto(f"{site}/admin/{path}", wait_until="networkidle")
        if page.get_by_role("link", name=link, exact=True).count():
            page.get_by_role("link", name=link, exact=True).first.click()
            page.wait_for_load_state("networkidle")
            save(page, picture)


def main(site: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["BROWSER"], args=["--no-sandbox"])
        for window, viewport in WINDOWS.items():
            for scheme in ("light", "dark"):
                options = {"viewport": viewport, "color_scheme": scheme, "has_touch": window == "phone"}
                context = browser.new_context(reduced_motion="reduce", user_agent=PERSON, **options)

                def save(page: Page, name: str, kind: str = f"{window}-{scheme}") -> None:
                    page.screenshot(path=folder / f"{name}-{kind}.png")

                take(context, site.rstrip("/"), save)
                if login := os.environ.get("STAFF"):
                    take_admin(context, site.rstrip("/"), save, login)
                context.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
