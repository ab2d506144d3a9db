"""Versions of trained models, with their figures and the verdict of the gate."""

from django.db import models
from django.db.models import Q

from recommendations.models.fields import TransactionIdField


class TrainedModel(models.Model):
    """The model registry. At most one model of each kind is active."""

    class Kind(models.TextChoices):
        ENCODER = "encoder"
        COLLABORATIVE = "collaborative"
        RANKER = "ranker"

    class Status(models.TextChoices):
        CANDIDATE = "candidate"
        ACTIVE = "active"
        RETIRED = "retired"
        REJECTED = "rejected"

    kind = models.CharField(max_length=15, choices=Kind)
    version = models.CharField(max_length=100)
    status = models.CharField(max_length=10, choices=Status, default=Status.CANDIDATE)
    metrics = models.JSONField(default=dict, blank=True)
    path = models.CharField(max_length=300, blank=True)  # under MODEL_ROOT; empty if it was rejected
    sha256 = models.CharField(max_length=64, blank=True)  # of the file, or of a folder's digests
    verdict = models.TextField(blank=True)  # the reason why it was published or not
    # Of a training on events, rejected ones too: it read every transaction before this one.
    horizon = TransactionIdField(null=True, editable=False)
    # The error of a process that could not load it. Emptied once a process could.
    problem = models.TextField(blank=True)
    problem_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "version"], name="model_version_once"),
            models.UniqueConstraint(
                fields=["kind"], condition=Q(status="active"), name="one_active_model_of_a_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.version}"
