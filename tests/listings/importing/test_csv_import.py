"""Import of a miniature export with the peculiarities of real ones."""

import csv
import io
import json
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from listings.batches.listings import UpsertOutcome
from listings.importing import csv_import
from listings.importing import files as importing_files
from listings.importing.files import BadImport, read_rows
from listings.importing.report import IMAGES, PHOTOS, PRODUCTS, SOURCES, ImportReport, import_report
from listings.models import Actor, Listing, Photo, Place
from listings.photos import processing
from recommendations.models.catalogue_changes import CatalogueChange
from recommendations.models.embeddings import EmbeddingJob
from tests.factories import picture

HEADER = ["", "id", "product_name", "category", "product_description", "price", "location"]
SOFAS = "Home & Garden / Sofas"


def advert(listing_id: str, **changes: str) -> dict[str, str]:
    return {
        "id": listing_id,
        "product_name": f"Sofa {listing_id} | in Bath, Somerset | Gumtree",
        "category": SOFAS,
        "product_description": "A sofa. Posted by Al in Home & Garden, Sofas in Bath. 25 February 2022",
        "price": "£1,200.00",
        "location": "Bath, Somerset",
    } | changes


class Export:
    """A folder in the format of the importer. `images` maps an image id to its advert's id and its bytes."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.adverts = [advert("a1"), advert("a2", product_name="Chair"), advert("a3")]
        self.images = {f"i{number}": ("a1" if number < 3 else "a2", picture()) for number in (1, 2, 3)}

    def write(self, *, zipped: bool = True) -> None:
        self._write_csv("Products.csv", HEADER, [["0", *row.values()] for row in self.adverts])
        rows = [["0", image_id, listing_id] for image_id, (listing_id, _) in self.images.items()]
        self._write_csv("Images.csv", ["", "id", "product_id"], rows)
        files = {f"{image_id}.jpg": data for image_id, (_, data) in self.images.items() if data is not None}
        self._write_zip(files) if zipped else self._write_folder(files)

    def _write_csv(self, name: str, header: list[str], rows: list[list[str]]) -> None:
        with (self.folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])

    def _write_zip(self, files: dict[str, bytes]) -> None:
        with zipfile.ZipFile(self.folder / "images_fb.zip", "w") as archive:
            for name, data in files.items():
                archive.writestr(f"images_fb/{name}", data)

    def _write_folder(self, files: dict[str, bytes]) -> None:
        (self.folder / "images_fb").mkdir()
        for name, data in files.items():
            (self.folder / "images_fb" / name).write_bytes(data)


@pytest.fixture
def export(tmp_path, db) -> Export:
    Place.objects.create(name="Bath", country="GB", latitude=51.38, longitude=-2.36, population=90_000)
    folder = tmp_path / "export"
    folder.mkdir()
    return Export(folder)


@pytest.fixture
def run(export, tmp_path, monkeypatch):
    """Import the export. Returns the report and the rows of its CSV file."""
    monkeypatch.setattr("listings.places._cities_of", lambda country: [])

    def run_import(**options) -> ImportReport:
        settings = {"maximum_price": 100_000, "country": "GB", "seller_count": 50} | options
        with import_report(tmp_path / "report.csv") as report:
            csv_import.import_folder(
                export.folder, csv_import.ImportOptions(**settings), report, csv_import.Progress()
            )
        report.rows = list(csv.DictReader((tmp_path / "report.csv").open()))
        assert all(report.adds_up(source) for source in SOURCES)
        return report

    return run_import


def counts(report: ImportReport, source: str) -> dict[str, int]:
    return {outcome: number for (of, outcome), number in report.outcomes.items() if of == source and number}


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

    def test_a_photo_whose_name_has_the_wrong_extension_is_imported(self, export, run):
        export.images["i1"] = ("a1", picture(image_format="PNG"))
        export.write()
        assert counts(run(), IMAGES) == {UpsertOutcome.CREATED: 3}


class TestWhatIsLeftOut:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"product_name": "N/A"}, "no title"),
            ({"product_name": " | in Bath, Somerset | Gumtree"}, "no title"),
            ({"product_name": "x" * 301}, "a title of over 300 characters"),
            ({"category": ""}, "no category"),
            ({"category": "x" * 501}, "a category of over 500 characters"),
            ({"price": "POA"}, "unreadable price"),
            ({"price": "£1,234,567.00"}, "a price over 100,000"),
            ({"id": ""}, "no id"),
            ({"id": "a/2"}, "an id that cannot be used"),
            ({"id": "a1"}, "its id stands in an earlier row"),
        ],
        ids=str,
    )
    def test_a_bad_row_is_reported_with_its_number_and_stops_nothing(self, export, run, changes, reason):
        export.adverts[1] = advert("a2", **changes)
        export.write()
        report = run()
        assert counts(report, PRODUCTS) == {UpsertOutcome.CREATED: 2, UpsertOutcome.REJECTED: 1}
        rejection = next(row for row in report.rows if row["file"] == PRODUCTS)
        assert (rejection["row"], rejection["id"], rejection["reason"]) == (
            "3",
            changes.get("id", "a2"),
            reason,
        )

    def test_photos_of_a_rejected_advert_are_reported_as_rejected(self, export, run):
        export.adverts[0]["price"] = "?"
        export.write()
        report = run()
        assert (
            counts(report, IMAGES)
            == counts(report, PHOTOS)
            == {UpsertOutcome.CREATED: 1, UpsertOutcome.REJECTED: 2}
        )

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

    def test_a_row_with_missing_fields_is_reported_as_rejected(self, export, run):
        export.write()
        with (export.folder / "Products.csv").open("a") as file:
            row = advert("a9", product_name="Desk", product_description="", location="", price="5")
            file.write("only,three,fields\n" + ",".join(["9", *row.values()]) + "\n")
        report = run()
        assert counts(report, PRODUCTS) == {UpsertOutcome.CREATED: 4, UpsertOutcome.REJECTED: 1}
        assert report.rows[-1]["row"] == "5" and "3 fields" in report.rows[-1]["detail"]

    def test_an_image_id_that_cannot_be_stored_costs_only_that_photo(self, export, run):
        export.images["x" * 201] = ("a3", picture())
        export.write()
        report = run()
        assert counts(report, IMAGES) == {UpsertOutcome.CREATED: 3, UpsertOutcome.REJECTED: 1}

    def test_photos_beyond_the_maximum_of_a_listing_are_rejected(self, export, run):
        export.images = {f"i{number}": ("a1", picture()) for number in range(22)}
        export.write()
        assert counts(run(), IMAGES) == {UpsertOutcome.CREATED: 20, UpsertOutcome.REJECTED: 2}


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
    def test_memory_of_reading_rows_does_not_grow_with_the_file(self, tmp_path):
        peaks = [self.peak_of_reading(tmp_path / f"{rows}.csv", rows) for rows in (500, 20_000)]
        assert peaks[1] < 2 * peaks[0] + 100_000

    def peak_of_reading(self, path: Path, rows: int) -> int:
        path.write_text("id,product_id\n" + "".join(f"image-{row},{'x' * 200}\n" for row in range(rows)))
        tracemalloc.start()
        assert sum(1 for _ in read_rows(path, frozenset({"id"}))) == rows
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

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

    def test_photos_of_a_chunk_are_read_one_at_a_time(self, export, run, monkeypatch):
        export.write()
        read = importing_files.ZippedPhotos.read
        names = []
        monkeypatch.setattr(
            importing_files.ZippedPhotos, "read", lambda self, name: names.append(name) or read(self, name)
        )
        run()
        assert sorted(names) == ["images_fb/i1.jpg", "images_fb/i2.jpg", "images_fb/i3.jpg"]


class TestReadingRows:
    def rows_of(self, tmp_path: Path, content: bytes) -> list[importing_files.CsvRow]:
        (tmp_path / "rows.csv").write_bytes(content)
        return list(read_rows(tmp_path / "rows.csv", frozenset({"id"})))

    def test_csv_rows_end_at_a_newline_only_and_quoted_fields_may_hold_one(self, tmp_path):
        rows = self.rows_of(tmp_path, b'id,words\n1,a\rb\n2,"c\nd, ""e"""\r\n\n3,\xff\n')
        assert [row.cells for row in rows[:2]] == [
            {"id": "1", "words": "a\rb"},
            {"id": "2", "words": 'c\nd, "e"'},
        ]
        assert rows[2].cells["id"] == "3"

    def test_a_byte_order_mark_is_no_part_of_the_first_column(self, tmp_path):
        assert self.rows_of(tmp_path, b"\xef\xbb\xbfid\n1\n")[0].cells == {"id": "1"}

    def test_a_quote_that_is_never_closed_does_not_swallow_the_rest_silently(self, tmp_path, monkeypatch):
        monkeypatch.setattr(importing_files, "LONGEST_FIELD", 50)
        rows = self.rows_of(tmp_path, b'id\n"open\n' + b"12345678\n" * 20)
        assert rows[0].problem and rows[-1].cells == {"id": "12345678"}


