"""Redaction of a person's names in rows about others."""

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User

from marketplace.models import StaffAccess
from recommendations.models.boosts import Boost, BoostChange
from recommendations.models.doubts import Doubt
from recommendations.models.slates import Slate
from recommendations.privacy import redaction
from tests import factories
from tests.recommendations.privacy.traces import erase, everything, note

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_column_that_names_staff_is_redacted():
    signed = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if (field.name == "by" or field.name.endswith("_by")) and not field.choices  # a kind of caller
    }
    assert signed == set(redaction.STAFF_NAME_COLUMNS)


def test_after_an_erasure_no_text_names_the_person_or_holds_what_they_wrote(life, alice, visitor):
    words = ["alice", "Alice", "Grandmother", "Elm Street", visitor.external_id, life["hers"].external_id]
    before = everything()
    assert all(word in before for word in words)
    erase()
    left = everything()
    assert [word for word in words if word in left] == []


def test_rows_about_others_stay_and_name_an_anonymous_author(life, bob):
    twin = factories.listing(bob, life["hers"].title)
    note(User.objects.get(username="chief"), twin)
    erase()
    signed = StaffAccess.objects.get(whose=bob).by
    assert signed.startswith("erased-")
    kept = Boost.objects.get(listing=life["his"])
    change, doubt = BoostChange.objects.get(boost_id=kept.pk), Doubt.objects.get(actor=bob)
    assert {kept.created_by, change.by, doubt.decided_by} == {signed}
    names = LogEntry.objects.values_list("object_repr", flat=True)
    assert sorted(names) == ["2 × listing Table of Bob", twin.title, "Table of Bob"]
    positive = Slate.objects.get(actor=bob, parameters__has_key="positive").parameters["positive"]
    assert positive == [life["his"].external_id]
