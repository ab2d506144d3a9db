"""What is asked with words and photos: parse, one verb, reply."""

from drf_spectacular.utils import extend_schema
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from recommendations.classification import suggest_categories
from recommendations.search_serializers import ClassifyPhoto, ClassifyWords, SuggestedCard
from recommendations.uploads import read_photo

TAGS = ["search"]


class ClassifyApi(APIView):
    """Suggests categories for a photo, words, or both.

    Up to 5 root categories and 5 full paths, each with a calibrated probability. Open to anyone.
    """

    permission_classes = [AllowAny]
    parser_classes = [JSONParser, MultiPartParser]

    @extend_schema(
        request={"application/json": ClassifyWords, "multipart/form-data": ClassifyPhoto},
        responses=SuggestedCard,
        tags=TAGS,
        auth=[{}],
    )
    def post(self, request):
        query = ClassifyPhoto(data=request.data)
        query.is_valid(raise_exception=True)
        upload = query.validated_data.get("photo")
        photo = read_photo(upload) if upload else None
        return Response(SuggestedCard(suggest_categories(words=query.text, photo=photo)).data)
