"""Credentials of services, and what the demo has finished."""

import hashlib
import secrets

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Scope(models.TextChoices):
    FEED = "feed"
    EVENTS = "events"
    CATALOGUE = "catalogue"
    STAFF = "staff"


class ServiceKey(models.Model):
    """A credential for a program: hashed, scoped, without a user. The key itself is shown once."""

    name = models.CharField(max_length=100, unique=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope), default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(cls, *, name: str, scopes: list[str]) -> tuple["ServiceKey", str]:
        """A new key with its secret, which is not kept: 32 random bytes need no slow hash."""
        secret = secrets.token_urlsafe(32)
        return cls.objects.create(name=name, digest=cls.digest_of(secret), scopes=scopes), secret

    @staticmethod
    def digest_of(secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()


class FinishedStep(models.Model):
    """A step of `manage.py demo` that need not be done again for the same sources."""

    name = models.CharField(max_length=50, unique=True)
    fingerprint = models.CharField(max_length=64)
    finished_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name
