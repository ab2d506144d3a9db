"""Export of all data stored about a person."""

from collections.abc import Iterator
from itertools import islice

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Q

from listings.models import Actor, Listing
from recommendations.models.slates import Impression
from recommendations.privacy.erasure import ACCOUNT_RULES, ACTOR_RULES, Person, Rule, field_of

# Secrets of credentials are not exported, not even to their owner.
SECRET_FIELDS = frozenset({"password", "digest"})
DERIVED_FIELDS = frozenset({"transaction_id"})
CHUNK = 500  # rows read at a time, with one query for the ids of their listings


def export(person: Person) -> Iterator[dict]:
    """All rows about a person, as dicts: `table`, `because` (the column that refers to them), the columns.

    Listings and actors are given by external id, binary columns in hexadecimal.
    """
    yield from _rows(Actor, "", Q(pk__in=person.ids))
    yield from _rows(get_user_model(), "", Q(pk__in=[user.pk for user in person.users]))
    for name, rule in ACTOR_RULES.items():
        if rule != Rule.PERSON:
            model, field = field_of(name)
            yield from _rows(model, field, Q(**{f"{field}__in": person.ids}))
    for name, rule in ACCOUNT_RULES.items():
        if rule != Rule.PERSON:
            model, field = field_of(name)
            yield from _rows(model, field, Q(**{f"{field}__in": person.users}))
    for name in ("listings.Photo.listing", "listings.PhotoSource.listing"):
        yield from _rows(field_of(name)[0], "listing", Q(listing__seller__in=person.ids))
    yield from _rows(Impression, "slate", Q(slate__actor__in=person.ids))


def _rows(model: type[models.Model], because: str, condition: Q) -> Iterator[dict]:
    columns = [
        field
        for field in model._meta.concrete_fields
        if field.name not in SECRET_FIELDS | DERIVED_FIELDS and not field.generated
    ]
    paths = {field.name: _path_of(field) for field in columns}
    rows = model._base_manager.filter(condition).order_by("pk").values(*paths.values()).iterator(CHUNK)
    while chunk := list(islice(rows, CHUNK)):
        exported = [{name: _as_json(row[path]) for name, path in paths.items()} for row in chunk]
        _name_listings(exported)
        yield from ({"table": model._meta.label, "because": because} | row for row in exported)


def _path_of(field: models.Field) -> str:
    """The query path of a column: to the external id where it refers to a listing or an actor."""
    has_external_id = field.is_relation and field.related_model in (Actor, Listing)
    return f"{field.name}__external_id" if has_external_id else field.name


def _as_json(value: object) -> object:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


def _name_listings(rows: list[dict]) -> None:
    """Replace the listing keys in slates by external ids, with one query for all rows."""
    slates = [row for row in rows if isinstance(row.get("listing_ids"), list)]
    keys = {pk for row in slates for pk in row["listing_ids"]}
    pairs = Listing.objects.filter(pk__in=keys).values_list("pk", "external_id")
    names = dict(pairs) if keys else {}
    for row in slates:
        row["listing_ids"] = [names.get(pk) for pk in row["listing_ids"]]
