"""The photos of an import: which are new, decoded on all cores, stored with their listings."""

import hashlib
from concurrent.futures import Executor
from dataclasses import dataclass

from django.core.exceptions import ValidationError

from listings import photos
from listings.batch import Outcome
from listings.import_files import PhotosInFolder, ZippedPhotos
from listings.import_index import ImageRow, ImportIndex
from listings.import_report import IMAGES, PHOTOS, ImportReport
from listings.models import Photo
from listings.photo_batch import PhotoResult, PhotoRow, upsert_photos

PHOTO_ID = Photo._meta.get_field("external_id")
NO_FILE = "there is no photo file for it"
NO_LISTING = "its listing was not imported"
NO_IMAGE = "no row of Images.csv names it"


@dataclass(frozen=True)
class Image:
    """A row of Images.csv and what its file holds: a photo, a problem, or what is stored already."""

    row: ImageRow
    received: photos.ReceivedPhoto | None = None
    problem: str = ""


class PhotoImport:
    """The photo half of an import: receive, write within the chunk's transaction, count."""

    def __init__(
        self, files: ZippedPhotos | PhotosInFolder, report: ImportReport, threads: Executor, *, dry_run: bool
    ):
        self.files, self.report, self.threads, self.dry_run = files, report, threads, dry_run

    def receive(self, rows: list[ImageRow]) -> list[Image]:
        """Verify and re-encode the rows' photos, but for those that are stored already, byte for byte."""
        found = Photo.objects.filter(external_id__in=[row.image_id for row in rows])
        known = set(found.values_list("external_id", "listing__external_id", "sha256"))
        return list(self.threads.map(lambda row: self._receive(row, known), rows))

    def _receive(self, row: ImageRow, known: set[tuple[str, str, str]]) -> Image:
        if row.file_name is None:
            return Image(row)
        try:
            PHOTO_ID.run_validators(row.image_id)
            data = self.files.read(row.file_name)
            if (row.image_id, row.listing_id, hashlib.sha256(data).hexdigest()) in known:
                return Image(row)
            # Exports rename files freely, so what a file is called is no reason to leave it out.
            return Image(row, received=photos.receive(data))
        except ValidationError as error:
            return Image(row, problem=" ".join(error.messages))
        except photos.BadPhoto as error:
            return Image(row, problem=error.detail)

    def write(self, images: list[Image], listing_ids: dict[str, int | None]) -> dict[str, PhotoResult]:
        """Store the photos of the listings that have a primary key; a result for each, by its id."""
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
        """Tell the report what became of each image."""
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
        outcome = result.outcome if result else Outcome.UNCHANGED
        if outcome == Outcome.REJECTED:
            self._leave_out(image.row, result.reason)
        else:
            self.report.count(IMAGES, outcome)
            self.report.count(PHOTOS, outcome)

    def leave_out_rest(self, index: ImportIndex) -> None:
        """Report the images of adverts that were not imported, and the files that no image speaks of."""
        for row in index.images_without_advert():
            self._leave_out(row, NO_LISTING)
        for name in index.files_without_image():
            self.report.leave_out(PHOTOS, None, name, NO_IMAGE)

    def _leave_out(self, row: ImageRow, reason: str, detail: str = "") -> None:
        """One line in the report, for the row; its file, if there is one, is only counted."""
        self.report.leave_out(IMAGES, row.number, row.image_id, reason, detail)
        if row.file_name is not None:
            self.report.count(PHOTOS, Outcome.REJECTED)
