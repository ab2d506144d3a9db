"""Credentials of persons and services, who of the staff looked at whom, and what the demo has finished."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from knox.models import AbstractAuthToken

from listings.models import Actor

NOTED_EVERY = timedelta(minutes=1)


class Scope(models.TextChoices):
    FEED = "feed"
    EVENTS = "events"
    CATALOGUE = "catalogue"
    STAFF = "staff"


def every_scope() -> list[str]:
    return list(Scope.values)


class Credential(models.Model):
    """What knows when it was last used, to the minute."""

    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    def note_use(self, now: datetime) -> None:
        """Written once a minute at most, however many processes see it used."""
        if self.last_used_at is None or now - self.last_used_at >= NOTED_EVERY:
            stale = Q(last_used_at=None) | Q(last_used_at__lte=now - NOTED_EVERY)
            type(self).objects.filter(stale, pk=self.pk).update(last_used_at=now)


class PersonToken(AbstractAuthToken, Credential):
    """A person's token: knox's, hashed and expiring, with scopes. It may do what they may within these."""

    scopes = ArrayField(models.CharField(max_length=10, choices=Scope), default=every_scope)

    def __str__(self) -> str:
        return f"{self.token_key}… of {self.user}"


class ServiceKey(Credential):
    """A credential for a program: hashed, scoped, without a user. The key itself is shown once."""

    name = models.CharField(max_length=100, unique=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope), default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Never, when empty.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(
        cls, *, name: str, scopes: list[str], expires_at: datetime | None = None
    ) -> tuple["ServiceKey", str]:
        """A new key with its secret, which is not kept: 32 random bytes need no slow hash."""
        secret = secrets.token_urlsafe(32)
        digest = cls.digest_of(secret)
        return cls.objects.create(name=name, digest=digest, scopes=scopes, expires_at=expires_at), secret

    @classmethod
    def known_by(cls, secret: str, *, now: datetime) -> "ServiceKey | None":
        """The key with this secret, unless it was revoked or has expired."""
        lasting = Q(expires_at=None) | Q(expires_at__gt=now)
        return cls.objects.filter(lasting, digest=cls.digest_of(secret), revoked_at=None).first()

    @staticmethod
    def digest_of(secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()


class StaffAccess(models.Model):
    """A member of staff asked in somebody else's name. Erasing that actor erases it."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    by = models.CharField(max_length=150, help_text="The name they log in with; it outlives the account.")
    whose = models.ForeignKey(Actor, models.CASCADE, related_name="+")
    what = models.CharField(max_length=20, help_text="What was asked for: feed, search.")

    class Meta:
        verbose_name_plural = "staff accesses"

    def __str__(self) -> str:
        return f"{self.by}: {self.what} of {self.whose}"


class FinishedStep(models.Model):
    """A step of `manage.py demo` that need not be done again for the same sources."""

    name = models.CharField(max_length=50, unique=True)
    fingerprint = models.CharField(max_length=64)
    finished_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name
