"""Photos of an import: reading, refusal and replacement."""

import pytest

from listings.batches.listings import UpsertOutcome
from listings.importing import files as importing_files
from listings.importing.report import IMAGES, PHOTOS, PRODUCTS
from listings.models import Listing, Photo
from listings.photos import processing
from tests.factories import picture
from tests.listings.importing.exports import counts


class TestPhotos:
    def test_a_photo_whose_name_has_the_wrong_extension_is_imported(self, export, run):
        export.images["i1"] = ("a1", picture(image_format="PNG"))
        export.write()
        assert counts(run(), IMAGES) == {UpsertOutcome.CREATED: 3}

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (None, "there is no photo file for it"),
            (b"", "a photo that cannot be used"),
            (picture()[:-300], "a photo that cannot be used"),
        ],
    )
    def test_a_bad_photo_costs_neither_its_listing_nor_other_photos(self, export, run, data, reason):
        export.images["i1"] = ("a1", data)
        export.write()
        report = run()
        assert counts(report, PRODUCTS) == {UpsertOutcome.CREATED: 3}
        assert [photo.external_id for photo in Listing.objects.get(external_id="a1").photos.all()] == ["i2"]
        assert [(row["file"], row["row"], row["id"], row["reason"]) for row in report.rows] == [
            (IMAGES, "2", "i1", reason)
        ]

    def test_a_changed_photo_takes_the_place_of_the_old_one(self, export, run):
        export.write()
        run()
        old = Photo.objects.get(external_id="i1")
        export.images["i1"] = ("a1", picture("red"))
        export.write()
        report = run()
        new = Photo.objects.get(external_id="i1")
        assert counts(report, IMAGES) == {UpsertOutcome.UPDATED: 1, UpsertOutcome.UNCHANGED: 2}
        assert (new.position, new.listing) == (old.position, old.listing)
        assert new.pk != old.pk and new.sha256 != old.sha256
        assert processing.path_of(new.file.name).exists()

    @pytest.mark.django_db(transaction=True)
    def test_files_of_a_replaced_photo_are_deleted(self, export, run):
        export.write()
        run()
        old = Photo.objects.get(external_id="i1").file.name
        export.images["i1"] = ("a1", picture("red"))
        export.write()
        run()
        assert not processing.path_of(old).exists()

    def test_photos_of_a_chunk_are_read_one_at_a_time(self, export, run, monkeypatch):
        export.write()
        read = importing_files.ZippedPhotos.read
        names = []
        monkeypatch.setattr(
            importing_files.ZippedPhotos, "read", lambda self, name: names.append(name) or read(self, name)
        )
        run()
        assert sorted(names) == ["images_fb/i1.jpg", "images_fb/i2.jpg", "images_fb/i3.jpg"]


class TestFiles:
    def test_avif_and_jfif_are_photos_and_the_reason_of_heic_names_it(self, export, run):
        heic = bytes(3) + b"\x18ftypheic" + bytes(8) + b"mif1"
        export.images = {f"i{number}": ("a1", None) for number in range(4)} | {"I4": ("a1", None)}
        export.write(zipped=False)
        files = {"i0.avif": picture(image_format="AVIF"), "i1.jfif": picture("red"), "i2.heic": heic}
        files |= {"i3.gif": picture("blue", image_format="GIF"), "i4.jpg": picture("green")}
        for name, data in files.items():
            (export.folder / "images_fb" / name).write_bytes(data)
        report = run()
        assert counts(report, IMAGES) == {UpsertOutcome.CREATED: 3, UpsertOutcome.REJECTED: 2}
        details = {row["id"]: row["detail"] for row in report.rows}
        assert "HEIC" in details["i2"] and "GIF" in details["i3"]

    def test_a_file_is_found_by_an_id_that_is_its_name(self, export, run):
        export.images = {"p1.jpg": ("a1", None)}
        export.write(zipped=False)
        (export.folder / "images_fb" / "p1.jpg").write_bytes(picture())
        assert counts(run(), IMAGES) == {UpsertOutcome.CREATED: 1}

    def test_every_file_beside_the_photos_is_accounted_for(self, export, run):
        export.write(zipped=False)
        (export.folder / "images_fb" / "notes.txt").write_text("x")
        (export.folder / "images_fb" / "more").mkdir()
        (export.folder / "images_fb" / "more" / "i1.jpg").write_bytes(picture("red"))
        assert run().totals[PHOTOS] == 5
