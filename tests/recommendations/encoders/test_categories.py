"""Category suggestions, over the API and in the admin."""

import json

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from recommendations.encoders.encoded_query import CategorySuggestion, EncodedQuery
from tests import factories

CLASSIFY = "/api/v1/classify/"
SUGGEST = "/admin/listings/listing/suggest-category/"
ROOTS = tuple(CategorySuggestion(name, 0.4 - number / 20) for number, name in enumerate("ABCDEFG"))
LEAVES = (CategorySuggestion("Home & Garden / Sofas", 0.71), CategorySuggestion("Sports / Bicycles", 0.12))


pytestmark = pytest.mark.usefixtures("encoder", "impatient")


@pytest.fixture
def known(encoder):
    """`known(words=, photo=)` caches suggestions for this query."""

    def keep(roots=ROOTS, leaves=LEAVES, **query) -> None:
        factories.known_answer(
            EncodedQuery(encoder.version, np.ones(4, np.float32), roots=roots, leaves=leaves), **query
        )

    return keep


def upload(data: bytes, name: str = "sofa.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, "image/jpeg")


class TestClassify:
    def test_words_are_classified_into_up_to_five_roots_and_full_paths_with_probabilities(
        self, anyone, known
    ):
        known(words="blue velvet sofa hardly used")
        body = {"title": "Blue velvet", "words": "sofa", "description": "hardly used"}
        reply = anyone.post(CLASSIFY, body)
        assert reply.status_code == 200, reply.content
        answer = reply.json()
        assert [root["path"] for root in answer["roots"]] == list("ABCDE")
        assert answer["leaves"][0] == {"path": "Home & Garden / Sofas", "probability": 0.71}
        assert answer["degraded"] == []

    def test_a_photo_is_classified_alone_or_with_words(self, anyone, known):
        data = factories.picture()
        known(photo=data)
        known(photo=data, words="sofa", roots=ROOTS[:1])
        alone = anyone.post(CLASSIFY, {"photo": upload(data)}, format="multipart").json()
        both = anyone.post(CLASSIFY, {"photo": upload(data), "words": "Sofa"}, format="multipart").json()
        assert (len(alone["roots"]), len(both["roots"])) == (5, 1)

    def test_classification_falls_back_to_cached_words_when_the_photo_cannot_be_encoded(self, anyone, known):
        known(words="sofa")
        body = {"photo": upload(factories.picture()), "words": "sofa"}
        reply = anyone.post(CLASSIFY, body, format="multipart")
        assert (reply.status_code, reply.json()["degraded"]) == (200, ["photo"])

    def test_before_a_training_classification_names_the_missing_command(self, anyone, known):
        known(words="sofa", roots=(), leaves=())
        reply = anyone.post(CLASSIFY, {"words": "sofa"})
        assert reply.status_code == 503
        assert "manage.py train encoder" in reply.json()["detail"]

    def test_without_the_encoder_classification_asks_to_try_again(self, anyone):
        reply = anyone.post(CLASSIFY, {"words": "sofa"})
        assert (reply.status_code, reply.headers["Retry-After"]) == (503, "2")

    @pytest.mark.parametrize("body", [{}, {"words": " "}, {"title": "", "description": "\n"}])
    def test_classification_of_nothing_is_refused(self, anyone, body):
        reply = anyone.post(CLASSIFY, body)
        assert (reply.status_code, reply.headers["Content-Type"]) == (400, "application/problem+json")

    @pytest.mark.parametrize(
        "body",
        [
            {"words": "sofa " * 2000},
            {"title": "x" * 301},
            {"words": "sofa\x00"},
            {"words": ["sofa"]},
            {"photo": "sofa.jpg"},
            {"query": "sofa"},
            ["sofa"],
        ],
    )
    def test_classification_refuses_invalid_bodies(self, anyone, body):
        reply = anyone.post(CLASSIFY, body)
        assert (reply.status_code, reply.headers["Content-Type"]) == (400, "application/problem+json")

    @pytest.mark.parametrize("data", [b"", b"no photo", factories.picture()[:300]])
    def test_classification_refuses_a_broken_photo(self, anyone, data):
        reply = anyone.post(CLASSIFY, {"photo": upload(data), "words": "sofa"}, format="multipart")
        assert reply.status_code == 400
        assert reply.json()["errors"][0]["field"] == "photo"

    @pytest.mark.parametrize("words", ["🛋️🔥", "the and of", "sofa' OR 1=1; --", "!!! & | <->", "\ud800"])
    def test_odd_words_never_break_a_classification(self, anyone, words):
        reply = anyone.post(CLASSIFY, json.dumps({"words": words}), content_type="application/json")
        assert reply.status_code in (400, 503)

    def test_classification_reads_a_very_long_description_at_its_beginning(self, anyone, known):
        known(words="Sofa " + "a" * 2000)
        reply = anyone.post(CLASSIFY, {"title": "Sofa", "description": "a" * 20_000})
        assert reply.status_code == 200


class TestInTheAdmin:
    @pytest.fixture
    def sofa(self, alice):
        return factories.listing(alice, "Blue sofa", description="Hardly used")

    def test_the_suggestion_button_stands_beside_the_category_field(self, admin_client, sofa):
        for page in ("add/", f"{sofa.pk}/change/"):
            content = admin_client.get(f"/admin/listings/listing/{page}").content.decode()
            assert f'data-url="{SUGGEST}"' in content
            assert "recommendations/suggest_category.js" in content

    def test_the_script_of_the_suggestion_button_is_served(self, client):
        assert client.get("/static/recommendations/suggest_category.js").status_code == 200

    def test_the_admin_suggests_only_categories_that_exist(self, admin_client, sofa, known):
        known(words="Blue sofa Hardly used")
        reply = admin_client.post(SUGGEST, {"title": "Blue sofa", "description": "Hardly used"})
        assert reply.json() == {
            "suggestions": [
                {"category": sofa.category_id, "path": "Home & Garden / Sofas", "probability": 0.71}
            ]
        }

    def test_category_suggestions_use_the_photo_that_is_being_added(self, admin_client, sofa, known):
        data = factories.picture()
        known(photo=data)
        reply = admin_client.post(SUGGEST, {"add_photo": upload(data), "listing": str(sofa.pk)})
        assert reply.json()["suggestions"]

    def test_category_suggestions_use_the_listings_first_photo_when_none_is_added(
        self, admin_client, sofa, known
    ):
        data = factories.picture()
        factories.add_picture(sofa, data)
        known(photo=factories.as_received(data))
        reply = admin_client.post(SUGGEST, {"title": "", "listing": str(sofa.pk)})
        assert reply.json()["suggestions"]

    @pytest.mark.parametrize(
        ("form", "status"),
        [({}, 400), ({"title": "sofa"}, 503), ({"listing": "9" * 40}, 400), ({"listing": "sofa"}, 400)],
    )
    def test_each_failure_of_a_category_suggestion_has_a_message(self, admin_client, form, status):
        reply = admin_client.post(SUGGEST, form)
        assert (reply.status_code, list(reply.json())) == (status, ["message"])

    def test_category_suggestions_are_refused_to_other_actors_and_other_sites(
        self, client, charlie, admin_user
    ):
        client.force_login(charlie.user)
        assert client.post(SUGGEST, {"title": "sofa"}).status_code == 302
        elsewhere = Client(enforce_csrf_checks=True)
        elsewhere.force_login(admin_user)
        assert elsewhere.post(SUGGEST, {"title": "sofa"}).status_code == 403

    def test_category_suggestions_answer_only_posted_forms(self, admin_client):
        assert admin_client.get(SUGGEST).status_code == 405
