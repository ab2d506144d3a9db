"""Admin pages of events, jobs, models and rules. Read-only, except where staff decide something."""

from django.contrib import admin, messages
from django.utils import timezone

from listings.admin.base import StaffAdmin, may_change
from listings.admin.catalogue import ActorAdmin, ListingAdmin
from listings.models import Actor, Listing
from recommendations.admin.access_log import AccessLogMixin
from recommendations.admin.boosts import BaseBoostAdmin, BaseBoostChangeAdmin
from recommendations.admin.categories import CategorySuggestionMixin
from recommendations.admin.copies import PhotoCopiesMixin, link_to, thumbnail_pair
from recommendations.admin.doubts import BaseDoubtAdmin
from recommendations.admin.experiments import BaseExperimentAdmin
from recommendations.admin.pages.actors import ActorPagesMixin
from recommendations.admin.pages.experiments import ExperimentPagesMixin
from recommendations.admin.pages.listings import ListingPagesMixin
from recommendations.admin.pages.models import ModelPagesMixin
from recommendations.admin.pages.slates import SlatePagesMixin
from recommendations.admin.slates import BaseSlateAdmin
from recommendations.encoders import training_state
from recommendations.indexing import embedding_jobs, wakeup
from recommendations.models.boosts import Boost, BoostChange, SynonymGroup
from recommendations.models.catalogue_changes import CatalogueChange
from recommendations.models.doubts import Doubt
from recommendations.models.embeddings import EmbeddingJob, ListingEmbedding, PhotoCopy, PhotoFeatures
from recommendations.models.events import Interaction, ParkedInteraction
from recommendations.models.experiments import Experiment
from recommendations.models.slates import Slate
from recommendations.models.trained_models import TrainedModel


class ReadOnlyAdmin(StaffAdmin):
    """Admin of rows that only the system writes."""

    show_full_result_count = False

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


admin.site.unregister([Actor, Listing])


@admin.register(Actor)
class RecommendedActorAdmin(ActorPagesMixin, ActorAdmin):
    """The catalogue's admin of actors, with their events, taste and feed."""


@admin.register(Listing)
class RecommendedListingAdmin(ListingPagesMixin, CategorySuggestionMixin, PhotoCopiesMixin, ListingAdmin):
    """The catalogue's admin of listings, with category suggestions, photo copies and an embedding action."""

    actions = (*ListingAdmin.actions, "embed_again")  # type: ignore[assignment]  # one more than there

    @admin.action(description="Embed again: photos and words are read anew")
    def embed_again(self, request, queryset):
        count = embedding_jobs.request_anew(list(queryset.values_list("pk", flat=True)))
        wakeup.notify()
        self.message_user(request, f"To be embedded again: {count}.", messages.SUCCESS)


@admin.register(Interaction)
class InteractionAdmin(AccessLogMixin, ReadOnlyAdmin):
    looks = "events"
    list_display = ("occurred_at", "actor", "kind", "listing", "source", "event_id")
    list_filter = ("kind", "occurred_at")
    list_select_related = ("actor", "listing")
    search_fields = ("actor__external_id", "listing__external_id", "event_id")


@admin.register(ParkedInteraction)
class ParkedInteractionAdmin(AccessLogMixin, ReadOnlyAdmin):
    looks = "events"
    list_display = ("occurred_at", "actor", "kind", "listing_external_id", "source", "event_id")
    list_filter = ("kind", "received_at")
    list_select_related = ("actor",)
    search_fields = ("actor__external_id", "listing_external_id", "event_id")


@admin.register(Slate)
class SlateAdmin(SlatePagesMixin, AccessLogMixin, BaseSlateAdmin, ReadOnlyAdmin):
    """Slates: the listings offered, with their reasons."""

    looks = "slates"


@admin.register(Boost)
class BoostAdmin(BaseBoostAdmin):
    """Boosts, which rank listings higher or lower for a time."""


