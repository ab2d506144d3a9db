"""The shop in a browser: scrolling, hiding, searching, selling, with keyboard and without a script."""

import re

from playwright.sync_api import expect

from listings.models import Listing
from tests.browser.cards import CARDS, listing_ids, share_of, titles
from tests.browser.conftest import PHONE


def is_new_feed(reply) -> bool:
    return reply.request.method == "GET" and reply.request.headers.get("hx-request") == "true"


class TestTheFeed:
    def test_scrolling_shows_the_next_pages_and_repeats_nothing(self, visit):
        page = visit()
        first = listing_ids(page)
        assert len(first) == 20
        page.locator(".more").scroll_into_view_if_needed()
        expect(page.locator(CARDS).nth(35)).to_be_attached(timeout=20_000)
        shown = listing_ids(page)
        assert shown[:20] == first and len(set(shown)) == len(shown)

    def test_a_hidden_card_is_gone_its_kind_recedes_and_it_can_be_brought_back(self, as_shopper):
        page = as_shopper()
        kind = titles(page)[0].rsplit(" ", 1)[0]
        before, hidden = share_of(kind, page, first=20), listing_ids(page)[0]
        for _ in range(3):
            card = page.locator(CARDS).filter(has_text=kind).locator("visible=true").first
            card.hover()
            with page.expect_response(
                lambda reply: reply.url.endswith("/") and "HX-Request" not in reply.url
            ):
                card.get_by_role("button", name="Hide").click()
            page.wait_for_load_state("networkidle")
        page.goto(page.url)
        assert hidden not in listing_ids(page)
        assert share_of(kind, page, first=20) < before

    def test_a_favourite_is_kept_and_the_cards_behind_it_follow(self, as_shopper):
        page = as_shopper()
        card = page.locator(CARDS).nth(2)
        chosen = card.get_attribute("data-listing")
        with page.expect_response(is_new_feed):
            card.get_by_role("button", name="Favourite").click()
        expect(page.locator(CARDS).nth(2).locator(".heart-button")).to_have_attribute("aria-pressed", "true")
        assert listing_ids(page).count(chosen) == 1
        page.get_by_role("link", name="Favourites").click()
        assert chosen in listing_ids(page)

    def test_more_like_this_opens_a_strip_below_the_card(self, as_shopper):
        page = as_shopper()
        card = page.locator(CARDS).nth(1)
        title = card.locator(".card-title").inner_text()
        card.hover()
        card.get_by_role("button", name="More like").click()
        strip = page.locator("[data-strip]")
        expect(strip).to_contain_text(f"More like “{title}”")
        assert strip.locator(".mini").count() == 8

    def test_why_opens_with_the_keyboard_and_closes_with_escape(self, as_shopper):
        page = as_shopper()
        link = page.locator(".reason a").first
        link.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text("Why this is here")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(link).to_be_focused()

    def test_the_search_can_be_reached_and_used_with_the_keyboard_alone(self, visit):
        page = visit()
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the listings")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.type("bike")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(r"/search/\?q=bike$"))
        assert share_of("Mountain bike", page, first=20) == 1


class TestWithoutScript:
    def test_everything_can_be_read_and_links_lead_on(self, visit):
        page = visit(java_script_enabled=False)
        first = listing_ids(page)
        page.get_by_role("link", name="Show more").click()
        assert len(first) == 20 and not set(first) & set(listing_ids(page))
        page.locator(f"{CARDS} .card-title a").first.click()
        expect(page.get_by_role("heading", name="Similar")).to_be_visible()

    def test_a_button_sends_its_form_and_comes_back(self, visit):
        page = visit(java_script_enabled=False)
        page.locator(".heart-button").first.click()
        expect(page).to_have_url(re.compile(r"/$"))
        page.get_by_role("link", name="Favourites").click()
        assert len(listing_ids(page)) == 1


class TestSearch:
    def test_a_dropped_photo_finds_what_looks_like_it(self, visit, encoding, photo_file):
        page = visit("/search/")
        page.set_input_files("input[name=photo]", photo_file)
        expect(page.get_by_role("heading", name="Like your photo")).to_be_visible(timeout=20_000)
        assert share_of("Blue sofa", page, first=8) == 1

    def test_what_was_understood_can_be_removed(self, visit):
        page = visit("/search/?q=sofa+under+£30")
        assert len(listing_ids(page)) == 11  # of £20 to £30
        page.get_by_role("link", name="Search without under £30").click()
        assert len(listing_ids(page)) > 11


class TestSelling:
    def test_a_new_listing_with_a_photo_stands_among_similar_ones_seconds_later(
        self, as_shopper, encoding, follow, photo_file, catalogue
    ):
        page = as_shopper("/sell/", viewport=PHONE)
        page.set_input_files("input[name=photos]", photo_file)
        expect(page.locator("#previews img")).to_be_visible()
        expect(page.locator("#advice")).to_contain_text("The same photo is here already")
        page.get_by_label("Title").fill("Blue sofa, hardly used")
        page.get_by_label("Price").fill("45")
        page.get_by_label("Category").select_option(catalogue[0].category.path)
        expect(page.locator("#advice")).to_contain_text("What others ask")
        page.get_by_role("button", name="Publish").click()
        expect(page.locator("#standing")).to_contain_text("in a few seconds")
        follow()
        expect(page.locator("#standing")).to_contain_text("Shoppers find it now")
        assert Listing.objects.get(title="Blue sofa, hardly used").photos.count() == 1
