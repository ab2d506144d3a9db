"""A miniature export in the importer's format."""

import csv
import zipfile
from pathlib import Path

from listings.importing.report import ImportReport
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


def counts(report: ImportReport, source: str) -> dict[str, int]:
    return {outcome: number for (of, outcome), number in report.outcomes.items() if of == source and number}
