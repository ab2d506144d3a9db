"""Import of a miniature export with the peculiarities of real ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from listings.batches.listings import UpsertOutcome
from listings.importing import csv_import
from listings.importing import files as importing_files
from listings.importing.files import BadImport
from listings.importing.report import IMAGES, PRODUCTS
from listings.models import Actor, Listing, Photo, Place
from listings.photos import processing
from recommendations.models.catalogue_changes import CatalogueChange
from recommendations.models.embeddings import EmbeddingJob
from tests.factories import picture
from tests.listings.importing.exports import SOFAS, advert, counts


class TestAnImport:
    @pytest.mark.parametrize("zipped", [True, False])
    def test_an_import_creates_listings_with_photos_in_the_order_of_the_file(self, export, run, zipped):
        export.write(zipped=zipped)
        report = run()
        listing = Listing.objects.get(external_id="a1")
        assert (listing.title, listing.description, str(listing.price)) == ("Sofa a1", "A sofa.", "1200.00")
        assert (listing.category.path, listing.status) == (SOFAS, "active")
        assert str(listing.place) == "Bath, Somerset" and listing.latitude == 51.38
        assert [photo.external_id for photo in listing.photos.all()] == ["i1", "i2"]
        assert processing.path_of(listing.photos.first().file.name).exists()
        assert counts(report, PRODUCTS) == {UpsertOutcome.CREATED: 3} and counts(report, IMAGES) == {
            UpsertOutcome.CREATED: 3
        }

    def test_an_import_announces_the_listings_it_creates(self, export, run):
        export.write()
        run()
        assert EmbeddingJob.objects.count() == 3
        assert CatalogueChange.objects.count() >= 3

    def test_an_import_spreads_listings_over_the_sellers(self, export, run):
        export.adverts = [advert(f"a{number}") for number in range(40)]
        export.write()
        run(seller_count=2)
        assert set(Actor.objects.values_list("external_id", flat=True)) == {"seller-0001", "seller-0002"}

    def test_an_import_creates_categories_with_their_parents(self, export, run):
        export.adverts = [advert("a1", category="Phones / Radios / Ham/Amateur Radios")]
        export.images = {"i1": ("a1", picture())}
        export.write()
        run()
        category = Listing.objects.get().category
        assert (category.name, category.parent.path, category.root.path) == (
            "Ham/Amateur Radios",
            "Phones / Radios",
            "Phones",
        )

    def test_a_bare_carriage_return_belongs_to_its_field(self, export, run):
        export.write()
        products = export.folder / "Products.csv"
        products.write_bytes(products.read_bytes().replace(b"A sofa.", b"A sofa.\rIt is blue.\r\r"))
        assert counts(run(), PRODUCTS) == {UpsertOutcome.CREATED: 3}
        assert Listing.objects.get(external_id="a1").description == "A sofa.\nIt is blue."


class TestASecondRun:
    def test_a_second_import_creates_decodes_and_announces_nothing(self, export, run, monkeypatch):
        export.write()
        run()
        changes = CatalogueChange.objects.count()
        monkeypatch.setattr(processing, "receive", lambda data: pytest.fail("a stored photo was decoded"))
        report = run()
        assert counts(report, PRODUCTS) == {UpsertOutcome.UNCHANGED: 3} and counts(report, IMAGES) == {
            UpsertOutcome.UNCHANGED: 3
        }
        assert (Listing.objects.count(), Photo.objects.count()) == (3, 3)
        assert CatalogueChange.objects.count() == changes

    def test_a_second_import_updates_the_adverts_that_changed(self, export, run):
        export.write()
        run()
        export.adverts[0]["price"] = "£9"
        export.adverts.append(advert("a4"))
        export.write()
        assert counts(run(), PRODUCTS) == {
            UpsertOutcome.UPDATED: 1,
            UpsertOutcome.UNCHANGED: 2,
            UpsertOutcome.CREATED: 1,
        }
        assert str(Listing.objects.get(external_id="a1").price) == "9.00"

    def test_a_listing_keeps_its_seller_when_the_number_of_sellers_changes(self, export, run):
        export.write()
        run()
        before = dict(Listing.objects.values_list("external_id", "seller"))
        assert counts(run(seller_count=7), PRODUCTS) == {UpsertOutcome.UNCHANGED: 3}
        assert dict(Listing.objects.values_list("external_id", "seller")) == before

    def test_a_second_import_leaves_a_sold_listing_sold(self, export, run, now):
        export.write()
        run()
        Listing.objects.filter(external_id="a1").update(status="sold", sold_at=now)
        run()
        assert Listing.objects.get(external_id="a1").status == "sold"


class TestADryRun:
    def test_a_dry_run_reports_what_an_import_would_and_writes_nothing(self, export, run, settings):
        export.images["i9"] = ("a1", b"junk")
        export.adverts.append(advert("a4", price="?"))
        export.write()
        dry = run(dry_run=True)
        assert not Listing.objects.exists() and not Photo.objects.exists() and not Actor.objects.exists()
        assert not CatalogueChange.objects.exists() and Place.objects.count() == 1
        assert not list(Path(settings.MEDIA_ROOT).rglob("*.jpg"))
        assert dry.outcomes == run().outcomes


class TestStreaming:
    def test_a_chunk_of_adverts_is_written_before_the_next_is_read(self, export, run, monkeypatch):
        export.adverts = [advert(f"a{number}") for number in range(9)]
        export.write()
        monkeypatch.setattr(csv_import, "CHUNK_ROWS", 3)
        seen = []

        def watched(path: Path, columns: frozenset[str]) -> Iterator:
            for row in importing_files.read_rows(path, columns):
                seen.append((path.name, row.number, Listing.objects.count()))
                yield row

        monkeypatch.setattr(csv_import, "read_rows", watched)
        run()
        last_pass = [count for name, _, count in seen if name == "Products.csv"][9:]
        assert last_pass == [0, 0, 0, 3, 3, 3, 6, 6, 6]


class TestTheCommand:
    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda folder: (folder / "Products.csv").unlink(), "Products.csv cannot be read"),
            (lambda folder: (folder / "Images.csv").unlink(), "Images.csv cannot be read"),
            (lambda folder: (folder / "images_fb.zip").unlink(), "has no photos"),
            (lambda folder: (folder / "images_fb.zip").write_bytes(b"junk"), "cannot be read as a zip file"),
            (lambda folder: (folder / "Products.csv").write_text("id,price\n"), "has no column"),
            (lambda folder: (folder / "Images.csv").write_text(""), "has no column"),
        ],
    )
    def test_import_listings_refuses_a_missing_file_or_column_in_one_line(
        self, export, tmp_path, spoil, message
    ):
        export.write()
        spoil(export.folder)
        with pytest.raises(CommandError, match=message) as refusal:
            call_command("import_listings", export.folder, report=tmp_path / "report.csv")
        assert "\n" not in str(refusal.value)
        assert not Listing.objects.exists()

    def test_import_listings_refuses_a_missing_folder_in_one_line(self, tmp_path):
        with pytest.raises(CommandError, match="is not a folder"):
            call_command("import_listings", tmp_path / "nowhere")

    def test_a_missing_source_file_raises_bad_import(self, export, run):
        export.write()
        (export.folder / "Products.csv").unlink()
        with pytest.raises(BadImport):
            run()
