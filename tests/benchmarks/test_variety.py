"""The benchmark of variety on four kinds of adverts, each of a root category of its own."""

import csv

import pytest

from benchmarks import stored_adverts, variety
from benchmarks.protocol import BadData
from listings.models import Place
from tests import factories

PATHS = ("Home / Sofas", "Sports / Bicycles", "Music / Strings / Guitars", "Garden / Tools")
EACH = 8


@pytest.fixture
def adverts(tmp_path):
    (tmp_path / "images").mkdir()
    header = ["id", "product_name", "category", "product_description", "price", "location"]
    names = [(f"{place}-{number}", path) for place, path in enumerate(PATHS) for number in range(EACH)]
    with (tmp_path / "Products.csv").open("w", newline="") as products:
        writer = csv.writer(products, lineterminator="\n")
        writer.writerow(header)
        for name, path in names:
            writer.writerow([name, f"{path.split(' / ')[-1]} {name}", path, "Fine.", "£50.00", "Leeds"])
    (tmp_path / "Images.csv").write_text("id,product_id\n" + "".join(f"p{n},{n}\n" for n, _ in names))
    for name, _ in names:
        (tmp_path / "images" / f"p{name}.jpg").write_bytes(factories.picture("navy"))
    return tmp_path


@pytest.fixture
def stage(transactional_db, weights_file, monkeypatch):
    """A very small backbone, and a gazetteer of one town."""
    monkeypatch.setattr(stored_adverts, "BACKBONE", "shufflenet_v2_x0_5")
    Place.objects.create(name="Leeds", country="GB", latitude=53.8, longitude=-1.5, population=500_000)
    return weights_file


class TestFigures:
    def test_pages_hold_every_interest_in_even_shares_for_true_reasons(self, adverts, stage, monkeypatch):
        monkeypatch.setattr(variety, "LEAST_LISTINGS", 5)
        figures = variety.measured(adverts, stage, None, actor_count=6)
        assert figures["present"] == 1
        assert figures["largest"] <= 0.4
        assert figures["off"] == 0
        assert figures["reasons_with_evidence"] > 0
        assert figures["true_reasons"] == 1

    def test_too_few_root_categories_are_refused(self, adverts, stage):
        with pytest.raises(BadData, match="0 root categories"):
            variety.measured(adverts, stage, None, actor_count=1)
