"""Category suggestions in the admin: which of them the form offers, and the photo that they are read from."""

import numpy as np
import pytest

from listings.photos import processing
from recommendations.encoders.encoded_query import CategorySuggestion, EncodedQuery
from tests import factories

SUGGEST = "/admin/listings/listing/suggest-category/"
SOFAS, GARDEN = "Home & Garden / Sofas", "Home & Garden"
ROOTS, LEAVES = (CategorySuggestion(GARDEN, 0.8),), (CategorySuggestion(SOFAS, 0.7),)


@pytest.fixture(autouse=True)
def impatient(settings, encoder):
    """No encode worker runs: queries that are not cached fail at once."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"encode_timeout_s": 0.02})


@pytest.fixture
def suggested(admin_client, encoder, sofa):
    """suggested(roots, leaves): the paths that the form offers where the worker answers these."""

    def send(roots, leaves) -> list[str]:
        encoded = EncodedQuery(encoder.version, np.ones(4, np.float32), roots=roots, leaves=leaves)
        factories.known_answer(encoded, words="blue sofa")
        answer = admin_client.post(SUGGEST, {"title": "blue sofa"})
        assert answer.status_code == 200, answer.content
        return [suggestion["path"] for suggestion in answer.json()["suggestions"]]

    return send


def test_full_paths_are_offered_before_root_categories(suggested):
    assert suggested(ROOTS, LEAVES) == [SOFAS]


def test_root_categories_are_offered_where_no_full_path_is_known(suggested):
    assert suggested(ROOTS, ()) == [GARDEN]


def test_a_suggestion_that_is_no_category_of_the_market_is_not_offered(suggested):
    assert suggested(ROOTS, (CategorySuggestion("Boats", 0.6), *LEAVES)) == [SOFAS]


def test_a_listing_whose_photo_file_is_gone_gets_suggestions_by_its_words(suggested, admin_client, sofa):
    photo = factories.photo(sofa)
    assert suggested(ROOTS, LEAVES) == [SOFAS]
    processing.path_of(photo.file.name, processing.Size.MEDIUM).unlink()
    answer = admin_client.post(SUGGEST, {"title": "blue sofa", "listing": sofa.pk})
    assert [suggestion["path"] for suggestion in answer.json()["suggestions"]] == [SOFAS]
