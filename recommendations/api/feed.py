"""Views of the feed, of similar listings and of events: parse, call one function, reply."""

from django.utils import timezone
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.response import Response
from rest_framework.views import APIView

from listings import queries
from listings.callers import READ_METHODS, Caller
from listings.errors import Forbidden, Invalid
from listings.models import Actor
from listings.services import ensure_actors
from recommendations.api.serializers import FeedQuery, PageCard, SimilarQuery
from recommendations.api.slate_logging import log_page
from recommendations.api.tracking import logs_impressions, logs_slate
from recommendations.core.acting_for import resolve_actor
from recommendations.feed.pipeline import build_feed, next_page
from recommendations.interactions.recording import Event, EventResult, RecordOutcome, record
from recommendations.interactions.serializers import EventBatch, EventBody, EventReply
from recommendations.models.slates import Slate
from recommendations.similar.listings import SimilarityBasis, find_similar

TAGS = ["recommendations"]
EVENT_BYTES = 2_000_000  # 500 events


class ReadsOrSendsEvents(BasePermission):
    """Anybody may read. Sending events needs the events scope, which visitors have too."""

    message = "This needs a credential that may send events."

    def has_permission(self, request, view) -> bool:
        return request.method in READ_METHODS or "events" in request.caller.scopes


class RecommendationApi(APIView):
    permission_classes = [ReadsOrSendsEvents]


class FeedApi(RecommendationApi):
    """The personalised feed. Callers without events get trending and new listings."""

    keeps_pages = True

    @extend_schema(parameters=[FeedQuery], responses=PageCard, tags=TAGS)
    def get(self, request):
        query = FeedQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        options = {
            "actor": resolve_actor(request.caller, query.validated_data.get("actor"), data_kind="feed"),
            "limit": query.validated_data["limit"],
            "now": timezone.now(),
        }
        filters = query.filters  # evaluated beside a cursor too, so that contradictory filters are refused
        if "cursor" in query.validated_data:
            page = next_page(
                cursor=query.validated_data["cursor"], is_kept=logs_impressions(request), **options
            )
        else:
            page = build_feed(filters=filters, is_kept=logs_slate(request), **options)
        return Response(PageCard(page).data)


class SimilarApi(RecommendationApi):
    """Listings similar to this one."""

    keeps_pages = True

    @extend_schema(parameters=[SimilarQuery], responses=PageCard, tags=TAGS)
    def get(self, request, listing_id: str):
        query = SimilarQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        page = find_similar(
            listing=queries.public_listing(listing_id),
            by=SimilarityBasis(query.validated_data["by"]),
            filters=query.filters,
            limit=query.validated_data["limit"],
        )
        if logs_slate(request):
            parameters = {"listing": listing_id, "by": query.validated_data["by"], "filters": query.filters}
            surface, actor = Slate.Surface.SIMILAR, request.caller.actor
            page = log_page(
                page, surface=surface, actor=actor, request_parameters=parameters, now=timezone.now()
            )
        return Response(PageCard(page).data)


class InteractionsApi(RecommendationApi):
    """Takes one event, or `{"events": [...]}` with up to 500. Replies with a result for each."""

    rate_limit = "events"
    body_limit = EVENT_BYTES

    @extend_schema(
        request=PolymorphicProxySerializer(
            "OneEventOrMany", serializers=[EventBody, EventBatch], resource_type_field_name=None
        ),
        responses=EventReply,
        tags=TAGS,
    )
    def post(self, request):
        bodies = [EventBody(data=body) for body in _bodies(request.data)]
        valid = [body.validated_data for body in bodies if body.is_valid()]
        actors = _EventActors(request.caller, {event["actor"] for event in valid if "actor" in event})
        parsed = [_event(body, actors) for body in bodies]
        events = [event for event in parsed if isinstance(event, Event)]
        recorded = iter(record(source=request.caller.source, events=events, now=timezone.now()))
        results = [next(recorded) if isinstance(event, Event) else event for event in parsed]
        return Response(EventReply({"results": results}).data)


class _EventActors:
    """Actors of a batch: the caller, or for a service the actors that valid events name, in one query."""

    def __init__(self, caller: Caller, named: set[str]):
        self.caller = caller
        self.actors = ensure_actors(named) if caller.is_service else {}

    def actor(self, named: str | None) -> Actor:
        """Raises Forbidden if a person names another actor, or a service names none."""
        if named is None:
            return self.caller.require_actor()
        if not self.caller.is_service:
            raise Forbidden("Only a service sends events of somebody else.", field="actor")
        return self.actors[named]


def _bodies(data: object) -> list[object]:
    if not isinstance(data, dict) or not data:
        raise Invalid("Send one event, or an object with a list of 'events'.")
    if "events" not in data:
        return [data]
    batch = EventBatch(data=data)
    batch.is_valid(raise_exception=True)
    return batch.validated_data["events"]


def _event(body: EventBody, actors: _EventActors) -> Event | EventResult:
    """The event, or its rejection. The actor is looked up last, so that a rejected event creates none."""
    event_id = str(body.initial_data.get("event_id", ""))
    if not body.is_valid():
        return EventResult(event_id, RecordOutcome.REJECTED, body.refusal)
    content = dict(body.validated_data)
    try:
        is_doubtful = content["listing"] in actors.caller.doubted_listings
        return Event(actor=actors.actor(content.pop("actor", None)), is_doubtful=is_doubtful, **content)
    except Forbidden as error:
        return EventResult(event_id, RecordOutcome.REJECTED, error.detail)
