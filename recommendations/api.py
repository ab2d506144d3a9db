"""Events in, recommendations out: parse, one verb, reply."""

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
from recommendations.feed import build_feed, next_page
from recommendations.interactions import Event, EventResult, Outcome, record
from recommendations.models import Slate
from recommendations.offers import keep
from recommendations.on_behalf import asking_actor
from recommendations.serializers import (
    EventBatch,
    EventBody,
    EventReply,
    FeedQuery,
    PageCard,
    SimilarQuery,
)
from recommendations.similar import By, find_similar
from recommendations.tracking import is_kept, is_noted

TAGS = ["recommendations"]
EVENT_BYTES = 2_000_000  # 500 events


class ReadsOrSendsEvents(BasePermission):
    """Anyone reads; to send events needs the events scope, which visitors have too."""

    message = "This needs a credential that may send events."

    def has_permission(self, request, view) -> bool:
        return request.method in READ_METHODS or "events" in request.caller.scopes


class RecommendationApi(APIView):
    permission_classes = [ReadsOrSendsEvents]


class FeedApi(RecommendationApi):
    """The personalised feed; without anything known of the caller, what is trending and new."""

    keeps_pages = True

    @extend_schema(parameters=[FeedQuery], responses=PageCard, tags=TAGS)
    def get(self, request):
        query = FeedQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = {
            "actor": asking_actor(request.caller, query.validated_data.get("actor"), what="feed"),
            "limit": query.validated_data["limit"],
            "now": timezone.now(),
        }
        filters = query.filters  # that contradict each other are refused beside a cursor, too
        if "cursor" in query.validated_data:
            page = next_page(cursor=query.validated_data["cursor"], is_kept=is_noted(request), **asked)
        else:
            page = build_feed(filters=filters, is_kept=is_kept(request), **asked)
        return Response(PageCard(page).data)


class SimilarApi(RecommendationApi):
    """Listings like this one."""

    keeps_pages = True

    @extend_schema(parameters=[SimilarQuery], responses=PageCard, tags=TAGS)
    def get(self, request, listing_id: str):
        query = SimilarQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        page = find_similar(
            listing=queries.once_public(listing_id),
            by=By(query.validated_data["by"]),
            filters=query.filters,
            limit=query.validated_data["limit"],
        )
        if is_kept(request):
            asked = {"listing": listing_id, "by": query.validated_data["by"], "filters": query.filters}
            kind, actor = Slate.Surface.SIMILAR, request.caller.actor
            page = keep(page, surface=kind, actor=actor, asked=asked, now=timezone.now())
        return Response(PageCard(page).data)


class InteractionsApi(RecommendationApi):
    """Takes one event, or `{"events": [...]}` with up to 500; replies with a result for each."""

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
        good = [body.validated_data for body in bodies if body.is_valid()]
        acting = _Acting(request.caller, {event["actor"] for event in good if "actor" in event})
        judged = [_event(body, acting) for body in bodies]
        events = [event for event in judged if isinstance(event, Event)]
        recorded = iter(record(source=request.caller.source, events=events, now=timezone.now()))
        results = [next(recorded) if isinstance(event, Event) else event for event in judged]
        return Response(EventReply({"results": results}).data)


class _Acting:
    """Who did it: the caller, or for a service the actors that good events name, looked up at once."""

    def __init__(self, caller: Caller, named: set[str]):
        self.caller = caller
        self.actors = ensure_actors(named) if caller.is_service else {}

    def actor(self, named: str | None) -> Actor:
        """Raises Forbidden when a person names somebody else, or a service nobody."""
        if named is None:
            return self.caller.acting()
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


def _event(body: EventBody, acting: _Acting) -> Event | EventResult:
    """The event, or why not. Who did it is looked up last: a refused event makes no actor."""
    event_id = str(body.initial_data.get("event_id", ""))
    if not body.is_valid():
        return EventResult(event_id, Outcome.REJECTED, body.refusal)
    content = dict(body.validated_data)
    try:
        return Event(actor=acting.actor(content.pop("actor", None)), **content)
    except Forbidden as error:
        return EventResult(event_id, Outcome.REJECTED, error.detail)
