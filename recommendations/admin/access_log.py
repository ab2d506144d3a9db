"""Access log of the admin: opening or searching a person's rows is recorded."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse

from listings.models import Actor
from recommendations.core.acting_for import accessed_by_staff
from recommendations.core.identity import member_of


class AccessLogMixin(admin.ModelAdmin):
    """Records access to rows with an `actor`: to the page of a row, and to a list that selects an actor.

    looks: the kind of data, as the record names it. The record is written before the response is sent, as in
    acting_for.resolve_actor.
    """

    looks: str

    def change_view(self, request: HttpRequest, object_id: str, *arguments, **options) -> HttpResponse:
        response = super().change_view(request, object_id, *arguments, **options)
        row = self.get_object(request, unquote(object_id))
        if row is not None:
            self._note(request, {row.actor})
        return response

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        context: dict[str, Any] = getattr(response, "context_data", None) or {}
        if "cl" in context:
            self._note(request, selected_actors(context["cl"]))
        return response

    def _note(self, request: HttpRequest, actors: set[Actor | None]) -> None:
        members = {member_of(actor) for actor in actors if actor is not None}
        for actor in sorted(members, key=lambda actor: actor.pk):
            if actor.user_id != request.user.pk:
                by = request.user.get_username()
                accessed_by_staff.send(sender=None, by=by, actor=actor, what=self.looks)


def selected_actors(change_list: ChangeList) -> set[Actor | None]:
    """The actors on this page of a list that a filter selects or the search words match."""
    actors = {row.actor for row in change_list.result_list}
    if any(lookup.partition("__")[0] == "actor" for lookup in change_list.params):
        return actors
    words = [word.strip("\"'").casefold() for word in change_list.query.split()]
    return {
        actor
        for actor in actors
        if actor is not None and any(word in actor.external_id.casefold() for word in words)
    }
