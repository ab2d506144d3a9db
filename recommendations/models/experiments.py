"""Tables of rules that staff set: boosts with their history, and experiments with their variants."""

import secrets

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeBoundary, RangeOperators
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Func, Q

from recommendations.models.feature_names import SOURCES
from recommendations.models.feed_parameters import BadParameters, FeedParameters

CONTROL = "control"
FILE_NAME_PART = RegexValidator(r"\A[a-z0-9][a-z0-9-]*\Z", "Small letters, digits and hyphens.")


def new_salt() -> str:
    return secrets.token_hex(8)


class Experiment(models.Model):
    """A random assignment of actors to variants of feed parameters, for a time. See experiments.py.

    One experiment runs at a time, so that no experiment changes the outcomes of another.
    """

    class Status(models.TextChoices):
        DRAFT = "draft"
        RUNNING = "running"
        STOPPED = "stopped"

    # The fields that decide on assignments, or that slates refer to. Fixed once the experiment has begun.
    FIXED = ("name", "salt", "starts_at")

    name = models.CharField(max_length=60, unique=True, validators=[FILE_NAME_PART])
    salt = models.CharField(
        max_length=60,
        default=new_salt,
        help_text="Divides actors in its own way; that of an earlier experiment divides them as it did.",
    )
    share = models.FloatField(
        default=1,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="The share of actors who take part, 0 to 1. Raised later, those who took part stay where "
        "they are.",
    )
    starts_at = models.DateTimeField("from")
    ends_at = models.DateTimeField("until")
    status = models.CharField(
        max_length=10,
        choices=Status,
        default=Status.DRAFT,
        help_text="Only while it is running, and between from and until, are actors divided. Once it runs, "
        "its name, salt, start and variants are fixed.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(share__gte=0, share__lte=1), name="experiment_share_in_range"),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="experiment_ends_after_start"
            ),
            ExclusionConstraint(
                name="one_experiment_at_a_time",
                expressions=[
                    (
                        Func(
                            "starts_at",
                            "ends_at",
                            RangeBoundary(),
                            function="tstzrange",
                            output_field=DateTimeRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    )
                ],
                condition=Q(status="running"),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def has_begun(self) -> bool:
        """Whether the experiment was started, so that slates may refer to it."""
        return self.status != self.Status.DRAFT

    def clean(self) -> None:
        # Checked here, so that the error belongs to the field and PostgreSQL never sees an invalid range.
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": "An experiment ends after it starts."})
        if self.starts_at and self.ends_at and self.status == self.Status.RUNNING:
            self._require_alone()
        stored = Experiment.objects.filter(pk=self.pk).first()
        if stored and stored.has_begun:
            self._require_unchanged(stored)

    def validate_constraints(self, exclude=None) -> None:
        """Excludes the start with the status: without the status, Django's constraint raises FieldError."""
        left_out = set(exclude or ())
        super().validate_constraints(left_out | ({"starts_at"} if "status" in left_out else set()))

    def _require_alone(self) -> None:
        """The check of the exclusion constraint, which forms skip once the start is a fixed field."""
        meanwhile = Experiment.objects.filter(
            status=self.Status.RUNNING, starts_at__lt=self.ends_at, ends_at__gt=self.starts_at
        )
        if other := meanwhile.exclude(pk=self.pk).first():
            raise ValidationError({"status": f"{other} runs in that time: one runs at a time."})

    def _require_unchanged(self, stored: "Experiment") -> None:
        if not self.has_begun:
            raise ValidationError({"status": "It has begun: it cannot be a draft again."})
        changed = [name for name in self.FIXED if getattr(self, name) != getattr(stored, name)]
        if changed:
            raise ValidationError(dict.fromkeys(changed, "It has begun: this is fixed."))


class Variant(models.Model):
    """One treatment of an experiment. `control` is the feed as everybody else gets it."""

    experiment = models.ForeignKey(
        Experiment, on_delete=models.CASCADE, related_name="variants", db_index=False
    )
    name = models.CharField(
        max_length=60,
        validators=[FILE_NAME_PART],
        help_text=f"One is called {CONTROL}: the feed as everybody else gets it.",
    )
    weight = models.FloatField(default=1, help_text="Its share of those who take part, against the others'.")
    parameters = models.JSONField(default=dict, blank=True)  # the FeedParameters that differ

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["experiment", "name"], name="variant_name_once"),
            models.CheckConstraint(
                condition=Q(weight__gt=0, weight__lte=1_000_000),
                name="variant_weight_in_range",
                violation_error_message="A weight is above 0, and not above a million.",
            ),
            models.CheckConstraint(
                condition=~Q(name=CONTROL) | Q(parameters={}),
                name="control_changes_nothing",
                violation_error_message=f"{CONTROL} has no parameters of its own.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.experiment}: {self.name}"

    def clean(self) -> None:
        if self.parameters is None:  # an empty field of a form
            self.parameters = {}
        try:
            FeedParameters.from_json(self.parameters).require_sources(SOURCES)
        except BadParameters as error:
            raise ValidationError({"parameters": error.detail}) from None
