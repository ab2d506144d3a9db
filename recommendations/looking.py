"""What staff look at in the admin is noted, as it is where they ask in somebody's name."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse

from listings.models import Actor
from recommendations.identity import member_of
from recommendations.on_behalf import asked_by_staff


class NotesLooks(admin.ModelAdmin):
    """For rows that have an `actor`: whose page is opened, and who is searched or filtered for.

    looks: what is looked at. Noted before anything is shown, as by asking_actor.
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
        shown: dict[str, Any] = getattr(response, "context_data", None) or {}
        if "cl" in shown:
            self._note(request, looked_for(shown["cl"]))
        return response

    def _note(self, request: HttpRequest, actors: set[Actor | None]) -> None:
        whose = {member_of(actor) for actor in actors if actor is not None}
        for actor in sorted(whose, key=lambda actor: actor.pk):
            if actor.user_id != request.user.pk:
                by = request.user.get_username()
                asked_by_staff.send(sender=None, by=by, actor=actor, what=self.looks)


def looked_for(shown: ChangeList) -> set[Actor | None]:
    """The actors on this page of a list that the filter or the words of the search name."""
    actors = {row.actor for row in shown.result_list}
    if any(lookup.partition("__")[0] == "actor" for lookup in shown.params):
        return actors
    words = [word.strip("\"'").casefold() for word in shown.query.split()]
    return {
        actor
        for actor in actors
        if actor is not None and any(word in actor.external_id.casefold() for word in words)
    }
