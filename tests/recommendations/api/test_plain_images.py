"""The plain image API: clients of earlier projects send a photo and read exactly these keys."""

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from listings import services
from listings.announcing import catalogue_transaction
from recommendations.encoders.encoded_query import CategorySuggestion, EncodedQuery
from recommendations.similar.photos import distances
from tests import factories

PREDICT = [f"/predict/{name}" for name in ("feature_embedding", "similar_images", "category", "image")]
ROOTS = (
    CategorySuggestion("Sports", 0.6),
    CategorySuggestion("Home & Garden", 0.3),
    CategorySuggestion("Appliances", 0.1),
)


@pytest.fixture(autouse=True)
def impatient(settings, encoder):
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"encode_timeout_s": 0.02})


@pytest.fixture
def picture() -> bytes:
    return factories.picture("darkred")


@pytest.fixture
def known(encoder, picture):
    """The worker's cached answer for the picture."""

    def keep(**content) -> None:
        encoded = EncodedQuery(encoder.version, np.ones(4, np.float32), **content)
        factories.known_answer(encoded, photo=picture)

    return keep


def post(client, path: str, data: bytes, field: str = "image", **form):
    """A request like `requests.post(url, files={"image": open("a.jpg", "rb")})`: without a content type."""
    upload = SimpleUploadedFile("a.jpg", data, content_type="")
    return client.post(path, {field: upload, **form}, format="multipart")


class TestShapes:
    @pytest.mark.parametrize("path", ["/healthcheck", "/healthcheck/"])
    def test_the_healthcheck_answers_with_and_without_a_slash(self, anyone, path):
        reply = anyone.get(path)
        assert (reply.status_code, reply.json()) == (200, {"message": "API is up and running!"})

    def test_feature_embedding_answers_the_features_of_the_backbone(self, anyone, known, picture):
        known(features=np.array([0.5, -1.25], np.float32))
        assert post(anyone, "/predict/feature_embedding", picture).json() == {"features": [0.5, -1.25]}

    def test_category_answers_the_likeliest_root_with_its_place_in_the_alphabet(self, anyone, known, picture):
        known(roots=ROOTS)
        reply = post(anyone, "/predict/category", picture)
        assert reply.json() == {"category_index": 2, "category": "Sports"}

    def test_image_answers_the_likeliest_root_with_its_probability(self, anyone, known, picture):
        known(roots=ROOTS)
        reply = post(anyone, "/predict/image", picture)
        assert reply.json() == {"Category": "Sports", "Probability": 0.6}

    @pytest.mark.parametrize("path", ["/predict/image", "/predict/image/"])
    @pytest.mark.parametrize("field", ["image", "file"])
    def test_photos_are_read_from_either_field_with_and_without_a_slash(
        self, anyone, known, picture, path, field
    ):
        known(roots=ROOTS)
        assert post(anyone, path, picture, field).status_code == 200

    def test_the_plain_image_api_ignores_credentials(self, anyone, known, picture):
        known(roots=ROOTS)
        anyone.credentials(HTTP_AUTHORIZATION="Bearer of-another-project")
        assert post(anyone, "/predict/image", picture).status_code == 200


class TestSimilarImages:
    @pytest.fixture
    def market(self, transactional_db, alice, encode_worker, settings, follow, picture):
        """Photos of seven listings: the same picture, another shade of it, and others."""
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"encode_timeout_s": 20})
        pictures = [picture, factories.picture("maroon"), *(factories.picture("green") for _ in range(5))]
        with catalogue_transaction():
            photos = [factories.add_picture(factories.listing(alice), data) for data in pictures]
        follow()
        return photos

    def test_similar_images_answers_photos_on_the_market_nearest_first(self, anyone, market, picture):
        body = post(anyone, "/predict/similar_images", picture).json()
        assert set(body) == {"similar_index", "image_labels", "distances"}
        assert {len(values) for values in body.values()} == {4}
        assert (body["similar_index"][0], body["image_labels"][0]) == (market[0].pk, market[0].external_id)
        assert body["distances"] == sorted(body["distances"])
        assert body["distances"][0] == pytest.approx(0, abs=0.1)

        fewer = post(anyone, "/predict/similar_images?k=2", picture).json()
        assert fewer["image_labels"] == body["image_labels"][:2]
        everything = post(anyone, "/predict/similar_images", picture, k="50").json()
        assert set(everything["similar_index"]) == {photo.pk for photo in market}

        services.mark_sold(listing=market[0].listing, buyer=None, now=timezone.now())
        now_left = post(anyone, "/predict/similar_images", picture, k="50").json()
        assert market[0].pk not in now_left["similar_index"]
        assert len(now_left["distances"]) == 6

    @pytest.mark.parametrize("k", ["0", "51", "1000000", "-1", "many"])
    def test_similar_images_refuses_an_invalid_count(self, anyone, picture, k):
        in_form = post(anyone, "/predict/similar_images", picture, k=k)
        in_query = post(anyone, f"/predict/similar_images?k={k}", picture)
        for reply in (in_form, in_query):
            assert (reply.status_code, reply.headers["Content-Type"]) == (400, "application/problem+json")

    def test_similar_images_answers_503_during_a_switch_of_encoders(
        self, anyone, follow, known, picture, encoder
    ):
        follow()
        known()
        type(encoder).objects.filter(pk=encoder.pk).update(version="another")
        factories.known_answer(EncodedQuery("another", np.ones(4, np.float32)), photo=picture)
        assert post(anyone, "/predict/similar_images", picture).status_code == 503

    def test_distances_of_similar_images_are_euclidean(self):
        one, other = np.array([0.6, 0.8]), np.array([1.0, 0.0])
        result = distances(np.array([one @ other, 1.0000001, -1], np.float32))
        np.testing.assert_allclose(result, [np.linalg.norm(one - other), 0, 2], atol=1e-6)


class TestRefusals:
    @pytest.mark.parametrize("path", PREDICT)
    def test_a_request_without_a_valid_photo_is_refused(self, anyone, path):
        replies = [
            anyone.post(path),
            anyone.post(path, {"image": "a.jpg"}, format="multipart"),
            post(anyone, path, b"no photo"),
            post(anyone, path, factories.picture()[:200]),
        ]
        for reply in replies:
            assert (reply.status_code, reply.headers["Content-Type"]) == (400, "application/problem+json")

    @pytest.mark.parametrize("path", PREDICT)
    def test_predictions_without_the_encoder_answer_503_with_retry_after(self, anyone, follow, picture, path):
        follow()
        reply = post(anyone, path, picture)
        assert (reply.status_code, reply.headers["Retry-After"]) == (503, "2")

    @pytest.mark.parametrize("path", PREDICT[2:])
    def test_category_predictions_before_a_training_name_the_missing_command(
        self, anyone, known, picture, path
    ):
        known()
        reply = post(anyone, path, picture)
        assert (reply.status_code, "train encoder" in reply.json()["detail"]) == (503, True)

    @pytest.mark.parametrize("path", PREDICT)
    def test_predictions_refuse_get_requests(self, anyone, path):
        assert anyone.get(path).status_code == 405

    def test_the_plain_image_api_answers_404_when_it_is_turned_off(self, anyone, settings, picture):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"plain_image_api": False})
        assert anyone.get("/healthcheck").status_code == 404
        for path in PREDICT:
            reply = post(anyone, path, picture)
            assert (reply.status_code, reply.headers["Content-Type"]) == (404, "application/problem+json")
