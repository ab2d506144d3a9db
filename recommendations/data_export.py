"""What is kept about a person, handed out."""

from collections.abc import Iterator
from itertools import islice

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Q

from listings.models import Actor, Listing
from recommendations.data_rights import ACCOUNT, RULES, Person, Rule, column
from recommendations.models import Impression

# What a credential is made of is not handed out, even to whom it belongs.
SECRET_FIELDS = frozenset({"password", "digest"})
DERIVED_FIELDS = frozenset({"transaction_id"})
CHUNK = 500  # rows that are read, and whose listings are named, at a time


def export(person: Person) -> Iterator[dict]:
    """Everything that is kept about a person, row by row: `table`, `because` of which column, columns.

    Listings and actors stand by their external ids, binary columns as hexadecimal digits.
    """
    yield from _rows(Actor, "", Q(pk__in=person.ids))
    yield from _rows(get_user_model(), "", Q(pk__in=[user.pk for user in person.users]))
    for name, rule in RULES.items():
        if rule != Rule.PERSON:
            model, field = column(name)
            yield from _rows(model, field, Q(**{f"{field}__in": person.ids}))
    for name, rule in ACCOUNT.items():
        if rule != Rule.PERSON:
            model, field = column(name)
            yield from _rows(model, field, Q(**{f"{field}__in": person.users}))
    for name in ("listings.Photo.listing", "listings.PhotoSource.listing"):
        yield from _rows(column(name)[0], "listing", Q(listing__seller__in=person.ids))
    yield from _rows(Impression, "slate", Q(slate__actor__in=person.ids))


def _rows(model: type[models.Model], because: str, which: Q) -> Iterator[dict]:
    columns = [
        field
        for field in model._meta.concrete_fields
        if field.name not in SECRET_FIELDS | DERIVED_FIELDS and not field.generated
    ]
    paths = {field.name: _path_of(field) for field in columns}
    rows = model._base_manager.filter(which).order_by("pk").values(*paths.values()).iterator(CHUNK)
    while chunk := list(islice(rows, CHUNK)):
        told = [{name: _plain(row[path]) for name, path in paths.items()} for row in chunk]
        _name_listings(told)
        yield from ({"table": model._meta.label, "because": because} | row for row in told)


def _path_of(field: models.Field) -> str:
    """Of a column: for one that names a listing or an actor, that of their external id."""
    named = field.is_relation and field.related_model in (Actor, Listing)
    return f"{field.name}__external_id" if named else field.name


def _plain(value: object) -> object:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


def _name_listings(rows: list[dict]) -> None:
    """Put external ids for the keys of listings that slates consist of; one query for all of these rows."""
    slates = [row for row in rows if isinstance(row.get("listing_ids"), list)]
    keys = {pk for row in slates for pk in row["listing_ids"]}
    named = Listing.objects.filter(pk__in=keys).values_list("pk", "external_id")
    names = dict(named) if keys else {}
    for row in slates:
        row["listing_ids"] = [names.get(pk) for pk in row["listing_ids"]]
