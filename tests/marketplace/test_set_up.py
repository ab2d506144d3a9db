"""Steps of the demo before it serves, and when they are repeated."""

import os
from pathlib import Path

import pytest

from marketplace.entry import CannotStart
from marketplace.set_up import Sources, Step, before_workers, holds_another_catalogue, with_workers


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder that holds what the importer needs."""
    for name in ("Products.csv", "Images.csv", "images_fb.zip"):
        (tmp_path / name).write_text("x")
    return tmp_path


@pytest.mark.parametrize("missing", ["Products.csv", "Images.csv", "images_fb.zip"])
def test_a_folder_without_a_file_of_the_importer_is_refused_in_one_line(folder, missing):
    Sources(folder, simulate=False).check()
    (folder / missing).unlink()
    with pytest.raises(CannotStart, match=missing) as refusal:
        Sources(folder, simulate=False).check()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("changed", ["Products.csv", "images_fb.zip"])
def test_the_fingerprint_of_a_catalogue_changes_with_each_of_its_files(folder, changed):
    before = Sources(folder, simulate=False).catalogue
    assert before == Sources(folder, simulate=True).catalogue
    os.utime(folder / changed, (0, 0))
    assert Sources(folder, simulate=False).catalogue != before


def test_a_finished_step_is_repeated_only_with_another_fingerprint(db):
    step = Step("places", "Places", "python manage.py load_places", fingerprint="GB")
    assert not step.is_finished()
    step.remember()
    assert step.is_finished()
    assert not Step("places", "Places", step.command, fingerprint="FR").is_finished()


def test_a_step_without_a_fingerprint_is_never_finished(db):
    step = Step("embeddings", "Embeddings", "python manage.py embed")
    step.remember()
    assert not step.is_finished()


def test_the_catalogue_is_drawn_without_a_folder_and_imported_from_one(db, folder):
    drawn = before_workers(Sources(None, simulate=True))[-1]
    imported = before_workers(Sources(folder, simulate=True))[-1]
    assert drawn.words == ["python", "manage.py", "draw_catalogue"]
    assert imported.words == ["python", "manage.py", "import_listings", str(folder)]


def test_a_model_is_trained_only_on_simulated_shoppers(db, encoder):
    assert with_workers(Sources(None, simulate=False)) == []
    assert [step.name for step in with_workers(Sources(None, simulate=True))] == ["shoppers", "training"]


def test_a_database_filled_from_other_sources_is_recognised(db, folder):
    drawn, imported = Sources(None, simulate=False), Sources(folder, simulate=False)
    assert not holds_another_catalogue(drawn)
    before_workers(drawn)[-1].remember()
    assert not holds_another_catalogue(drawn)
    assert holds_another_catalogue(imported)
