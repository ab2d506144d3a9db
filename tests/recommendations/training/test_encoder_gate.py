import numpy as np
import pytest
from django.utils import timezone

from listings.batches.listings import ListingRow, upsert_batch
from ml.encoder.blocks import Blocks
from recommendations.models.embeddings import ListingEmbedding
from recommendations.training.encoder_dataset import EncoderDataset
from recommendations.training.encoder_gate import LEAST_CASES, LEAST_CATEGORIES, judge, leaf_precision

BLOCKS = Blocks(look=2, meaning=2, words=16)
ACTIVE = ("active", BLOCKS)
COUNT, CATEGORY_COUNT = 360, 12
CATEGORIES = np.arange(COUNT) % CATEGORY_COUNT
PATHS = np.array([f"Things / {category}" for category in CATEGORIES])
HELD_OUT = np.arange(COUNT) // CATEGORY_COUNT % 3 == 0  # ten of each category


def pointing(ways: np.ndarray) -> np.ndarray:
    """Vectors (n, 20) float16 of words alone, which point one of sixteen ways."""
    vectors = np.zeros((len(ways), BLOCKS.dimension), np.float16)
    vectors[np.arange(len(ways)), 4 + ways] = 1
    return vectors


def aside(angles: np.ndarray) -> np.ndarray:
    """Vectors (n, 20) float32 that point where no path does."""
    vectors = np.zeros((len(angles), BLOCKS.dimension), np.float32)
    vectors[:, 18], vectors[:, 19] = np.cos(angles), np.sin(angles)
    return vectors


def led_astray(rows: np.ndarray) -> np.ndarray:
    """What is good but for these: they lie beside listings of other categories."""
    vectors = GOOD.astype(np.float32)
    others = (CATEGORIES[rows] + 1 + np.arange(len(rows)) % (CATEGORY_COUNT - 1)) % CATEGORY_COUNT
    vectors[rows] = 0.9 * pointing(others) + 0.19**0.5 * aside(np.arange(len(rows)) * 2.4)
    return vectors


