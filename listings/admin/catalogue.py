"""Admin pages of the catalogue. Every change goes through services, which send `listings_changed`."""

import functools
from collections.abc import Callable
from decimal import Decimal

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import display
from django.db import transaction
from django.http import HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from listings import announcing, photo_services, services
from listings.admin.base import StaffAdmin, may_change
from listings.admin.category_actions import move_categories
from listings.categories import tree
from listings.errors import DomainError
from listings.models import Actor, Category, Listing, Photo, PhotoSource, Place, Writer
from listings.photos import processing
from listings.photos.decoder_process import decode_apart


class ListingForm(forms.ModelForm):
    """A listing, with one photo to add."""

    add_photo = forms.FileField(required=False, help_text="A JPEG, PNG, WebP or AVIF file.")

    class Meta:
        model = Listing
        fields = (
            *("external_id", "seller", "title", "description", "price", "condition", "category", "place"),
            *("latitude", "longitude", "source_version"),
        )

    def clean_price(self) -> Decimal:
        price, maximum = self.cleaned_data["price"], settings.ENVIRONMENT.maximum_price
        if price > maximum:
            raise forms.ValidationError(f"A price is at most {maximum}.")
        return price or Decimal(0)  # for -0

    def clean_add_photo(self) -> processing.ReceivedPhoto | None:
        upload = self.cleaned_data["add_photo"]
        if not upload:
            return None
        try:
            data = upload.read()
            processing.check(data)
            return decode_apart(data)
        except DomainError as error:
            raise forms.ValidationError(error.detail) from None


class PlainRefusals(StaffAdmin):
    """Base of an admin that saves through services: a DomainError becomes a message."""

    def changeform_view(self, request, *arguments, **options):
        try:
            return super().changeform_view(request, *arguments, **options)
        except DomainError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())


def _by_staff(verb: Callable[..., Listing]) -> Callable[..., Listing]:
    return functools.partial(verb, by=Writer.STAFF)


def _action_on_each(verb: Callable[..., Listing], done: str):
    """An admin action that calls a service with each chosen listing and reports the refusals."""

    def action(modeladmin, request, queryset):
        count = 0
        for listing in queryset:
            try:
                verb(listing=listing)
                count += 1
            except DomainError as error:
                modeladmin.message_user(request, f"Left alone: {error.detail}", messages.WARNING)
        if count:
            modeladmin.message_user(request, f"{done.capitalize()}: {count}.", messages.SUCCESS)

    return action


