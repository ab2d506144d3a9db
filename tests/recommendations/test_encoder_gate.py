import numpy as np
import pytest
from django.utils import timezone

from listings.batch import ListingRow, upsert_batch
from ml.blocks import Blocks
from recommendations.encoder_gate import judge, leaf_precision
from recommendations.encoder_material import CatalogueMaterial
from recommendations.models import ListingEmbedding

BLOCKS = Blocks(look=2, meaning=2, words=8)
ACTIVE = ("active", BLOCKS)
PATHS = np.array([f"Things / {number % 6}" for number in range(90)])


def by_path(numbers: np.ndarray) -> np.ndarray:
    """Vectors (n, 12) float16 of words alone, which point one of eight ways."""
    vectors = np.zeros((len(numbers), BLOCKS.dimension), np.float16)
    vectors[np.arange(len(numbers)), 4 + numbers] = 1
    return vectors


def aside(angles: np.ndarray) -> np.ndarray:
    """Vectors (n, 12) float32 that point where no path does."""
    vectors = np.zeros((len(angles), BLOCKS.dimension), np.float32)
    vectors[:, 10], vectors[:, 11] = np.cos(angles), np.sin(angles)
    return vectors


GOOD = by_path(np.arange(90) % 6)
BAD = by_path(np.arange(90) // 15)  # as many ways, each of them a mixture


@pytest.fixture
def material(db) -> CatalogueMaterial:
    """Ninety listings of six categories; of each three one judges."""
    rows = [
        ListingRow(f"thing-{number:02}", "stallholder", f"Thing {number}", path, price=1)
        for number, path in enumerate(PATHS)
    ]
    ids = [result.listing_id for result in upsert_batch(rows=rows, now=timezone.now())]
    return CatalogueMaterial(
        listing_ids=np.array(ids, np.int64),
        titles=[row.title for row in rows],
        descriptions=[""] * 90,
        roots=["Things"] * 90,
        paths=PATHS.tolist(),
        held_out=np.arange(90) % 3 == 0,
        features=np.empty((0, 2), np.float16),
        owners=np.empty(0, np.int64),
        sentences=None,
    )


def serve(material, vectors, known=90) -> None:
    """The active encoder has embedded the first of them so."""
    ListingEmbedding.objects.bulk_create(
        ListingEmbedding(
            listing_id=pk, encoder_version="active", content_version=1, vector=row.astype("<f2").tobytes()
        )
        for pk, row in list(zip(material.listing_ids.tolist(), vectors, strict=True))[:known]
    )


class TestLeafPrecision:
    def test_it_is_the_share_of_the_ten_most_similar_that_have_the_path(self):
        assert leaf_precision(GOOD, BLOCKS, PATHS, np.arange(90)).tolist() == [1] * 90
        worse = leaf_precision(BAD, BLOCKS, PATHS, np.arange(90))
        assert 0.1 < worse.mean() < 0.25, "a sixth would be chance"

    def test_a_listing_does_not_find_itself(self):
        alone = by_path(np.arange(3))
        assert leaf_precision(alone, BLOCKS, np.array(["a", "b", "c"]), np.arange(3)).tolist() == [0] * 3


class TestVerdict:
    def test_a_worse_one_is_refused_with_the_figures(self, material):
        serve(material, GOOD)
        verdict = judge(material, BAD, BLOCKS, ACTIVE)
        assert not verdict.accepted
        assert "Worse than the active encoder" in verdict.reason and "100.0% by the active" in verdict.reason
        assert verdict.metrics["leaf_precision10"] < verdict.metrics["leaf_precision10_active"] == 1
        assert verdict.metrics["gain_over_active"][1] < 0
        assert verdict.metrics["judged_listings"] == 30

    @pytest.mark.parametrize("stored", [GOOD, BAD], ids=["as good", "better"])
    def test_one_that_is_no_worse_is_accepted(self, material, stored):
        serve(material, stored)
        assert judge(material, GOOD, BLOCKS, ACTIVE).accepted

    def test_listings_that_encoders_learn_from_do_not_judge(self, material):
        """It has learnt its own by heart, and nothing else."""
        serve(material, GOOD)
        heart = np.where(material.held_out[:, None], BAD, GOOD)
        assert not judge(material, heart, BLOCKS, ACTIVE).accepted

    def test_blocks_may_differ_in_size(self, material):
        serve(material, GOOD)
        wider = Blocks(look=2, meaning=2, words=16)
        assert judge(material, np.pad(GOOD, ((0, 0), (0, 8))), wider, ACTIVE).accepted

    def test_neither_searches_what_the_other_does_not_know(self, material):
        """Listings of other categories that say the same would only stand in the candidate's way."""
        vectors, angles = GOOD.copy(), np.arange(60) * 2.4
        vectors[:60] = (vectors[:60] + 0.4 * aside(angles)) / np.sqrt(1.16)
        serve(material, vectors, known=60)
        material.paths[60:] = [f"Other / {number}" for number in range(30)]
        material.held_out[:] = np.arange(90) % 2 == 0
        verdict = judge(material, vectors, BLOCKS, ACTIVE)
        assert verdict.metrics["gain_over_active"] == [0, 0]
        assert verdict.metrics["leaf_precision10"] == 0.9, "there are nine others"


class TestNotJudged:
    def test_without_another_encoder(self, material):
        verdict = judge(material, BAD, BLOCKS, None)
        assert verdict.accepted and verdict.reason.startswith("Not judged")
        assert verdict.metrics["judged_listings"] == 30
        assert 0 < verdict.metrics["leaf_precision10"] < 1

    @pytest.mark.parametrize("known", [0, 1, 87])
    def test_with_few_listings_that_the_active_encoder_knows(self, material, known):
        """Chance would decide."""
        serve(material, GOOD, known=known)
        verdict = judge(material, BAD, BLOCKS, ACTIVE)
        assert verdict.accepted and verdict.reason.startswith(f"Not judged: {-(-known // 3)} listings")
        assert "leaf_precision10_active" not in verdict.metrics
