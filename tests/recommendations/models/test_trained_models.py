"""Constraints of the model registry."""

import pytest
from django.db import IntegrityError, transaction

from recommendations.models.trained_models import TrainedModel


def register(kind: str, version: str, status: str = "active") -> TrainedModel:
    return TrainedModel.objects.create(kind=kind, version=version, status=status)


def test_a_second_active_model_of_a_kind_is_refused(db):
    register("ranker", "1")
    with pytest.raises(IntegrityError), transaction.atomic():
        register("ranker", "2")


def test_active_models_of_different_kinds_and_retired_ones_stand_beside_each_other(db):
    for kind, version, status in (
        ("ranker", "1", "active"),
        ("collaborative", "1", "active"),
        ("ranker", "0", "retired"),
        ("ranker", "2", "candidate"),
    ):
        register(kind, version, status)
    assert TrainedModel.objects.filter(status="active").count() == 2


def test_a_version_of_a_kind_is_registered_once(db):
    register("ranker", "1", "retired")
    with pytest.raises(IntegrityError), transaction.atomic():
        register("ranker", "1", "candidate")
