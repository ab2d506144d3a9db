"""The benchmark on adverts, on a folder of drawn ones whose categories are plain to see."""

import csv
import zipfile
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from benchmarks import installation
from benchmarks.adverts import joined, read_adverts
from benchmarks.gumtree import __main__
from ml.encoder.head_modules import HeadOptions
from ml.vision.backbone import build_classifier
from tests.recommendations import pictures

KINDS = [
    ("Home & Garden / Sofas", ["Velvet sofa", "Leather sofa", "Corner sofa", "Sofa bed"]),
    ("Sports / Bicycles", ["Mountain bicycle", "Folding bicycle", "Road bicycle", "Childs bicycle"]),
    ("Music / Guitars", ["Acoustic guitar", "Electric guitar", "Bass guitar", "Classical guitar"]),
]
COUNT = 72


@pytest.fixture(scope="module")
def adverts_folder(tmp_path_factory):
    """Two photos an advert; the adverts of one category are of one colour."""
    folder = tmp_path_factory.mktemp("adverts")
    with (
        (folder / "Products.csv").open("w", newline="") as products,
        (folder / "Images.csv").open("w", newline="") as images,
        zipfile.ZipFile(folder / "images_fb.zip", "w") as photos,
    ):
        product_rows, image_rows = csv.writer(products), csv.writer(images)
        product_rows.writerow(
            ["", "id", "product_name", "category", "product_description", "price", "location"]
        )
        image_rows.writerow(["", "id", "product_id"])
        for number in range(COUNT):
            path, titles = KINDS[number % 3]
            title = f"{titles[number % 4]} {number}"
            text = f"A {title} for sale in good order."
            product_rows.writerow(
                [number, f"advert-{number}", title, path, text, "£50.00", "Leeds, Yorkshire"]
            )
            for side in range(2):
                image_rows.writerow([2 * number + side, f"photo-{number}-{side}", f"advert-{number}"])
                photos.writestr(f"images_fb/photo-{number}-{side}.jpg", _photo(number, side))
    return folder


def _photo(number: int, side: int) -> bytes:
    picture = np.asarray(pictures.scene(number).resize((96, 72))).astype(int)
    picture[..., number % 3] += 150
    picture[:, : 8 * side] = 0
    return pictures.saved(Image.fromarray(picture.clip(0, 255).astype(np.uint8)))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(3)
    file = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(build_classifier("mobilenet_v2", 10).state_dict(), file, {"input_size": "64"})
    return file


@pytest.fixture
def one_seed(monkeypatch):
    """On the servers of the tests, and once."""
    monkeypatch.setattr(__main__, "SEEDS", (0,))
    monkeypatch.setattr(__main__, "HeadOptions", partial(HeadOptions, epochs=8))
    torch.set_num_threads(1)
    monkeypatch.setattr(installation, "servers", nullcontext)


def test_the_gumtree_benchmark_measures_every_figure_and_tells_plain_categories_apart(
    transactional_db, one_seed, adverts_folder, weights
):
    figures = __main__.benchmark(adverts_folder, None, weights)
    assert figures.keys() == {
        *("photo_accuracy", "words_accuracy", "both_accuracy", "photo_accuracy_random_split"),
        *("sibling_r1", "sibling_r10", "title_to_photo_r10", "leaf_precision10", "search_mrr10"),
        *("calibration_error", "train_s"),
    }
    assert figures["words_accuracy"] > 0.8
    assert figures["both_accuracy"] > 0.8
    assert figures["search_mrr10"] > 0.1
    assert 0 <= figures["calibration_error"] <= 1


def test_photos_are_joined_to_their_adverts_over_two_folders(adverts_folder):
    adverts = read_adverts(adverts_folder)
    assert (len(adverts), len(adverts.photos)) == (COUNT, 2 * COUNT)
    assert adverts.roots[1] == "Sports"
    both = joined(adverts, adverts)
    assert both.owners[-1] == 2 * COUNT - 1
    assert both.open_photos([0])[0].read() == both.open_photos([2 * COUNT])[0].read()


def test_the_test_split_has_the_same_share_of_each_category():
    labels = ["a"] * 80 + ["b"] * 20 + ["one of its kind"]
    part = __main__.stratified(labels, 0.1, seed=0)
    assert part[:80].sum() == 8
    assert part[80:100].sum() in (2, 3)
    assert np.array_equal(part, __main__.stratified(labels, 0.1, seed=0))
