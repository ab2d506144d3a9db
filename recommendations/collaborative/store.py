"""Store of collaborative models: their rows in the registry, and their files."""

import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

from ml.collaborative.als import AlsModel
from ml.collaborative.content_prior import ContentPrior, ContentSmoother
from ml.collaborative.covisitation import Neighbours
from ml.model_files import ModelFileError
from ml.vector_index import IndexFileError, load_index
from recommendations.collaborative import covisitation_counts
from recommendations.collaborative.config import TrainingConfig
from recommendations.collaborative.covisitation_counts import CountedHistories
from recommendations.collaborative.model import Collaborative
from recommendations.core.failpoints import failpoint
from recommendations.model_registry import artifacts
from recommendations.model_registry.artifacts import ModelDamaged
from recommendations.model_registry.publication import Registry, activate
from recommendations.models.trained_models import TrainedModel

KIND = TrainedModel.Kind.COLLABORATIVE

_registry = Registry(KIND)
trainings, active, earlier = _registry.trainings, _registry.active, _registry.earlier
reject, sweep = _registry.reject, _registry.sweep


def publish(
    model: Collaborative, made_of: CountedHistories, *, horizon: int, metrics: dict[str, Any], verdict: str
) -> TrainedModel:
    """Write the model's files and make its row the active one.   Raises OSError; then nothing has changed.

    horizon: the position in the interactions up to which they were read. The previous model's files stay.
    """
    path = f"{KIND}/{model.version}"
    digest = _write(path, model, made_of, horizon)
    row = TrainedModel(
        kind=KIND,
        version=model.version,
        metrics=metrics,
        path=path,
        sha256=digest,
        verdict=verdict,
        horizon=horizon,
    )
    published = activate(row)
    failpoint("model.switched")
    sweep()
    return published


def switch_files(
    row: TrainedModel,
    model: Collaborative,
    made_of: CountedHistories,
    *,
    horizon: int,
    metrics: dict[str, Any],
) -> bool:
    """Write the refreshed files of the active model and switch its row to them.

    Returns False, and switches nothing, if another model was activated in the meantime.   Raises OSError.
    """
    count = int(row.metrics.get("refresh_count", 0)) + 1
    # The random part keeps clear of files that an interrupted refresh left.
    path = f"{KIND}/{row.version}.{count}-{secrets.token_hex(4)}"
    digest = _write(path, model, made_of, horizon)
    unchanged = TrainedModel.objects.filter(pk=row.pk, status=TrainedModel.Status.ACTIVE, sha256=row.sha256)
    switched = bool(
        unchanged.update(
            path=path,
            sha256=digest,
            metrics=row.metrics | metrics | {"refresh_count": count},
            problem="",
            problem_at=None,
        )
    )
    artifacts.begin_grace(row.path if switched else path)
    return switched


def rollback(*, now: datetime) -> TrainedModel:
    """As Registry.rollback. The counts must be intact too: later refreshes update them."""
    return _registry.rollback(_require_whole, now=now)


def _require_whole(row: TrainedModel) -> None:
    """Raises ModelDamaged."""
    load(row)
    load_counted(row)


def manifest_of(row: TrainedModel) -> dict[str, Any]:
    """The verified contents of the model's `model.json`: recipe, horizon, files.   Raises ModelDamaged."""
    return artifacts.read_model_manifest(row.path, row.sha256)


def load(row: TrainedModel) -> Collaborative:
    """The model of a row; its files are verified.   Raises ModelDamaged."""
    manifest = manifest_of(row)
    names = set(manifest["files"]) - set(covisitation_counts.FILES)  # serving does not read the counts
    folder = artifacts.verify_files(row.path, manifest, sorted(names))
    try:
        return Collaborative(
            version=manifest["version"],
            recipe=TrainingConfig.from_json(manifest["recipe"]),
            als=AlsModel.load(folder),
            neighbours=Neighbours.load(folder / "neighbours.npz"),
            # Not memory-mapped: a mapped file that is truncated later would crash the process.
            index=load_index(folder / "items.faiss", share=False),
            prior=ContentPrior.load(folder / "prior.npz") if "prior.npz" in names else None,
            smoother=ContentSmoother.load(folder / "smoother.npz") if "smoother.npz" in names else None,
            encoder_version=manifest["encoder_version"],
            trained_until=datetime.fromisoformat(manifest["trained_until"]),
            digest=row.sha256,
        )
    except (ModelFileError, IndexFileError, OSError, KeyError, TypeError, ValueError) as error:
        raise ModelDamaged(f"{folder} cannot be read: {error}") from error


def load_counted(row: TrainedModel) -> CountedHistories:
    """The raw counts of a row's model; their files are verified.   Raises ModelDamaged."""
    folder = artifacts.verify_files(row.path, manifest_of(row), covisitation_counts.FILES)
    try:
        return CountedHistories.load(folder)
    except (ModelFileError, OSError) as error:
        raise ModelDamaged(f"{folder} cannot be read: {error}") from error


def _write(path: str, model: Collaborative, made_of: CountedHistories, horizon: int) -> str:
    assert model.trained_until is not None  # a model that was fitted or refreshed
    manifest = {
        "version": model.version,
        "recipe": model.recipe.to_json(),
        "encoder_version": model.encoder_version,
        "trained_until": model.trained_until.isoformat(),
        "horizon": horizon,
    }

    def write(folder: Path) -> None:
        model.als.save(folder)
        model.neighbours.save(folder / "neighbours.npz")
        model.index.save(folder / "items.faiss")
        if model.prior:
            model.prior.save(folder / "prior.npz")
        if model.smoother:
            model.smoother.save(folder / "smoother.npz")
        made_of.save(folder)

    return artifacts.publish(path, manifest, write)