GOOD = pointing(CATEGORIES)
BAD = pointing(np.arange(COUNT) // 30)  # as many ways, each of them a mixture of all categories


@pytest.fixture
def material(db) -> EncoderDataset:
    """Of 360 listings in twelve categories 120 are held out, more than the gate needs."""
    rows = [
        ListingRow(f"thing-{number:03}", "stallholder", f"Thing {number}", path, price=1)
        for number, path in enumerate(PATHS)
    ]
    ids = [result.listing_id for result in upsert_batch(rows=rows, now=timezone.now())]
    return EncoderDataset(
        listing_ids=np.array(ids, np.int64),
        titles=[row.title for row in rows],
        descriptions=[""] * COUNT,
        roots=["Things"] * COUNT,
        paths=PATHS.tolist(),
        held_out=HELD_OUT.copy(),
        features=np.empty((0, 2), np.float16),
        owners=np.empty(0, np.int64),
        sentences=None,
    )


def serve(material, vectors, known=COUNT) -> None:
    """The active encoder has embedded the first of them so."""
    ListingEmbedding.objects.bulk_create(
        ListingEmbedding(
            listing_id=pk, encoder_version="active", content_version=1, vector=row.astype("<f2").tobytes()
        )
        for pk, row in list(zip(material.listing_ids.tolist(), vectors, strict=True))[:known]
    )


def hold_out(material, case_count: int, category_count: int = CATEGORY_COUNT) -> None:
    """So many listings, in turn of each of the first categories."""
    material.held_out[:] = False
    material.held_out[np.flatnonzero(np.isin(CATEGORIES, range(category_count)))[:case_count]] = True


class TestLeafPrecision:
    def test_leaf_precision_is_the_share_of_the_ten_most_similar_of_the_same_path(self):
        assert leaf_precision(GOOD, BLOCKS, PATHS, np.arange(COUNT)).tolist() == [1] * COUNT
        worse = leaf_precision(BAD, BLOCKS, PATHS, np.arange(COUNT))
        assert 0.02 < worse.mean() < 0.15, "a twelfth would be chance"

    def test_a_listing_does_not_count_for_its_own_leaf_precision(self):
        alone = pointing(np.arange(3))
        assert leaf_precision(alone, BLOCKS, np.array(["a", "b", "c"]), np.arange(3)).tolist() == [0] * 3


class TestVerdict:
    def test_an_encoder_worse_than_the_active_one_is_refused_with_the_figures(self, material):
        serve(material, GOOD)
        verdict = judge(material, BAD, BLOCKS, ACTIVE)
        assert not verdict.accepted
        assert "Worse than the active encoder" in verdict.reason and "100.0% by the active" in verdict.reason
        assert verdict.metrics["leaf_precision10"] < verdict.metrics["leaf_precision10_active"] == 1
        assert verdict.metrics["gain_over_active"][1] < 0
        assert (verdict.metrics["judged_listings"], verdict.metrics["judged_categories"]) == (120, 12)

    @pytest.mark.parametrize("stored", [GOOD, BAD], ids=["as good", "better"])
    def test_an_encoder_that_is_no_worse_than_the_active_one_is_accepted(self, material, stored):
        serve(material, stored)
        assert judge(material, GOOD, BLOCKS, ACTIVE).accepted

    def test_listings_that_encoders_learn_from_do_not_judge_them(self, material):
        """It has learnt its own by heart, and nothing else."""
        serve(material, GOOD)
        heart = np.where(material.held_out[:, None], BAD, GOOD)
        assert not judge(material, heart, BLOCKS, ACTIVE).accepted

    def test_encoders_with_blocks_of_different_size_are_compared(self, material):
        serve(material, GOOD)
        wider = Blocks(look=2, meaning=2, words=24)
        assert judge(material, np.pad(GOOD, ((0, 0), (0, 8))), wider, ACTIVE).accepted

    def test_encoders_are_compared_on_listings_that_both_have_embedded(self, material):
        """Listings of other categories that say the same would only stand in the candidate's way."""
        vectors, angles = GOOD.copy(), np.arange(120) * 2.4
        vectors[:120] = (vectors[:120] + 0.4 * aside(angles)) / np.sqrt(1.16)
        serve(material, vectors, known=120)
        material.paths[120:] = [f"Other / {number}" for number in range(240)]
        material.held_out[:] = True
        verdict = judge(material, vectors, BLOCKS, ACTIVE)
        assert verdict.metrics["gain_over_active"] == [0, 0]
        assert verdict.metrics["leaf_precision10"] == 0.9, "there are nine others"

    def test_the_gate_of_encoders_resamples_whole_categories(self, material):
        """What is lost in a single category may be chance; as much lost in each of them is not."""
        serve(material, GOOD)
        in_one, in_all = np.flatnonzero(CATEGORIES == 0), np.arange(CATEGORY_COUNT)
        one, each = (judge(material, led_astray(rows), BLOCKS, ACTIVE) for rows in (in_one, in_all))
        assert one.metrics["leaf_precision10"] < each.metrics["leaf_precision10_active"] == 1
        assert one.accepted and one.metrics["gain_over_active"][1] == 0
        assert not each.accepted


class TestNotJudged:
    def test_an_encoder_without_a_rival_is_published_unjudged(self, material):
        verdict = judge(material, BAD, BLOCKS, None)
        assert verdict.accepted
        assert verdict.reason == "Not judged: no encoder in service can be compared."
        assert verdict.metrics["judged_listings"] == 120
        assert 0 < verdict.metrics["leaf_precision10"] < 1

    @pytest.mark.parametrize("known", [0, 1, 10])
    def test_an_encoder_is_published_unjudged_where_the_active_one_knows_few_listings(self, material, known):
        """They are fewer than the similar listings that would be counted."""
        serve(material, GOOD, known=known)
        verdict = judge(material, BAD, BLOCKS, ACTIVE)
        assert verdict.accepted and verdict.reason.startswith("Not judged: too few to tell. ")
        assert f" knows {known} held-out listings in {known} categories" in verdict.reason
        assert verdict.metrics["judged_listings"] == 120
        assert "leaf_precision10_active" not in verdict.metrics

    def test_an_encoder_is_published_unjudged_where_the_active_one_knows_no_held_out_listing(self, material):
        material.held_out[:] = np.arange(COUNT) >= 240
        serve(material, GOOD, known=240)
        verdict = judge(material, BAD, BLOCKS, ACTIVE)
        assert verdict.accepted and " knows 0 held-out listings in 0 categories" in verdict.reason
        assert "leaf_precision10_active" not in verdict.metrics

    @pytest.mark.parametrize(
        ("case_count", "category_count", "is_judged"),
        [
            (33, CATEGORY_COUNT, False),
            (LEAST_CASES - 1, CATEGORY_COUNT, False),
            (LEAST_CASES, CATEGORY_COUNT, True),
            (LEAST_CASES, LEAST_CATEGORIES, True),
            (LEAST_CASES, LEAST_CATEGORIES - 1, False),
        ],
    )
    def test_an_encoder_is_judged_only_with_enough_listings_and_categories(
        self, material, case_count, category_count, is_judged
    ):
        """A candidate that could not be worse is refused where both are, and else published."""
        serve(material, GOOD)
        hold_out(material, case_count, category_count)
        verdict = judge(material, BAD, BLOCKS, ACTIVE)
        assert verdict.accepted != is_judged
        few = f"Not judged: too few to tell. The active encoder knows {case_count} held-out listings in "
        assert verdict.reason.startswith("Worse than" if is_judged else f"{few}{category_count} categories")
        assert ("gain_over_active" in verdict.metrics) == is_judged

    def test_both_leaf_precisions_are_kept_of_an_encoder_published_unjudged(self, material):
        serve(material, GOOD)
        hold_out(material, LEAST_CASES - 1)
        verdict = judge(material, BAD, BLOCKS, ACTIVE)
        assert verdict.metrics["leaf_precision10"] < verdict.metrics["leaf_precision10_active"] == 1
        assert (verdict.metrics["judged_listings"], verdict.metrics["judged_categories"]) == (99, 12)
        assert verdict.reason.endswith(f"100.0% by the active encoder, on {LEAST_CASES - 1} listings.")
