"""Cleaning of exported adverts. All texts are invented."""

import pytest

from listings.importing import cleaning

CATEGORY = "Home & Garden / Beds & Bedroom Furniture / Wardrobes, Shelving & Storage"
LOCATION = "Stow-on-the-Wold, Gloucestershire"


class TestTitle:
    @pytest.mark.parametrize(
        "title",
        [
            "Blue sofa | in Stow-on-the-Wold, Gloucestershire | Gumtree",
            "Blue sofa  |  in Stow-on-the-Wold, Gloucestershire |Gumtree ",
            "Blue sofa | in Somewhere Else, Kent | Gumtree",
            "Blue sofa | Gumtree",
            "Blue sofa | in Stow-on-the-Wold, Gloucestershire | Gumt",
            "Blue sofa | in Stow-on-the-Wold, Gloucestershire |",
            "Blue sofa | in Stow-on-the-Wold, Glouc...",
            "Blue sofa | in Stow-on",
            "Blue sofa | in",
            "  Blue\r sofa ",
        ],
    )
    def test_the_sites_ending_of_a_title_is_removed_whole_or_cut_off(self, title):
        assert cleaning.clean_title(title, LOCATION) == "Blue sofa"

    @pytest.mark.parametrize(
        "title", ["Sofa | in good condition", "Sofa |grey| in parts", "PS5 | 2 games", "Gumtree sign"]
    )
    def test_bars_and_words_of_a_title_that_are_no_site_ending_stay(self, title):
        assert cleaning.clean_title(title, LOCATION) == title

    def test_a_title_that_is_only_the_sites_ending_is_empty(self):
        assert cleaning.clean_title("N/A | in Stow-on-the-Wold, Gloucestershire | Gumtree", LOCATION) == ""


class TestPostedBy:
    @pytest.mark.parametrize(
        "sentence",
        [
            "Posted by Alice in Bedroom Furniture, Wardrobes, Shelving in Stow-on-the-Wold. 25 May 2022",
            "Posted by Alice in Beds & Bedroom Furniture, Wardrobes in Stow-on-the-Wold. 25. February 2022",
            "Posted by Mr. A. Smith in Music, CDs in Elsewhere. February 5, 2022",
            "Posted by The Donut Cat in Wardrobes, with a bed, in Stow-on-the-Wold. 6 Dec 2021",
            "Posted by Alice.Stow-on-the-Wold. 25 February 2022",
        ],
    )
    def test_a_dated_posted_by_sentence_is_removed_wherever_it_stands(self, sentence):
        for before, after in (
            ("A bed. ", ""),
            ("A bed. ", "Size 45x45cm"),
            ("", "\rCollect today"),
            ("", ""),
        ):
            cleaned = cleaning.clean_description(before + sentence + after, CATEGORY, LOCATION)
            assert cleaned == f"{before.strip()} {after.strip()}".strip()

    @pytest.mark.parametrize(
        "sentence",
        [
            "Posted by Alice in Beds & Bedroom Furniture, Wardrobes, Shelving in Stow-on-the-Wold. ",
            "Posted by Alice in Home & Garden, Wardrobes, Shelving & Sto",
            "Posted by ALICE, in Stow-on-the-Wold. ",
            "Posted by Alice in Stow-on-the-Wold",
        ],
    )
    def test_a_posted_by_sentence_without_its_date_is_known_by_the_adverts_category_or_town(self, sentence):
        assert cleaning.clean_description(f"A bed. {sentence}", CATEGORY, LOCATION) == "A bed."

    @pytest.mark.parametrize(
        "text",
        [
            "Can be posted by Royal Mail in a padded envelope.",
            "Posted by courier in 2 days.",
            "£10 posted pay by card",
            "Posted by hand. We moved in Stow-on-the-Wold last year, so collect there.",
            "Bought on 25 February 2022 in Bath.",
        ],
    )
    def test_other_sentences_about_post_and_dates_stay(self, text):
        assert cleaning.clean_description(text, CATEGORY, LOCATION) == text

    def test_a_description_without_category_and_location_keeps_an_undated_posted_by_sentence(self):
        assert cleaning.clean_description("A bed. Posted by A in B.", "", "") == "A bed. Posted by A in B."


class TestTheRest:
    @pytest.mark.parametrize("text", ["", " ", "N/A", "n/a", "NaN", "None", "-", "\r"])
    def test_empty_cells_are_empty_in_every_spelling(self, text):
        assert cleaning.clean_cell(text) == "" and cleaning.clean_text(text) == ""

    def test_line_ends_of_every_kind_become_newlines(self):
        assert cleaning.clean_text("one\r\ntwo\rthree\nfour\x00") == "one\ntwo\nthree\nfour"

    def test_category_paths_get_one_kind_of_separator(self):
        assert (
            cleaning.clean_category(" Phones  /  Radios /Ham/Amateur Radios / ")
            == "Phones / Radios /Ham/Amateur Radios"
        )
        assert (
            cleaning.clean_category("Phones / Radios / Ham/Amateur Radios")
            == "Phones / Radios / Ham/Amateur Radios"
        )
        assert cleaning.clean_category("N/A") == "" and cleaning.clean_category(" / ") == ""

    def test_sellers_given_to_adverts_are_stable_and_evenly_spread(self):
        sellers = [cleaning.seller_of(f"listing-{number}", 10) for number in range(2000)]
        assert sellers == [cleaning.seller_of(f"listing-{number}", 10) for number in range(2000)]
        assert sorted(set(sellers)) == [f"seller-{number:04d}" for number in range(1, 11)]
        assert max(sellers.count(name) for name in set(sellers)) < 300
