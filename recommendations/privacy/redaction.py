"""Redaction of names of a person and of their listings in rows about others: logs, histories and slates.

The admin's log keeps the name of a row after the row is deleted, so its entries are searched by their text.
"""

import re
from dataclasses import dataclass

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db.models import CharField, Q, QuerySet
from django.db.models.functions import Cast

from listings.models import Actor, Listing, new_external_id
from recommendations.models.boosts import Boost, BoostChange
from recommendations.models.events import Interaction, ParkedInteraction
from recommendations.models.slates import Slate

# Columns with the login name of staff, which outlive the account.
STAFF_NAME_COLUMNS = (
    "marketplace.StaffAccess.by",
    "recommendations.BoostChange.by",
    "recommendations.Boost.created_by",
    "recommendations.Doubt.decided_by",
)
_LONGEST = LogEntry._meta.get_field("object_repr").max_length
# Forms of the names of rows that contain an actor or an account: boosts and their changes, staff accesses,
# tokens and doubts.
_NAME_FORMS = [
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
class PersonNames:
    """The names of a person's actors, accounts and listings."""

    actors: list[Actor]
    users: list[User]
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


def redact_names(names: PersonNames) -> None:
    """Remove the names from the history of boosts, the admin's log, slates, sessions and signatures of staff.

    Call it before the rows of the person are deleted.
    """
    _forget_in_log(names)
    _changes_of_boosts(names).delete()
    _forget_in_slates(names.of_listings)
    _end_sessions(names.users)
    _forget_signatures(names)


def delete_log_entries(rows: QuerySet) -> None:
    """Delete the admin's log entries about these rows."""
    about = ContentType.objects.get_for_model(rows.model)
    keys = rows.order_by().annotate(key=Cast("pk", CharField())).values("key")
    LogEntry.objects.filter(content_type=about, object_id__in=keys).delete()


def _changes_of_boosts(names: PersonNames) -> QuerySet[BoostChange]:
    condition = Q()
    for state in ("before", "after"):
        condition |= Q(**{f"{state}__seller__in": names.of_actors})
        condition |= Q(**{f"{state}__listing__in": names.of_listings})
    return BoostChange.objects.filter(condition)


def _forget_in_log(names: PersonNames) -> None:
    for model, rows in (
        (Actor, names.actors),
        (Listing, names.listings),
        (get_user_model(), names.users),
    ):
        delete_log_entries(model._base_manager.filter(pk__in=[row.pk for row in rows]))
    # Of deleted boosts too: their entries may contain the title that a listing had then.
    boosts = _changes_of_boosts(names).order_by().annotate(key=Cast("boost_id", CharField())).values("key")
    about = ContentType.objects.get_for_model(Boost)
    LogEntry.objects.filter(content_type=about, object_id__in=boosts).delete()
    accounts = ContentType.objects.get_for_model(get_user_model())
    _forget_entries(LogEntry.objects.filter(content_type=accounts), {*names.of_users})
    _forget_entries(LogEntry.objects.exclude(content_type=accounts), {*names.of_actors, *names.of_users})


def _forget_entries(entries: QuerySet[LogEntry], names: set[str]) -> None:
    """Delete the entries with one of these names. Titles are not searched for: they are not unique."""
    texts = entries.order_by().values_list("pk", "object_repr").iterator()
    LogEntry.objects.filter(pk__in=[pk for pk, text in texts if _contains_name(text, names)]).delete()


def _contains_name(text: str, names: set[str]) -> bool:
    candidates = {match[1] for form in _NAME_FORMS if (match := form.fullmatch(text))} - {""}
    is_cut_off = len(text) == _LONGEST
    return not names.isdisjoint(candidates) or (
        is_cut_off and any(name.startswith(part) for name in names for part in candidates)
    )


def _forget_in_slates(listing_ids: list[str]) -> None:
    """Remove listings from the parameters of slates: others asked for listings similar to them."""
    if not listing_ids:
        return
    condition = Q(parameters__listing__in=listing_ids)
    for name in ("positive", "negative"):
        condition |= Q(**{f"parameters__{name}__has_any_keys": listing_ids})
    erased = set(listing_ids)
    for pk, parameters in Slate.objects.filter(condition).values_list("pk", "parameters").iterator():
        remaining = {name: _without(value, erased) for name, value in parameters.items()}
        Slate.objects.filter(pk=pk).update(parameters=remaining)


def _without(value: object, erased: set[str]) -> object:
    if isinstance(value, list):
        return [each for each in value if not (isinstance(each, str) and each in erased)]
    return None if isinstance(value, str) and value in erased else value


def _end_sessions(users: list[User]) -> None:
    user_ids = {str(user.pk) for user in users}
    for session in Session.objects.iterator() if user_ids else ():
        if session.get_decoded().get(SESSION_KEY) in user_ids:
            session.delete()


def _forget_signatures(names: PersonNames) -> None:
    """Replace their names, as staff and as sources of others' events, by an anonymous one."""
    anonymous = f"erased-{new_external_id()}"
    for column in STAFF_NAME_COLUMNS:
        label, _, field = column.rpartition(".")
        rows = apps.get_model(label)._base_manager
        rows.filter(**{f"{field}__in": names.of_users}).update(**{field: anonymous})
    sources = [f"actor:{name}" for name in names.of_actors]
    for model in (Interaction, ParkedInteraction):
        model.objects.filter(source__in=sources).update(source=f"actor:{anonymous}")
