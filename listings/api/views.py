"""REST views of the catalogue. Each parses the request, calls one service and serialises the result."""

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.generics import ListAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import BasePermission
from rest_framework.response import Response
from rest_framework.views import APIView

from listings import photo_services, queries, services
from listings.announcing import catalogue_transaction
from listings.api.filters import ListingFilter
from listings.api.pagination import ListingPages
from listings.api.serializers import (
    Batch,
    BatchReply,
    BatchRow,
    ListingCard,
    ListingEdit,
    NewListing,
    PhotoCard,
    PhotoUpload,
    Sale,
)
from listings.api.strict import refuse_unknown_parameters
from listings.batches.listings import RowResult, UpsertOutcome, upsert_batch
from listings.callers import READ_METHODS, Caller, CallerRequest
from listings.categories import tree
from listings.errors import Forbidden, Invalid
from listings.models import Actor, Category, Listing
from listings.photos import processing
from listings.photos.decoder_process import decode_apart
from listings.places import places_written

CATALOGUE = "catalogue"
BATCH_BYTES = 12_000_000  # 500 listings
LISTING_BYTES = 300_000  # 20,000 characters of description, each escaped as in \ud83d\udecb


class ReadsOrWritesCatalogue(BasePermission):
    """Anyone may read. Writing needs a credential with the catalogue scope."""

    message = "This needs a credential that may write to the catalogue."

    def has_permission(self, request, view) -> bool:
        return request.method in READ_METHODS or "catalogue" in request.caller.scopes


class CatalogueApi(APIView):
    request: CallerRequest
    permission_classes = [ReadsOrWritesCatalogue]
    rate_limit = "listing writes"
    query_parameters: tuple[str, ...] = ()  # of GET; any other is refused

    def initial(self, request, *arguments, **options):
        super().initial(request, *arguments, **options)
        if request.method == "GET":
            refuse_unknown_parameters(request, self.query_parameters)

    def changeable(self, external_id: str) -> Listing:
        """The listing, for a caller who may change it. Raises NoSuchListing, Forbidden."""
        listing = queries.for_caller(self.request.caller, external_id)
        if not self.request.caller.may_change(listing):
            raise Forbidden("Only its owner, staff or a service may change a listing.")
        return listing


@extend_schema_view(get=extend_schema(tags=[CATALOGUE]))
class ListingsApi(CatalogueApi, ListAPIView):
    """What is for sale: newest first, or by price."""

    body_limit = LISTING_BYTES
    serializer_class = ListingCard
    pagination_class = ListingPages
    filter_backends = [DjangoFilterBackend]
    filterset_class = ListingFilter
    query_parameters = (*ListingFilter.base_filters, "limit", "cursor")

    def get_queryset(self):
        return queries.visible()

    @extend_schema(request=NewListing, responses={201: ListingCard}, tags=[CATALOGUE])
    def post(self, request):
        new = NewListing(data=request.data)
        new.is_valid(raise_exception=True)
        content = dict(new.validated_data)
        _refuse_naming(request.caller.adds_for_others, content, "id", "source_version")
        listing = services.create_listing(
            seller=_seller(request.caller, content.pop("seller", None)),
            external_id=content.pop("id", None),
            category=_category(request.caller, content.pop("category")),
            now=timezone.now(),
            **content,
        )
        return Response(ListingCard(listing).data, status=201)


class ListingApi(CatalogueApi):
    """One listing."""

    body_limit = LISTING_BYTES

    @extend_schema(responses=ListingCard, tags=[CATALOGUE])
    def get(self, request, listing_id: str):
        return Response(ListingCard(queries.for_caller(request.caller, listing_id)).data)

    @extend_schema(request=ListingEdit(partial=True), responses=ListingCard, tags=[CATALOGUE])
    def patch(self, request, listing_id: str):
        listing = self.changeable(listing_id)
        edit = ListingEdit(data=request.data, partial=True)
        edit.is_valid(raise_exception=True)
        content = dict(edit.validated_data)
        _refuse_naming(request.caller.acts_for_others, content, "seller", "source_version")
        if "category" in content:
            content["category"] = _category(request.caller, content["category"])
        seller_id = content.pop("seller", None)
        with catalogue_transaction():
            listing = services.edit_listing(listing=listing, by=request.caller.writer, **content)
            if seller_id is not None:
                listing = services.move_to_seller(listing=listing, seller=_actor(seller_id))
        return Response(ListingCard(listing).data)

    @extend_schema(responses={204: None}, tags=[CATALOGUE])
    def delete(self, request, listing_id: str):
        """Withdraws it; its row stays."""
        services.withdraw(listing=self.changeable(listing_id), by=request.caller.writer)
        return Response(status=204)


class StatusApi(CatalogueApi):
    """Moves a listing from one status to another."""

    verb = staticmethod(services.publish)

    @extend_schema(request=None, responses=ListingCard, tags=[CATALOGUE])
    def post(self, request, listing_id: str):
        changed = type(self).verb(listing=self.changeable(listing_id), by=request.caller.writer)
        return Response(ListingCard(changed).data)