class TestTheCommand:
    def test_import_listings_prints_totals_and_writes_the_report(self, export, tmp_path, monkeypatch):
        monkeypatch.setattr("listings.places._cities_of", lambda country: [])
        export.adverts[0]["price"] = "POA"
        export.write()
        out, report = io.StringIO(), tmp_path / "problems.csv"
        call_command("import_listings", export.folder, report=report, stdout=out)
        assert "unreadable price" in out.getvalue() and "do not add up" not in out.getvalue()
        assert report.read_text().splitlines()[1] == "Products.csv,2,a1,unreadable price,'POA'"

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

    def test_export_listings_writes_rows_for_the_batch_endpoint(self, export, run, tmp_path):
        export.write()
        run()
        call_command("export_listings", output=tmp_path / "listings.jsonl")
        rows = [json.loads(line) for line in (tmp_path / "listings.jsonl").read_text().splitlines()]
        assert [row["external_id"] for row in rows] == ["a1", "a2", "a3"]
        assert rows[0] | {"created_at": None, "seller": None} == {
            "external_id": "a1",
            "seller": None,
            "title": "Sofa a1",
            "description": "A sofa.",
            "price": "1200.00",
            "condition": "unknown",
            "category": SOFAS,
            "latitude": 51.38,
            "longitude": -2.36,
            "status": "active",
            "source_version": None,
            "created_at": None,
        }
