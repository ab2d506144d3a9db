"""Store of rankers: their rows in the registry, and their files."""

from datetime import datetime
from typing import Any

from ml.model_files import ModelFileError
from ml.ranking.lambdarank import RankerModel
from recommendations.model_registry import artifacts
from recommendations.model_registry.artifacts import ModelDamaged
from recommendations.model_registry.publication import NoEarlierModel, Registry, activate
from recommendations.models import feature_names
from recommendations.models.trained_models import TrainedModel
from recommendations.ranker.model import Ranker

KIND = TrainedModel.Kind.RANKER

_registry = Registry(KIND)
trainings, active, earlier = _registry.trainings, _registry.active, _registry.earlier
reject, sweep = _registry.reject, _registry.sweep


def was_refused() -> bool:
    """Whether the newest ranker was rejected. Then the blend orders feeds."""
    newest = trainings().order_by("-pk").values_list("status", flat=True).first()
    return newest == TrainedModel.Status.REJECTED


def publish(model: RankerModel, version: str, *, metrics: dict[str, Any], verdict: str) -> TrainedModel:
    """Write the model's files and make its row the active one.   Raises OSError; then nothing has changed.

    The files of the previous model stay.
    """
    path = f"{KIND}/{version}"
    digest = artifacts.publish(path, {"version": version}, model.save)
    published = activate(
        TrainedModel(kind=KIND, version=version, metrics=metrics, path=path, sha256=digest, verdict=verdict)
    )
    sweep()
    return published


def load(row: TrainedModel) -> Ranker:
    """The ranker of a row; its files are verified.

    Raises ModelDamaged, also for a ranker that was trained on other features than the current ones.
    """
    about = artifacts.read_model_manifest(row.path, row.sha256)
    folder = artifacts.verify_files(row.path, about, about.get("files", ()))
    try:
        model = RankerModel.load(folder, feature_names=feature_names.FEATURES)
    except ModelFileError as error:
        raise ModelDamaged(f"{folder} cannot be used: {error}") from error
    return Ranker(row.version, model, row.sha256)


def rollback(*, now: datetime) -> TrainedModel | None:
    """Activate the previous ranker again; without one that is intact, feeds are ordered by the blend.

    Returns the active row, None for the blend. Raises NoEarlierModel if no ranker was active; then nothing
    has changed.
    """
    try:
        return _registry.rollback(load, now=now)
    except NoEarlierModel:
        if _registry.retire_active(now=now) is None:
            raise
        return None
