"""What is asked with words and photos: parse, one verb, reply."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from listings.api import LISTING_BYTES
from listings.models import Actor
from recommendations.classification import suggest_categories
from recommendations.models import Slate
from recommendations.more_like import more_like
from recommendations.offers import AnyPage, keep
from recommendations.on_behalf import asking_actor
from recommendations.search import search
from recommendations.search_serializers import (
    ClassifyPhoto,
    ClassifyWords,
    Examples,
    LikedPageCard,
    Search,
    SearchBody,
    SearchPageCard,
    SearchUpload,
    SuggestedCard,
)
from recommendations.tracking import is_kept
from recommendations.uploads import read_photo

TAGS = ["search"]


class ClassifyApi(APIView):
    """Suggests categories for a photo, words, or both.

    Up to 5 root categories and 5 full paths, each with a calibrated probability. Open to anyone.
    """

    permission_classes = [AllowAny]
    rate_limit = "photo search"
    body_limit = LISTING_BYTES
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


class SearchApi(APIView):
    """Finds listings by words, by a photo, or by both, within filters. Open to anyone.

    Prices and places in the words become filters (`understood`), misspelt words are mended (`mended`); both
    can be switched off. Who asks with a taste finds what they like a little nearer.
    """

    permission_classes = [AllowAny]
    keeps_pages = True
    rate_limit = "photo search"
    parser_classes = [JSONParser, MultiPartParser]

    @extend_schema(parameters=[Search], responses=SearchPageCard, tags=TAGS)
    def get(self, request):
        query = Search(data=request.query_params)
        query.is_valid(raise_exception=True)
        return _found(request, query)

    @extend_schema(
        request={"application/json": SearchBody, "multipart/form-data": SearchUpload},
        responses=SearchPageCard,
        tags=TAGS,
    )
    def post(self, request):
        query = SearchUpload(data=request.data)
        query.is_valid(raise_exception=True)
        upload = query.validated_data.get("photo")
        return _found(request, query, read_photo(upload) if upload else None)


class RecommendApi(APIView):
    """Finds more like these listings, and less like those. Open to anyone."""

    permission_classes = [AllowAny]
    keeps_pages = True

    @extend_schema(request=Examples, responses=LikedPageCard, tags=TAGS)
    def post(self, request):
        query = Examples(data=request.data)
        query.is_valid(raise_exception=True)
        page = more_like(filters=query.filters, **query.named)
        asked = {**query.named, "filters": query.filters}
        page = _kept(page, request, Slate.Surface.RECOMMEND, request.caller.actor, asked)
        return Response(LikedPageCard(page).data)


def _found(request: Request, query: Search, photo: bytes | None = None) -> Response:
    actor = asking_actor(request.caller, query.validated_data.get("actor"), what="search")
    page = search(photo=photo, actor=actor, now=timezone.now(), **query.asked)
    asked = {**query.asked, "photo": photo is not None}
    return Response(SearchPageCard(_kept(page, request, Slate.Surface.SEARCH, actor, asked)).data)


def _kept(page: AnyPage, request: Request, surface: str, actor: Actor | None, asked: dict) -> AnyPage:
    if not is_kept(request):
        return page
    return keep(page, surface=surface, actor=actor, asked=asked, now=timezone.now())
