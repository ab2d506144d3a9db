"""Collaborative models that are published, damaged, and watched as a serving process does."""

from pathlib import Path

from django.utils import timezone

from recommendations.collaborative import store
from recommendations.model_registry import artifacts, watcher
from recommendations.models.trained_models import TrainedModel
from tests.recommendations.published import publish_collaborative


def train() -> TrainedModel:
    return publish_collaborative(now=timezone.now())


def folder_of(model: TrainedModel) -> Path:
    return artifacts.settings.MODEL_ROOT / model.path


def damage(model: TrainedModel, name: str = "als.npz") -> None:
    (folder_of(model) / name).write_bytes(b"not a model")


def watching() -> watcher.ModelWatcher:
    return watcher.ModelWatcher(store)


def served(watch: watcher.ModelWatcher) -> str | None:
    model = watch.look()
    return model and model.version
