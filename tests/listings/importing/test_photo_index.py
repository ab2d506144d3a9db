"""Images of an export that belong to no listing or cannot be kept."""

import zipfile

from listings.batches.listings import UpsertOutcome
from listings.importing.report import IMAGES, PHOTOS
from tests.factories import picture
from tests.listings.importing.exports import counts


class TestImages:
    def test_images_of_no_advert_and_files_of_no_image_are_counted(self, export, run):
        export.images["i4"] = ("nobody", picture())
        export.write()
        with zipfile.ZipFile(export.folder / "images_fb.zip", "a") as archive:
            archive.writestr("images_fb/stray.jpg", picture())
            archive.writestr("__MACOSX/._i1.jpg", b"not counted")
        report = run()
        assert report.totals[PHOTOS] == 5
        assert {(row["file"], row["id"]) for row in report.rows} == {
            (IMAGES, "i4"),
            (PHOTOS, "images_fb/stray.jpg"),
        }

    def test_an_image_id_that_comes_twice_counts_once(self, export, run):
        export.write()
        with (export.folder / "Images.csv").open("a") as file:
            file.write("9,i1,a3\n")
        report = run()
        assert counts(report, IMAGES) == {UpsertOutcome.CREATED: 3, UpsertOutcome.REJECTED: 1}

    def test_an_image_id_that_cannot_be_stored_costs_only_that_photo(self, export, run):
        export.images["x" * 201] = ("a3", picture())
        export.write()
        report = run()
        assert counts(report, IMAGES) == {UpsertOutcome.CREATED: 3, UpsertOutcome.REJECTED: 1}

    def test_photos_beyond_the_maximum_of_a_listing_are_rejected(self, export, run):
        export.images = {f"i{number}": ("a1", picture()) for number in range(22)}
        export.write()
        assert counts(run(), IMAGES) == {UpsertOutcome.CREATED: 20, UpsertOutcome.REJECTED: 2}

    def test_photos_of_a_rejected_advert_are_reported_as_rejected(self, export, run):
        export.adverts[0]["price"] = "?"
        export.write()
        report = run()
        assert (
            counts(report, IMAGES)
            == counts(report, PHOTOS)
            == {UpsertOutcome.CREATED: 1, UpsertOutcome.REJECTED: 2}
        )
