"""Import of a miniature export with the peculiarities of real ones."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from django.core.management import CommandError, call_command

from listings.batches.listings import UpsertOutcome
from listings.importing import listing_import
from listings.importing.report import IMAGES, PRODUCTS
from listings.models import Actor, Listing, Photo, Place
from listings.photos import processing
from listings.row_files import csv_files, reading
from listings.row_files.rows import BadImport
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
        monkeypatch.setattr(listing_import, "CHUNK_ROWS", 3)
        seen = []

        def watched(path: Path, dialect: csv_files.Dialect) -> Iterator:
            for row in csv_files.read_csv(path, dialect):
                seen.append((path.name, row.number, Listing.objects.count()))
                yield row

        monkeypatch.setattr(reading, "read_csv", watched)
        run()
        last_pass = [count for name, _, count in seen if name == "Products.csv"][9:]
        assert last_pass == [0, 0, 0, 3, 3, 3, 6, 6, 6]


class TestTheCommand:
    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda folder: (folder / "Products.csv").unlink(), "Products.csv cannot be read"),
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
        with pytest.raises(CommandError, match="is neither a folder nor a file"):
            call_command("import_listings", tmp_path / "nowhere")

    def test_a_missing_source_file_raises_bad_import(self, export, run):
        export.write()
        (export.folder / "Products.csv").unlink()
        with pytest.raises(BadImport):
            run()


class TestOtherFiles:
    def write(self, folder: Path, name: str, *lines: str) -> Path:
        (folder / name).write_text("\n".join(lines))
        return folder / name

    def test_a_folder_without_photos_is_imported(self, export, run):
        self.write(
            export.folder, "Products.csv", "id;title;category;price", "1;Sofa;Home;1.200,00", "2;Bed;Home;5"
        )
        report = run()
        assert counts(report, PRODUCTS) == {UpsertOutcome.CREATED: 2}
        assert str(Listing.objects.get(external_id="1").price) == "1200.00"
        assert report.remarks == ["Products.csv: read as UTF-8, semicolons between fields"]

    def test_images_without_a_folder_of_photos_are_reported(self, export, run):
        export.write()
        (export.folder / "images_fb.zip").unlink()
        assert counts(run(), IMAGES) == {UpsertOutcome.REJECTED: 3}

    def test_columns_that_were_not_read_are_named(self, export, run):
        file = self.write(
            export.folder, "a.csv", "id,title,category,price,colour,Shop", "1,Sofa,Home,5,red,x"
        )
        assert run(file).remarks == ["a.csv: columns that were not read: colour, shop"]
        assert ("a.csv", "remark") in {(row["file"], row["reason"]) for row in run(file).rows}

    def test_columns_may_have_other_names(self, export, run):
        file = self.write(export.folder, "a.csv", "nr,headline,category,price", "1,Sofa,Home,5")
        with pytest.raises(BadImport, match="--column external_id="):
            run(file)
        run(file, columns={"external_id": "nr", "title": "headline"})
        assert Listing.objects.get().title == "Sofa"

    def test_a_named_seller_is_kept_and_moves_a_listing(self, export, run):
        header = "id,title,category,price,seller"
        run(self.write(export.folder, "a.csv", header, "1,Sofa,Home,5,alice", "2,Bed,Home,5,"))
        run(self.write(export.folder, "a.csv", header, "1,Sofa,Home,5,bob", "2,Bed,Home,5,"))
        assert Listing.objects.get(external_id="1").seller.external_id == "bob"

    def test_what_a_file_lacks_stays_in_a_listing(self, export, run):
        header = "id,title,category,price,condition,description"
        run(self.write(export.folder, "a.csv", header, "1,Sofa,Home,5,good,Blue"))
        run(self.write(export.folder, "a.csv", "id,title,category,price", "1,Sofa,Home,6"))
        listing = Listing.objects.get()
        assert (str(listing.price), listing.condition, listing.description) == ("6.00", "good", "Blue")

    def test_an_export_is_imported_again_unchanged(self, export, run, tmp_path):
        export.write()
        run()
        Listing.objects.filter(external_id="a2").update(condition="good", status="reserved", source_version=3)
        call_command("export_listings", output=tmp_path / "all.jsonl")
        assert counts(run(tmp_path / "all.jsonl"), PRODUCTS) == {UpsertOutcome.UNCHANGED: 3}
        Listing.objects.all().delete()
        assert counts(run(tmp_path / "all.jsonl"), PRODUCTS) == {UpsertOutcome.CREATED: 3}
        listing = Listing.objects.get(external_id="a2")
        assert (listing.condition, listing.status, listing.source_version) == ("good", "reserved", 3)
        assert str(listing.place) == "Bath, Somerset"

    def test_a_broken_line_of_json_costs_itself(self, export, run):
        good = '{"external_id": %d, "title": "Sofa", "category": "Home", "price": 5.10, "seller": "alice"}'
        report = run(
            self.write(export.folder, "a.jsonl", good % 9001001, '{"external_id": 2', good % (2**60 + 1))
        )
        assert counts(report, PRODUCTS) == {UpsertOutcome.CREATED: 2, UpsertOutcome.REJECTED: 1}
        assert Listing.objects.filter(external_id__in=["9001001", str(2**60 + 1)], price="5.10").count() == 2

    def test_a_parquet_file_is_imported(self, export, run):
        rows = [
            {"id": 2**60 + 1, "title": "Sofa", "category": "Home", "price": 19.99, "lat": 51.5, "lon": -0.1}
        ]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), export.folder / "a.parquet")
        run(export.folder / "a.parquet")
        listing = Listing.objects.get(external_id=str(2**60 + 1))
        assert (str(listing.price), listing.latitude) == ("19.99", 51.5)
