from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from listings import services
from listings.announcing import catalogue_transaction
from recommendations import tasks
from recommendations.query_parsing import vocabulary
from recommendations.query_parsing.spelling import Correction, correct_spelling
from recommendations.query_parsing.vocabulary import Vocabulary
from tests import factories

TITLES = (
    "Leather sofa",
    "Sofa bed",
    "Washing machine",
    "Washing machine",
    "Desk",
    "Desk",
    "Wooden coat rack",
    "Coat",
)


@pytest.fixture
def catalogue(alice, now):
    with catalogue_transaction():
        listings = [factories.listing(alice, title, description="Collection only.") for title in TITLES]
    vocabulary.learn(now=now)
    return listings


class TestMending:
    @pytest.mark.parametrize(
        ("words", "mended"),
        [
            ("sofla", "sofa"),
            ("SOFLA", "sofa"),
            ("wahsing machine", "washing machine"),
            ("washing mashine", "washing machine"),
            ("wsahing machnie cheap", "washing machine cheap"),
            ("sofla, sofla!", "sofa, sofa!"),
            ("osfa", "sofa"),
        ],
    )
    def test_misspelt_words_are_corrected_to_words_of_the_catalogue(self, catalogue, words, mended):
        assert correct_spelling(words).words == mended

    def test_a_correction_names_the_words_that_it_replaced(self, catalogue):
        assert correct_spelling("blue sofla") == Correction("blue sofa", {"sofla": "sofa"})

    @pytest.mark.parametrize(
        "words",
        [
            "sofa",
            "Sofas",
            "sof",
            "machi",
            "des",
            "dsk",
            "PS5",
            "s0fa",
            "1234",
            "rtx3080",
            "",
            "  ",
            "🛋️",
            "boat",
        ],
    )
    def test_known_words_short_words_and_numbers_are_not_corrected(self, catalogue, words):
        assert correct_spelling(words) == Correction(words)

    def test_only_the_last_word_of_a_query_may_stay_half_typed(self, catalogue):
        assert correct_spelling("blue washin").words == "blue washin"
        assert correct_spelling("washin mach").words == "washing mach"

    def test_of_two_equally_near_words_the_more_frequent_is_the_correction(self, alice, now):
        with catalogue_transaction():
            for title in ("Lamp", "Lamp", "Lamp", "Damp", "Camp", "Camp", "Lump", "Lump"):
                factories.listing(alice, title)
        vocabulary.learn(now=now)
        assert correct_spelling("lemp").words == "lamp"

    def test_a_word_of_a_single_listing_is_known_but_corrects_nothing(self, alice, catalogue, now):
        factories.listing(alice, "Wardrobbe")
        vocabulary.learn(now=now)
        assert correct_spelling("wardrobbe").words == "wardrobbe"
        assert correct_spelling("wardrobe").words == "wardrobe"

    def test_a_frequent_word_of_descriptions_is_a_correction(self, catalogue):
        assert correct_spelling("collectoin").words == "collection"

    def test_listings_off_the_market_add_no_words_to_the_vocabulary(self, catalogue, now):
        for listing in catalogue[:2]:
            services.withdraw(listing=listing)
        vocabulary.learn(now=now + timedelta(minutes=1))
        assert correct_spelling("sofla").words == "sofla"

    @hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.text(max_size=80))
    def test_spelling_correction_accepts_any_text(self, catalogue, words):
        correct_spelling(words)

    @pytest.mark.parametrize("words", ["sofla " * 2000, "x" * 10_000, "\ud800sofla", "sofla\x00"])
    def test_spelling_correction_accepts_very_long_and_malformed_text(self, catalogue, words):
        correct_spelling(words)


@pytest.mark.django_db
class TestLearning:
    def test_the_vocabulary_task_learns_only_when_the_vocabulary_is_stale(self, catalogue):
        vocabulary.client().delete(vocabulary.KEY)
        assert tasks.learn_vocabulary() > 5
        assert tasks.learn_vocabulary() == 0

    def test_the_vocabulary_is_learnt_again_after_five_minutes(self, catalogue, now):
        assert vocabulary.learn_when_stale(now=now + timedelta(minutes=4)) == 0
        assert vocabulary.learn_when_stale(now=now + timedelta(minutes=6)) > 5

    def test_the_vocabulary_of_an_empty_catalogue_is_learnt_again_at_once(self, alice, now):
        assert vocabulary.learn_when_stale(now=now) == 0
        factories.listing(alice, "Sofa")
        assert vocabulary.learn_when_stale(now=now) == 1

    def test_the_vocabulary_counts_listings_not_occurrences(self, catalogue):
        known = vocabulary.vocabulary()
        assert (known.counts["sofa"], known.counts["desk"], known.listing_count) == (
            2,
            2,
            len(TITLES),
        )

    def test_spelling_correction_follows_the_learnt_vocabulary(self, alice, catalogue, now):
        assert correct_spelling("gutiar").words == "gutiar"
        with catalogue_transaction():
            for _ in range(2):
                factories.listing(alice, "Guitar")
        vocabulary.learn(now=now + timedelta(minutes=6))
        assert correct_spelling("gutiar").words == "guitar"

    def test_without_a_vocabulary_in_redis_no_word_is_corrected(self, catalogue):
        vocabulary.client().flushdb()
        assert correct_spelling("sofla") == Correction("sofla")
        assert vocabulary.vocabulary() == Vocabulary()

    def test_with_a_damaged_vocabulary_no_word_is_corrected(self, catalogue):
        vocabulary.client().hset(vocabulary.KEY, mapping={"learnt_at": "then", "words": b"rubbish"})
        assert correct_spelling("sofla") == Correction("sofla")

    def test_without_redis_no_word_is_corrected(self, catalogue, settings):
        settings.REDIS_URL = "redis://127.0.0.1:1"
        assert correct_spelling("sofla") == Correction("sofla")
