"""Steps of the demo before it serves. Finished steps are not repeated."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from marketplace.entry import CannotStart
from marketplace.models import FinishedStep
from marketplace.servers.processes import PREPARATIONS
from recommendations.indexing import embedding_jobs

DRAWN = "drawn by draw_catalogue, version 1"
TABLES = ("Products.csv", "Images.csv")
PHOTOS = ("images_fb.zip", "images_fb")


@dataclass(frozen=True)
class Sources:
    """The source of the catalogue (a folder, or drawn when None), and whether to simulate shoppers."""

    data: Path | None
    simulate: bool

    def check(self) -> None:
        """Raise CannotStart when the folder lacks a file that the importer needs."""
        if self.data is None:
            return
        missing = [name for name in TABLES if not (self.data / name).is_file()]
        if missing or not any((self.data / name).exists() for name in PHOTOS):
            missing += [] if missing else [" or ".join(PHOTOS)]
            raise CannotStart(
                f"DATA: found {self.data} without {', '.join(missing)}; accepted: a folder that holds it."
            )

    @property
    def catalogue(self) -> str:
        """Fingerprint of the catalogue, which changes with any file of the folder."""
        if self.data is None:
            return digest(DRAWN)
        return digest(str(self.data.resolve()), *(_stamp(path) for path in self._files(self.data)))

    @staticmethod
    def _files(folder: Path) -> Iterator[Path]:
        yield from (folder / name for name in TABLES)
        for photos in (folder / name for name in PHOTOS):
            if photos.is_file():
                yield photos
            yield from sorted(photos.rglob("*"))


@dataclass(frozen=True)
class Step:
    """A command of manage.py. It runs once for each fingerprint, or on every start without one."""

    name: str
    title: str
    command: str
    arguments: tuple[str, ...] = ()
    fingerprint: str = ""

    @property
    def words(self) -> list[str]:
        return [*self.command.split(), *self.arguments]

    def is_finished(self) -> bool:
        finished = FinishedStep.objects.filter(name=self.name, fingerprint=self.fingerprint)
        return bool(self.fingerprint) and finished.exists()

    def remember(self) -> None:
        if self.fingerprint:
            FinishedStep.objects.update_or_create(name=self.name, defaults={"fingerprint": self.fingerprint})


def before_workers(sources: Sources) -> list[Step]:
    """Steps that have to finish before workers start: encoder, places and catalogue."""
    environment = settings.ENVIRONMENT
    return [
        Step(  # first, to refuse an unknown backbone at once
            "encoder",
            "Encoder of photos and words",
            "python manage.py embed --no-wait",
            fingerprint=digest(environment.image_backbone, str(environment.image_weights)),
        ),
        Step("places", "Places", PREPARATIONS["places"], fingerprint=digest(environment.country)),
        _catalogue(sources),
    ]


def with_workers(sources: Sources) -> list[Step]:
    """Steps that need workers: embeddings and, with simulated shoppers, a trained model."""
    steps = (
        [] if embedding_jobs.is_complete() else [Step("embeddings", "Embeddings", "python manage.py embed")]
    )
    if sources.simulate:
        fingerprint = sources.catalogue
        steps += [
            Step("shoppers", "Simulated shoppers", "python manage.py simulate", fingerprint=fingerprint),
            Step(
                "training",
                "Collaborative model",
                "python manage.py train collaborative",
                # --wait: beat may have started a training. --force: the model serves in any case.
                ("--wait", "--force"),
                fingerprint=fingerprint,
            ),
        ]
    return steps


def holds_another_catalogue(sources: Sources) -> bool:
    """Whether an earlier run filled this database from other sources."""
    return FinishedStep.objects.filter(name="catalogue").exclude(fingerprint=sources.catalogue).exists()


def digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _catalogue(sources: Sources) -> Step:
    fingerprint = sources.catalogue
    if sources.data is None:
        return Step("catalogue", "Demo catalogue", "python manage.py draw_catalogue", fingerprint=fingerprint)
    folder = str(sources.data)
    return Step(
        "catalogue", f"Catalogue of {folder}", "python manage.py import_listings", (folder,), fingerprint
    )


def _stamp(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns
