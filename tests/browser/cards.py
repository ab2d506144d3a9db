"""What a page of cards shows, read from the page."""

from playwright.sync_api import Page

CARDS = ".grid > .card[data-listing]"


def listing_ids(page: Page) -> list[str]:
    return page.locator(CARDS).evaluate_all("cards => cards.map(card => card.dataset.listing)")


def titles(page: Page) -> list[str]:
    return page.locator(f"{CARDS} .card-title").all_inner_texts()


def share_of(kind: str, page: Page, *, first: int) -> float:
    shown = titles(page)[:first]
    return sum(title.startswith(kind) for title in shown) / len(shown)
