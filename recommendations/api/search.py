"""Views of searches by words and photos: parse, call one function, reply."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from listings.api.views import LISTING_BYTES
from listings.callers import CallerRequest
from listings.models import Actor
from listings.photos.uploads import read_photo_of
from recommendations.api.search_serializers import (
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
from recommendations.api.slate_logging import AnyPage, log_page
from recommendations.api.tracking import logs_slate
from recommendations.core.acting_for import resolve_actor
from recommendations.encoders.categories import suggest_categories
from recommendations.models.slates import Slate
from recommendations.search.pipeline import search
from recommendations.similar.examples import recommend_by_examples

TAGS = ["search"]


class ClassifyApi(APIView):
    """Suggests categories for a photo, for words, or for both.

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
        auth=[{}],  # type: ignore[list-item]  # open to anyone; the stubs expect names of schemes
    )
    def post(self, request):
        query = ClassifyPhoto(data=request.data)
        query.is_valid(raise_exception=True)
        upload = query.validated_data.get("photo")
        photo = read_photo_of(request, upload) if upload else None
        return Response(SuggestedCard(suggest_categories(words=query.text, photo=photo)).data)


class SearchApi(APIView):
    """Finds listings by words, by a photo, or by both, within filters. Open to anyone.

    Prices and places in the words become filters (`understood`), and misspelt words are corrected
    (`mended`); both can be switched off. For callers with a profile, listings that match it rank a little
    higher.
    """

    permission_classes = [AllowAny]
    keeps_pages = True
    rate_limit = "photo search"
    parser_classes = [JSONParser, MultiPartParser]

    @extend_schema(parameters=[Search], responses=SearchPageCard, tags=TAGS)
    def get(self, request):
        query = Search(data=request.query_params)
        query.is_valid(raise_exception=True)
        return _search(request, query)

    @extend_schema(
        request={"application/json": SearchBody, "multipart/form-data": SearchUpload},
        responses=SearchPageCard,
        tags=TAGS,
    )
    def post(self, request):
        query = SearchUpload(data=request.data)
        query.is_valid(raise_exception=True)
        upload = query.validated_data.get("photo")
        return _search(request, query, read_photo_of(request, upload) if upload else None)


class RecommendApi(APIView):
    """Finds listings similar to positive examples and dissimilar to negative ones. Open to anyone."""

    permission_classes = [AllowAny]
    keeps_pages = True

    @extend_schema(request=Examples, responses=LikedPageCard, tags=TAGS)
    def post(self, request):
        query = Examples(data=request.data)
        query.is_valid(raise_exception=True)
        page = recommend_by_examples(filters=query.filters, **query.named)
        parameters = {**query.named, "filters": query.filters}
        page = _with_slate(page, request, Slate.Surface.RECOMMEND, request.caller.actor, parameters)
        return Response(LikedPageCard(page).data)


def _search(request: CallerRequest, query: Search, photo: bytes | None = None) -> Response:
    actor = resolve_actor(request.caller, query.validated_data.get("actor"), data_kind="search")
    page = search(photo=photo, actor=actor, now=timezone.now(), **query.asked)
    parameters = {**query.asked, "photo": photo is not None}
    page = _with_slate(page, request, Slate.Surface.SEARCH, actor, parameters)
    return Response(SearchPageCard(page).data)


def _with_slate(
    page: AnyPage, request: CallerRequest, surface: str, actor: Actor | None, parameters: dict
) -> AnyPage:
    """The page with the id of the slate that it is stored as, if it is stored."""
    if not logs_slate(request):
        return page
    return log_page(page, surface=surface, actor=actor, request_parameters=parameters, now=timezone.now())