@admin.register(Listing)
class ListingAdmin(PlainRefusals):
    form = ListingForm
    list_display = ("thumbnail", "title", "price", "status", "category", "seller", "place", "created_at")
    list_display_links = ("thumbnail", "title")
    list_filter = ("status", "condition", ("category__root", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("category", "seller", "place")
    list_per_page = 50
    search_fields = ("title", "description", "external_id", "seller__external_id")
    autocomplete_fields = ("seller", "category", "place")
    readonly_fields = (
        "status",
        "withdrawn_by",
        "pictures",
        "buyer",
        "sold_at",
        "content_version",
        "created_at",
        "updated_at",
    )
    show_full_result_count = False
    actions = ("mark_sold", "reserve", "release", "publish", "withdraw")

    mark_sold = admin.action(description="Mark as sold")(
        _action_on_each(
            lambda listing: services.mark_sold(listing=listing, buyer=None, now=timezone.now()), "sold"
        )
    )
    reserve = admin.action(description="Reserve")(_action_on_each(_by_staff(services.reserve), "reserved"))
    release = admin.action(description="Release: show again")(
        _action_on_each(_by_staff(services.release), "shown again")
    )
    publish = admin.action(description="Publish")(_action_on_each(_by_staff(services.publish), "published"))
    withdraw = admin.action(description="Withdraw")(
        _action_on_each(_by_staff(services.withdraw), "withdrawn")
    )

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("photos")

    def has_delete_permission(self, request, obj=None) -> bool:
        """False: a listing is withdrawn, never deleted, because events refer to it."""
        return False

    @display(description="")
    def thumbnail(self, listing: Listing) -> str:
        first = next(iter(listing.photos.all()), None)
        return _image(first, 64) if first else "—"

    @display(description="Photos")
    def pictures(self, listing: Listing) -> str:
        images = ((_image(photo, 200),) for photo in listing.photos.all())
        return format_html_join(" ", "{}", images) or "No photos yet."

    @transaction.atomic
    def save_model(self, request, obj: Listing, form: ListingForm, change: bool) -> None:
        content = {name: form.cleaned_data[name] for name in services.EDITABLE if name in form.cleaned_data}
        with announcing.catalogue_transaction():
            if change:
                services.edit_listing(listing=obj, by=Writer.STAFF, **content)
            else:
                obj.pk = self._create(form, content).pk
            if received := form.cleaned_data.get("add_photo"):
                photo_services.add_photo(listing=obj, received=received, by=Writer.STAFF)
        obj.refresh_from_db()

    def _create(self, form: ListingForm, content: dict) -> Listing:
        return services.create_listing(
            seller=form.cleaned_data["seller"],
            external_id=form.cleaned_data["external_id"],
            now=timezone.now(),
            **content,
        )

    def get_readonly_fields(self, request, obj=None):
        """Fields that a new listing does not have yet are shown only for an existing one."""
        return ("external_id", "seller", *self.readonly_fields) if obj else ()


def _image(photo: Photo, height: int) -> str:
    return format_html(
        '<img src="{}" alt="" loading="lazy" style="height:{}px;border-radius:4px">',
        processing.url_of(photo.file_name, processing.Size.THUMBNAIL),
        height,
    )


@admin.register(PhotoSource)
class PhotoSourceAdmin(StaffAdmin):
    """Photos that services submitted as URLs."""

    list_display = ("external_id", "listing", "url", "attempts", "try_after", "fetched_at", "last_error")
    list_filter = (("failed_at", admin.EmptyFieldListFilter), ("fetched_at", admin.EmptyFieldListFilter))
    list_select_related = ("listing",)
    search_fields = ("external_id", "listing__external_id", "url")
    show_full_result_count = False
    actions = ("retry",)

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_retry_permission(self, request) -> bool:
        return may_change(request, PhotoSource)

    @admin.action(description="Try again what has failed", permissions=["retry"])
    def retry(self, request, queryset):
        failed = queryset.filter(failed_at__isnull=False)
        count = failed.update(attempts=0, try_after=timezone.now(), failed_at=None, fetched_at=None)
        self.message_user(request, f"To be fetched again: {count}.", messages.SUCCESS)


@admin.register(Actor)
class ActorAdmin(StaffAdmin):
    list_display = ("external_id", "kind", "user", "merged_into", "created_at")
    list_filter = ("kind",)
    list_select_related = ("user", "merged_into")
    search_fields = ("external_id", "user__username")
    ordering = ("-pk",)
    autocomplete_fields = ("user", "merged_into")
    show_full_result_count = False

    def get_readonly_fields(self, request, obj=None):
        """The id is the marketplace's: its events, and its next requests, name the actor by it."""
        return ("external_id",) if obj else ()


@admin.register(Category)
class CategoryAdmin(PlainRefusals):
    list_display = ("path", "root")
    list_filter = (("root", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("root",)
    search_fields = ("path",)
    fields = ("path",)
    actions = (move_categories,)

    def save_model(self, request, obj: Category, form, change: bool) -> None:
        """Create the category with its parents. Renaming is an action, which moves those below too."""
        obj.pk = tree.ensure_category(obj.path).pk

    def get_readonly_fields(self, request, obj=None):
        return ("path",) if obj else ()


@admin.register(Place)
class PlaceAdmin(StaffAdmin):
    list_display = ("name", "county", "country", "population", "latitude", "longitude")
    list_filter = ("country",)
    search_fields = ("name", "county")
    ordering = ("name", "county", "pk")
    show_full_result_count = False
