"""Files that are corrupted under a running process, and full disks."""

import http.client
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.utils import timezone

from recommendations.encoders import selection
from recommendations.indexing import compaction, embedding_jobs
from recommendations.replica import generations
from tests import factories
from tests.faults.conftest import assert_agrees, children_of, limit_files
from tests.flows.conftest import eventually

EVERY = 5  # one bit is flipped in every so many bytes


@pytest.fixture
def sofas(encoder, alice):
    """Twenty embedded sofas in two index generations."""
    made = [factories.listing(alice, f"Blue sofa {number}") for number in range(20)]
    factories.photo(made[0])
    embedding_jobs.embed_claimed_batches(clock=timezone.now)
    for _ in range(2):
        compaction.rebuild()
    return made


def newest_folder():
    version = selection.active_encoder().version
    number = generations.newest_number(version)
    return generations.settings.INDEX_ROOT / version / f"{number:08d}"


class TestWhatAGenerationSaysOfItself:
    def test_a_flipped_bit_in_a_generations_metadata_falls_back_to_the_generation_before(self, sofas):
        file = newest_folder() / "meta.json"
        whole = file.read_bytes()
        for place in range(0, len(whole), EVERY):
            flipped = bytearray(whole)
            flipped[place] ^= 1
            file.write_bytes(flipped)
            assert generations.newest(selection.active_encoder().version).number == 1, flipped
        assert generations.newest_seq(selection.active_encoder().version) is None
        assert_agrees(20)


@pytest.mark.django_db(transaction=True)
class TestFilesThatAreCutShortUnderAProcess:
    def test_a_process_whose_index_files_are_cut_short_is_replaced_by_one_that_serves_every_listing(
        self, installation, sofas
    ):
        installation.serve()
        path = f"/api/v1/listings/{sofas[0].external_id}/similar/?limit=50"

        def finds_all() -> bool:
            try:
                with ThreadPoolExecutor(16) as threads:  # enough that both processes receive some
                    replies = list(threads.map(installation.get, [path] * 32))
            except (OSError, http.client.HTTPException):
                return False
            return all(status == 200 and len(page["items"]) == 19 for status, page in replies)

        eventually(finds_all, "every sofa is found")
        web = installation.running[-1].pid
        before = set(children_of(web))
        for name in generations.FILES:
            os.truncate(newest_folder() / name, 0)
        eventually(lambda: finds_all() and not before & set(children_of(web)), "others took their place")
        assert_agrees(20)
        compaction.rebuild()
        eventually(finds_all, "every sofa is found in the new generation")
        assert_agrees(20)


def photo_files(installation) -> set[Path]:
    return set((installation.folder / "media").rglob("*.jpg"))


@pytest.mark.django_db(transaction=True)
class TestAFullDisk:
    def test_an_index_rebuilt_on_a_full_disk_is_refused_and_the_one_before_serves(self, installation, sofas):
        forking = installation.forking()
        forking.fill_disk()
        before = newest_folder()
        assert forking.run("rebuild_index") == 1
        assert newest_folder() == before
        assert_agrees(20)

    def test_a_photo_on_a_full_disk_is_refused_until_there_is_room_and_leaves_no_file(
        self, installation, sofas, key
    ):
        installation.serve()
        path = f"/api/v1/listings/{sofas[1].external_id}/photos/"
        everybody = [installation.running[-1].pid, *children_of(installation.running[-1].pid)]
        before = photo_files(installation)
        for pid in everybody:
            limit_files(pid, 0)
        status, reply = installation.post_photo(path, factories.picture(), **key)
        assert (status, reply["detail"]) == (503, "Photos cannot be stored just now.")
        assert photo_files(installation) == before
        for pid in everybody:
            limit_files(pid, resource.RLIM_INFINITY)
        assert installation.post_photo(path, factories.picture(), **key)[0] == 201