@admin.register(SynonymGroup)
class SynonymGroupAdmin(StaffAdmin):
    """Synonyms of search words. Searches follow within a second or two."""

    list_display = ("words", "narrower", "is_active", "is_shipped")
    list_editable = ("is_active",)
    list_filter = ("is_active", "is_shipped")
    search_fields = ("words", "narrower")
    ordering = ("words",)


@admin.register(BoostChange)
class BoostChangeAdmin(BaseBoostChangeAdmin, ReadOnlyAdmin):
    """The history of boosts."""


@admin.register(Experiment)
class ExperimentAdmin(ExperimentPagesMixin, BaseExperimentAdmin):
    """Experiments with variants of feed parameters."""


@admin.register(Doubt)
class DoubtAdmin(BaseDoubtAdmin, ReadOnlyAdmin):
    """Actors whose events count less, and the reasons."""


@admin.register(EmbeddingJob)
class EmbeddingJobAdmin(ReadOnlyAdmin):
    list_display = ("listing", "attempts", "claimed_until", "failed_at", "last_error")
    list_filter = (("failed_at", admin.EmptyFieldListFilter),)
    list_select_related = ("listing",)
    actions = ("retry",)

    def has_retry_permission(self, request) -> bool:
        return may_change(request, EmbeddingJob)

    @admin.action(description="Try again what has failed", permissions=["retry"])
    def retry(self, request, queryset):
        failed = queryset.filter(failed_at__isnull=False)
        count = failed.update(attempts=0, claimed_until=None, failed_at=None)
        wakeup.notify()
        self.message_user(request, f"To be tried again: {count}.", messages.SUCCESS)


@admin.register(TrainedModel)
class TrainedModelAdmin(ModelPagesMixin, ReadOnlyAdmin):
    list_display = ("kind", "version", "status", "created_at", "trouble", "verdict", "measured")
    list_filter = ("kind", "status", ("problem", admin.EmptyFieldListFilter))
    readonly_fields = ("trouble", "created_at", "measured")
    exclude = ("metrics", "problem", "problem_at")

    def changelist_view(self, request, extra_context=None):
        if request.method == "GET":
            state = training_state.read_state()
            self.message_user(request, f"Encoder. {state.serving} {state.next}".strip())
        return super().changelist_view(request, extra_context)

    @admin.display(description="problem", ordering="problem_at")
    def trouble(self, model: TrainedModel) -> str:
        if not model.problem:
            return "—"
        since = timezone.localtime(model.problem_at)
        return f"⚠ {model.problem} Since {since:%Y-%m-%d %H:%M}; serving goes on without it."

    @admin.display(description="metrics")
    def measured(self, model: TrainedModel) -> str:
        return ", ".join(f"{name} {value}" for name, value in model.metrics.items()) or "—"


@admin.register(CatalogueChange)
class CatalogueChangeAdmin(ReadOnlyAdmin):
    list_display = ("seq", "op", "listing_id")
    list_filter = ("op",)


@admin.register(ListingEmbedding)
class ListingEmbeddingAdmin(ReadOnlyAdmin):
    list_display = ("listing", "encoder_version", "content_version")
    list_select_related = ("listing",)
    exclude = ("vector",)


@admin.register(PhotoFeatures)
class PhotoFeaturesAdmin(ReadOnlyAdmin):
    list_display = ("photo", "backbone")
    exclude = ("features",)


@admin.register(PhotoCopy)
class PhotoCopyAdmin(ReadOnlyAdmin):
    list_display = ("pictures", "first_in", "again_in", "other_seller", "hamming", "likeness")
    list_filter = ("other_seller",)
    list_select_related = ("photo__listing", "original__listing")
    list_per_page = 25
    ordering = ("-photo_id",)
    readonly_fields = ("pictures", "first_in", "again_in")

    @admin.display(description="first and again")
    def pictures(self, copy: PhotoCopy) -> str:
        return thumbnail_pair(copy)

    @admin.display(description="first in")
    def first_in(self, copy: PhotoCopy) -> str:
        return link_to(copy.original.listing)

    @admin.display(description="again in")
    def again_in(self, copy: PhotoCopy) -> str:
        return link_to(copy.photo.listing)
