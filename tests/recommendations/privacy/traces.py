"""Everything that the tables hold about Alice, and her erasure."""

from datetime import timedelta

from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import models

from marketplace.models import PersonToken, StaffAccess
from recommendations.models.boosts import Boost, BoostChange
from recommendations.models.doubts import Doubt
from recommendations.ranking import boosts

SECRET_WORDS = "Grandmother's rocking chair from Elm Street 7"


def she_was_staff(alice, bob, his, now) -> None:
    """Rows about others that Alice signed when she was staff."""
    StaffAccess.objects.create(by="alice", whose=bob, what="search")
    Doubt.objects.create(actor=bob, reason=Doubt.Reason.HASTE, share=0, evidence="", decided_by="alice")
    boost = Boost(listing=his, factor=2, starts_at=now, ends_at=now + timedelta(days=1))
    boosts.save_boost(boost, by="alice", now=now)
    note(User.objects.create_user("chief", is_staff=True), boost, BoostChange.objects.get(by="alice"))


def staff_looked_after(alice, hers, sold, staff, now) -> None:
    """A boost of Alice's listing, and deleted rows: a boost under an earlier title, a token and a doubt."""
    boost = Boost(listing=hers, factor=3, starts_at=now, ends_at=now + timedelta(days=1))
    boosts.save_boost(boost, by="staff", now=now)
    over = Boost(listing=sold, factor=3, starts_at=now, ends_at=now + timedelta(days=1))
    boosts.save_boost(over, by="staff", now=now)
    token, _ = PersonToken.objects.create(alice.user)
    note(staff, boost, over, token, Doubt.objects.get(actor=alice), StaffAccess.objects.get(whose=alice))
    LogEntry.objects.filter(object_repr=str(over)).update(object_repr="3 × listing The best of Alices lamps")
    boosts.delete_boost(over, by="staff", now=now)
    token.delete()


def note(staff: User, *changed: models.Model) -> None:
    """An entry of the admin's log about a change."""
    for about in changed:
        LogEntry.objects.create(
            user=staff,
            content_type=ContentType.objects.get_for_model(about),
            object_id=str(about.pk),
            object_repr=str(about),
            action_flag=CHANGE,
        )


def erase(name: str = "alice") -> None:
    call_command("erase_actor", name, "--yes", stdout=open("/dev/null", "w"))  # noqa: PTH123, SIM115


def everything() -> str:
    """Every row of every table, as text."""
    texts = []
    for model in apps.get_models():
        for row in model._base_manager.values():
            texts.append(f"{model._meta.label} {row}")
    return "\n".join(texts)
