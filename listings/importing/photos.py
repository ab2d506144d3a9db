"""Import of photos: decoded on all cores, stored in the transaction of their listings, reported."""

import hashlib
from concurrent.futures import Executor
from dataclasses import dataclass

from django.core.exceptions import ValidationError

from listings.batches.listings import UpsertOutcome
from listings.batches.photos import PhotoResult, PhotoRow, upsert_photos
from listings.importing.files import Photos
from listings.importing.photo_index import ImageRow, ImportIndex
from listings.importing.report import IMAGES, PHOTOS, ImportReport
from listings.models import Photo
from listings.photos import processing

PHOTO_ID = Photo._meta.get_field("external_id")
NO_FILE = "there is no photo file for it"
NO_LISTING = "its listing was not imported"
NO_IMAGE = "no row of Images.csv names it"


@dataclass(frozen=True)
class Image:
    """A row of Images.csv with its decoded photo or a problem. Neither means stored already, or no file."""

    row: ImageRow
    received: processing.ReceivedPhoto | None = None
    problem: str = ""


class PhotoImport:
    """Receives photos, writes them within the chunk's transaction and counts the outcomes."""

    def __init__(self, files: Photos, report: ImportReport, threads: Executor, *, dry_run: bool):
        self.files, self.report, self.threads, self.dry_run = files, report, threads, dry_run

    def receive(self, rows: list[ImageRow]) -> list[Image]:
        """Verify and re-encode the rows' photos.

        Those that are stored already, byte for byte, are skipped.
        """
        photos_of_rows = Photo.objects.filter(external_id__in=[row.image_id for row in rows])
        stored = set(photos_of_rows.values_list("external_id", "listing__external_id", "sha256"))
        return list(self.threads.map(lambda row: self._receive(row, stored), rows))

    def _receive(self, row: ImageRow, stored: set[tuple[str, str, str]]) -> Image:
        if row.file_name is None:
            return Image(row)
        try:
            PHOTO_ID.run_validators(row.image_id)
            data = self.files.read(row.file_name)
            if (row.image_id, row.listing_id, hashlib.sha256(data).hexdigest()) in stored:
                return Image(row)
            # File names are not checked against the content: exports rename files freely.
            return Image(row, received=processing.receive(data))
        except ValidationError as error:
            return Image(row, problem=" ".join(error.messages))
        except processing.BadPhoto as error:
            return Image(row, problem=error.detail)

    def write(self, images: list[Image], listing_ids: dict[str, int | None]) -> dict[str, PhotoResult]:
        """Store the photos of the listings that have a primary key. Returns the results by photo id."""
        rows = [
            PhotoRow(listing_id, image.row.image_id, image.received)
            for image in images
            if image.received and (listing_id := listing_ids[image.row.listing_id])
        ]
        results = upsert_photos(rows=rows, dry_run=self.dry_run)
        return {result.external_id: result for result in results}

    def count(
        self, images: list[Image], listing_ids: dict[str, int | None], results: dict[str, PhotoResult]
    ) -> None:
        """Add the outcome of each image to the report."""
        for image in images:
            if image.row.file_name is None:
                self._leave_out(image.row, NO_FILE)
            elif image.problem:
                self._leave_out(image.row, "a photo that cannot be used", image.problem)
            elif listing_ids[image.row.listing_id] is None:
                self._leave_out(image.row, NO_LISTING)
            else:
                self._count_result(image, results.get(image.row.image_id))

    def _count_result(self, image: Image, result: PhotoResult | None) -> None:
        outcome = result.outcome if result else UpsertOutcome.UNCHANGED
        if result and outcome == UpsertOutcome.REJECTED:
            self._leave_out(image.row, result.reason)
        else:
            self.report.count(IMAGES, outcome)
            self.report.count(PHOTOS, outcome)

    def leave_out_rest(self, index: ImportIndex) -> None:
        """Report the images of adverts that were not imported, and the files without an image row."""
        for row in index.images_without_advert():
            self._leave_out(row, NO_LISTING)
        for name in index.files_without_image():
            self.report.leave_out(PHOTOS, None, name, NO_IMAGE)

    def _leave_out(self, row: ImageRow, reason: str, detail: str = "") -> None:
        """Report the row as left out. Its file, if there is one, is counted but has no line of its own."""
        self.report.leave_out(IMAGES, row.number, row.image_id, reason, detail)
        if row.file_name is not None:
            self.report.count(PHOTOS, UpsertOutcome.REJECTED)
