"""Texts that name a person or what they sold, in rows that are about others or about nobody.

The admin's log keeps what a row was called after the row is gone, so that it is searched by what it says.
"""

import re
from dataclasses import dataclass

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import models
from django.db.models import CharField, Q, QuerySet
from django.db.models.functions import Cast

from listings.models import Actor, Listing, new_external_id
from recommendations.models import Boost, BoostChange, Interaction, ParkedInteraction, Slate

# Columns that hold the name by which staff log in: they outlive the account.
SIGNED = (
    "marketplace.StaffAccess.by",
    "recommendations.BoostChange.by",
    "recommendations.Boost.created_by",
    "recommendations.Doubt.decided_by",
)
_LONGEST = LogEntry._meta.get_field("object_repr").max_length
# How rows are called that name an actor or an account: boosts and their changes, staff accesses, tokens and
# doubts.
_NAMING = [
    re.compile(form, re.DOTALL)
    for form in (
        r"(.*)",
        r"\S+ × seller (.*)",
        r"boost \d+ \w+ by (.*)",
        r"(.*): \S+ of .*",
        r".*: \S+ of (.*)",
        r"\S+ of (.*)",
    )
]


@dataclass(frozen=True)
class Names:
    """What a person and what they sell are called."""

    actors: list[Actor]
    users: list[models.Model]
    listings: list[Listing]

    @property
    def of_actors(self) -> list[str]:
        return [actor.external_id for actor in self.actors]

    @property
    def of_users(self) -> list[str]:
        return [user.get_username() for user in self.users]

    @property
    def of_listings(self) -> list[str]:
        return [listing.external_id for listing in self.listings]


def forget_names(names: Names) -> None:
    """In the history of boosts, the admin's log, what others asked about, open sessions, and what they signed
    or vouched for when they were staff. To be called while their rows are there."""
    _forget_in_log(names)
    _changes_of_boosts(names).delete()
    _forget_in_slates(names.of_listings)
    _end_sessions(names.users)
    _forget_signatures(names)


def forget_in_log(rows: QuerySet) -> None:
    """The admin's log names what it is about."""
    about = ContentType.objects.get_for_model(rows.model)
    keys = rows.order_by().annotate(key=Cast("pk", CharField())).values("key")
    LogEntry.objects.filter(content_type=about, object_id__in=keys).delete()


def _changes_of_boosts(names: Names) -> QuerySet[BoostChange]:
    about = Q()
    for state in ("before", "after"):
        about |= Q(**{f"{state}__seller__in": names.of_actors})
        about |= Q(**{f"{state}__listing__in": names.of_listings})
    return BoostChange.objects.filter(about)


def _forget_in_log(names: Names) -> None:
    for model, found in (
        (Actor, names.actors),
        (Listing, names.listings),
        (get_user_model(), names.users),
    ):
        forget_in_log(model._base_manager.filter(pk__in=[row.pk for row in found]))
    # Of boosts that are gone, too; they may have been called by what a listing was called then.
    boosts = _changes_of_boosts(names).order_by().annotate(key=Cast("boost_id", CharField())).values("key")
    about = ContentType.objects.get_for_model(Boost)
    LogEntry.objects.filter(content_type=about, object_id__in=boosts).delete()
    accounts = ContentType.objects.get_for_model(get_user_model())
    _forget_entries(LogEntry.objects.filter(content_type=accounts), {*names.of_users})
    _forget_entries(LogEntry.objects.exclude(content_type=accounts), {*names.of_actors, *names.of_users})


def _forget_entries(entries: QuerySet[LogEntry], called: set[str]) -> None:
    """Those that name one of these. Titles are not asked for: anybody may call a listing what they like."""
    told = entries.order_by().values_list("pk", "object_repr").iterator()
    LogEntry.objects.filter(pk__in=[pk for pk, text in told if _tells_of(text, called)]).delete()


def _tells_of(told: str, called: set[str]) -> bool:
    found = {match[1] for form in _NAMING if (match := form.fullmatch(told))} - {""}
    was_cut_off = len(told) == _LONGEST
    return not called.isdisjoint(found) or (
        was_cut_off and any(name.startswith(part) for name in called for part in found)
    )


def _forget_in_slates(sold: list[str]) -> None:
    """What somebody wanted the like of. Slates are others' own; they stay."""
    if not sold:
        return
    asked = Q(parameters__listing__in=sold)
    for name in ("positive", "negative"):
        asked |= Q(**{f"parameters__{name}__has_any_keys": sold})
    gone = set(sold)
    for pk, said in Slate.objects.filter(asked).values_list("pk", "parameters").iterator():
        left = {name: _without(value, gone) for name, value in said.items()}
        Slate.objects.filter(pk=pk).update(parameters=left)


def _without(value: object, gone: set[str]) -> object:
    if isinstance(value, list):
        return [each for each in value if not (isinstance(each, str) and each in gone)]
    return None if isinstance(value, str) and value in gone else value


def _end_sessions(users: list[models.Model]) -> None:
    own = {str(user.pk) for user in users}
    for session in Session.objects.iterator() if own else ():
        if session.get_decoded().get(SESSION_KEY) in own:
            session.delete()


def _forget_signatures(names: Names) -> None:
    """What they did as staff was done by somebody who is gone."""
    nobody = f"erased-{new_external_id()}"
    for place in SIGNED:
        label, _, field = place.rpartition(".")
        rows = apps.get_model(label)._base_manager
        rows.filter(**{f"{field}__in": names.of_users}).update(**{field: nobody})
    vouched = [f"actor:{name}" for name in names.of_actors]
    for model in (Interaction, ParkedInteraction):
        model.objects.filter(source__in=vouched).update(source=f"actor:{nobody}")
