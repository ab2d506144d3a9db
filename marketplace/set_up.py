"""What the demo does before it serves, as a table of steps; what was finished is not done again."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from marketplace.entry import Unusable
from marketplace.models import FinishedStep
from marketplace.processes import PREPARATIONS
from recommendations import embedding

DRAWN = "drawn by draw_catalogue, version 1"
TABLES = ("Products.csv", "Images.csv")
PHOTOS = ("images_fb.zip", "images_fb")


@dataclass(frozen=True)
class Sources:
    """Where the catalogue comes from (drawn, when there is no folder) and whether shoppers are simulated."""

    data: Path | None
    simulate: bool

    def check(self) -> None:
        """Raises Unusable with one line where the folder does not hold what the importer reads."""
        if self.data is None:
            return
        missing = [name for name in TABLES if not (self.data / name).is_file()]
        if missing or not any((self.data / name).exists() for name in PHOTOS):
            missing += [] if missing else [" or ".join(PHOTOS)]
            raise Unusable(
                f"DATA: found {self.data} without {', '.join(missing)}; accepted: a folder that holds it."
            )

    @property
    def catalogue(self) -> str:
        """Changes when a file of the folder does."""
        if self.data is None:
            return digest(DRAWN)
        return digest(str(self.data.resolve()), *(_stamp(path) for path in self._files()))

    def _files(self) -> Iterator[Path]:
        yield from (self.data / name for name in TABLES)
        for photos in (self.data / name for name in PHOTOS):
            if photos.is_file():
                yield photos
            yield from sorted(photos.rglob("*"))


@dataclass(frozen=True)
class Step:
    """A command of manage.py. With a fingerprint it is done once for each; without, on every start."""

    name: str
    title: str
    command: str
    arguments: tuple[str, ...] = ()
    fingerprint: str = ""

    @property
    def words(self) -> list[str]:
        return [*self.command.split(), *self.arguments]

    def is_finished(self) -> bool:
        done = FinishedStep.objects.filter(name=self.name, fingerprint=self.fingerprint)
        return bool(self.fingerprint) and done.exists()

    def remember(self) -> None:
        if self.fingerprint:
            FinishedStep.objects.update_or_create(name=self.name, defaults={"fingerprint": self.fingerprint})


def before_workers(sources: Sources) -> list[Step]:
    """The catalogue, and the choice of the encoder, which workers must find made."""
    asked = settings.ENVIRONMENT
    return [
        Step(  # first: a backbone that does not exist is refused at the start
            "encoder",
            "Encoder of photos and words",
            "python manage.py embed --no-wait",
            fingerprint=digest(asked.image_backbone, str(asked.image_weights)),
        ),
        Step("places", "Places", PREPARATIONS["places"], fingerprint=digest(asked.country)),
        _catalogue(sources),
    ]


def with_workers(sources: Sources) -> list[Step]:
    """What workers compute, or what is learned from what they computed."""
    steps = [] if embedding.is_complete() else [Step("embeddings", "Embeddings", "python manage.py embed")]
    if sources.simulate:
        once = sources.catalogue
        steps += [
            Step("shoppers", "Simulated shoppers", "python manage.py simulate", fingerprint=once),
            Step(
                "training",
                "Collaborative model",
                "python manage.py train collaborative",
                # Beat may have started one; and whatever its figures, simulated shoppers are to be served.
                ("--wait", "--force"),
                fingerprint=once,
            ),
        ]
    return steps


def holds_another_catalogue(sources: Sources) -> bool:
    """Whether an earlier run filled this database from somewhere else."""
    return FinishedStep.objects.filter(name="catalogue").exclude(fingerprint=sources.catalogue).exists()


def digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _catalogue(sources: Sources) -> Step:
    once = sources.catalogue
    if sources.data is None:
        return Step("catalogue", "Demo catalogue", "python manage.py draw_catalogue", fingerprint=once)
    folder = str(sources.data)
    return Step("catalogue", f"Catalogue of {folder}", "python manage.py import_listings", (folder,), once)


def _stamp(path: Path) -> tuple[str, int, int]:
    found = path.stat()
    return str(path), found.st_size, found.st_mtime_ns