class PublishApi(StatusApi):
    """Puts a draft or a withdrawn listing on the market."""


class ReserveApi(StatusApi):
    """Holds it for somebody; it is not shown meanwhile."""

    verb = staticmethod(services.reserve)


class ReleaseApi(StatusApi):
    """Shows a reserved listing again."""

    verb = staticmethod(services.release)


class WithdrawApi(StatusApi):
    """Takes an unsold listing off the market."""

    verb = staticmethod(services.withdraw)


class SoldApi(CatalogueApi):
    """Takes a listing off the market for good."""

    @extend_schema(request=Sale, responses=ListingCard, tags=[CATALOGUE])
    def post(self, request, listing_id: str):
        sale = Sale(data=request.data)
        sale.is_valid(raise_exception=True)
        listing = self.changeable(listing_id)
        buyer_id = sale.validated_data.get("buyer")
        buyer = _buyer(request.caller, buyer_id) if buyer_id else None
        sold = services.mark_sold(listing=listing, buyer=buyer, now=timezone.now())
        return Response(ListingCard(sold).data)


class PhotosApi(CatalogueApi):
    """Adds a photo."""

    parser_classes = [MultiPartParser]
    rate_limit = "upload"

    @extend_schema(request={"multipart/form-data": PhotoUpload}, responses={201: PhotoCard}, tags=[CATALOGUE])
    def post(self, request, listing_id: str):
        listing = self.changeable(listing_id)
        upload = request.FILES.get("photo")
        if upload is None:
            raise Invalid("Send the photo as multipart field 'photo'.", field="photo")
        received = received_photo(request, upload)
        photo = photo_services.add_photo(listing=listing, received=received, by=request.caller.writer)
        return Response(PhotoCard(photo).data, status=201)


class PhotoApi(CatalogueApi):
    """One photo of a listing."""

    @extend_schema(responses={204: None}, tags=[CATALOGUE])
    def delete(self, request, listing_id: str, photo_id: str):
        listing = self.changeable(listing_id)
        photo = listing.photos.filter(external_id=photo_id).first()
        if photo is None:
            raise queries.NoSuchPhoto(photo_id)
        photo_services.remove_photo(photo=photo)
        return Response(status=204)


class BatchApi(CatalogueApi):
    """Creates or updates up to 500 listings by external id. For services and staff."""

    body_limit = BATCH_BYTES

    @extend_schema(request=Batch, responses=BatchReply, tags=[CATALOGUE])
    def put(self, request):
        if not (request.caller.acts_for_others and request.caller.adds_for_others):
            raise Forbidden("Only a service or staff may write batches.")
        batch = Batch(data=request.data)
        batch.is_valid(raise_exception=True)
        bodies = batch.validated_data["listings"]
        places = places_written(str(body["place"]).strip() for body in bodies if body.get("place"))
        rows = [BatchRow(data=body, context={"places": places}) for body in bodies]
        good = [row.to_row() for row in rows if row.is_valid()]
        applied = iter(
            upsert_batch(rows=good, now=timezone.now(), by=request.caller.writer, is_moving_sellers=True)
        )
        results = [next(applied) if row.is_valid() else _rejected(row) for row in rows]
        return Response(BatchReply({"results": results}).data)


def received_photo(request: CallerRequest, upload: UploadedFile) -> processing.ReceivedPhoto:
    """The verified photo. At most one byte beyond the limit is read, which is enough to refuse the file."""
    data = upload.read(settings.ENVIRONMENT.photo_maximum_bytes + 1)
    header = processing.check(data)
    if header.weight > 1:
        request.charge(header.weight - 1)
    return decode_apart(data)


def _rejected(row: BatchRow) -> RowResult:
    return RowResult(str(row.initial_data.get("external_id", "")), UpsertOutcome.REJECTED, row.refusal)


def _refuse_naming(is_allowed: bool, content: dict[str, object], *fields: str) -> None:
    """Raise Forbidden when somebody sends one of these who may not. The marketplace itself decides them.

    A person who chose ids or versions would keep the marketplace's own writes out.
    """
    for field in fields:
        if content.get(field) is not None and not is_allowed:
            raise Forbidden(f"Only a service or staff may set {field}.", field=field)


def _seller(caller: Caller, external_id: str | None) -> Actor:
    if external_id is None:
        return caller.require_actor()
    if not caller.adds_for_others:
        raise Forbidden("Only a service or staff may publish for somebody else.", field="seller")
    return _actor(external_id)


def _buyer(caller: Caller, external_id: str) -> Actor:
    """The buyer. For services and staff the actor is created when new; for anyone else it must exist."""
    if caller.acts_for_others:
        return _actor(external_id)
    buyer = Actor.objects.filter(external_id=external_id).first()
    if buyer is None:
        raise Invalid(f"There is no actor {external_id!r}.", field="buyer")
    return buyer


def _actor(external_id: str) -> Actor:
    return Actor.objects.get_or_create(external_id=external_id)[0]


def _category(caller: Caller, path: str) -> Category:
    """The category. Only services may create one by naming it: a person's typing mistake must not."""
    return tree.ensure_category(path) if caller.is_service else tree.find_category(path)
