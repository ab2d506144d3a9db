"""Views of the plain image API: the URLs and response shapes of earlier projects on marketplace photos.

Clients of those projects run unchanged, so responses have exactly their keys. Anyone may call. The setting
PLAIN_IMAGE_API turns it off.
"""

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.response import Response
from rest_framework.views import APIView

from listings.errors import Invalid
from listings.photos.uploads import read_photo_of
from recommendations.encoders.categories import likeliest_root
from recommendations.encoders.query_client import encode_or_raise
from recommendations.similar.photos import find_similar_photos

FIELDS = ("image", "file")
DEFAULT_COUNT, MAXIMUM_COUNT = 4, 50


class CountQuery(serializers.Serializer):
    k = serializers.IntegerField(min_value=1, max_value=MAXIMUM_COUNT, default=DEFAULT_COUNT)


@extend_schema(exclude=True)  # described in the documentation, not in the schema of this API
class PlainImageApi(APIView):
    """A view without authentication: clients send no credential, and no cookie can be abused."""

    authentication_classes = []
    permission_classes = []
    rate_limit = "photo search"
    parser_classes = [MultiPartParser, FormParser]

    def initial(self, request, *arguments, **options):
        if not settings.ENVIRONMENT.plain_image_api:
            raise NotFound("The plain image API is turned off.")
        super().initial(request, *arguments, **options)


class HealthApi(PlainImageApi):
    """Confirms that the API is running."""

    def get(self, request):
        return Response({"message": "API is up and running!"})


class FeaturesApi(PlainImageApi):
    """The features of a photo by the backbone."""

    def post(self, request):
        encoded = encode_or_raise(photo=_photo(request))
        return Response({"features": encoded.features.tolist()})


class SimilarImagesApi(PlainImageApi):
    """The photos of listings for sale that are most similar to this one."""

    def post(self, request):
        query = CountQuery(data=request.query_params if "k" in request.query_params else request.data)
        query.is_valid(raise_exception=True)
        similar = find_similar_photos(_photo(request), count=query.validated_data["k"])
        return Response(
            {
                "similar_index": [photo.pk for photo, _ in similar],
                "image_labels": [photo.external_id for photo, _ in similar],
                "distances": [distance for _, distance in similar],
            }
        )


class CategoryApi(PlainImageApi):
    """The most probable root category of a photo, and its position among all in alphabetical order."""

    def post(self, request):
        root, position = likeliest_root(_photo(request))
        return Response({"category_index": position, "category": root.path})


class ImageApi(PlainImageApi):
    """The most probable root category of a photo, and its probability."""

    def post(self, request):
        root, _ = likeliest_root(_photo(request))
        return Response({"Category": root.path, "Probability": root.probability})


def _photo(request) -> bytes:
    upload = next((request.FILES[name] for name in FIELDS if name in request.FILES), None)
    if upload is None:
        raise Invalid("Send the photo as multipart field 'image' or 'file'.", field=FIELDS[0])
    return read_photo_of(request, upload)
