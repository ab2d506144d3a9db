"""Tables of credentials, the staff access log and the finished steps of the demo."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from knox.models import AbstractAuthToken, AuthTokenManager

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
    """Base class with the time of the last use, to the minute."""

    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    def note_use(self, now: datetime) -> None:
        """Record a use, with at most one write a minute from all processes together."""
        if self.last_used_at is None or now - self.last_used_at >= NOTED_EVERY:
            stale = Q(last_used_at=None) | Q(last_used_at__lte=now - NOTED_EVERY)
            type(self)._default_manager.filter(stale, pk=self.pk).update(last_used_at=now)


class PersonToken(AbstractAuthToken, Credential):
    """A person's token of knox, hashed and expiring. Scopes limit what the person may do with it."""

    scopes = ArrayField(models.CharField(max_length=10, choices=Scope), default=every_scope)

    objects: ClassVar[AuthTokenManager] = AuthTokenManager()

    def __str__(self) -> str:
        return f"{self.token_key}… of {self.user}"


class ServiceKey(Credential):
    """A hashed credential of a service, with scopes and without a user. The secret is shown once."""

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
        """Create a key. Returns it with its secret, of which only the SHA-256 is stored."""
        # 32 random bytes cannot be guessed, so no slow hash is needed.
        secret = secrets.token_urlsafe(32)
        digest = cls.digest_of(secret)
        return cls.objects.create(name=name, digest=digest, scopes=scopes, expires_at=expires_at), secret

    @classmethod
    def known_by(cls, secret: str, *, now: datetime) -> "ServiceKey | None":
        """The key with this secret; None when unknown, revoked or expired."""
        unexpired = Q(expires_at=None) | Q(expires_at__gt=now)
        return cls.objects.filter(unexpired, digest=cls.digest_of(secret), revoked_at=None).first()

    @staticmethod
    def digest_of(secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()


class StaffAccess(models.Model):
    """A request that staff made on behalf of an actor. Erasing the actor deletes it."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    by = models.CharField(max_length=150, help_text="The name they log in with; it outlives the account.")
    whose = models.ForeignKey(Actor, models.CASCADE, related_name="+")
    what = models.CharField(max_length=20, help_text="What was asked for: feed, search.")

    class Meta:
        verbose_name_plural = "staff accesses"
        permissions = (("view_operations", "Can read metrics and health checks"),)

    def __str__(self) -> str:
        return f"{self.by}: {self.what} of {self.whose}"


class FinishedStep(models.Model):
    """A step of `manage.py demo` that is not repeated for the same sources."""

    name = models.CharField(max_length=50, unique=True)
    fingerprint = models.CharField(max_length=64)
    finished_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name
