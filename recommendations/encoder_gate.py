"""Whether a trained encoder may serve: not if similar listings become less similar by it."""

import numpy as np

from ml.arrays import Matrix, Rows, Vector
from ml.blocks import Blocks, Comparison
from ml.metrics import bootstrap_difference
from recommendations.columns import vectors_from
from recommendations.encoder_material import CatalogueMaterial
from recommendations.gate import LEAST_CASES, SEED, Verdict
from recommendations.models import ListingEmbedding

SIMILAR = 10
CHUNK = 200
MOST_CASES = 2_000  # of the held-out listings; more do not sharpen the verdict


def judge(
    material: CatalogueMaterial, candidate: Matrix, blocks: Blocks, active: tuple[str, Blocks] | None
) -> Verdict:
    """Compare the candidate's vectors (n, D) of the material with those stored of the active encoder.

    Measured is the share of the ten most similar listings that have the full category path of the one asked
    about, on listings that no encoder ever learned from. Both search the listings that the active encoder has
    vectors of, so that neither finds more for having more to search. active: its version and blocks.
    """
    paths = np.array(material.paths)
    stored, known = _stored(material, *active) if active else (candidate, np.zeros(len(paths), bool))
    cases = _cases(material.held_out[known])
    if len(cases) < LEAST_CASES:
        new = leaf_precision(candidate, blocks, paths, _cases(material.held_out))
        known_now = f"{len(cases)} listings to ask about are known to an encoder in service"
        reason = f"Not judged: {known_now}, fewer than {LEAST_CASES}."
        return Verdict(True, reason, {"judged_listings": len(new), "leaf_precision10": _mean(new)})
    new = leaf_precision(candidate[known], blocks, paths[known], cases)
    old = leaf_precision(stored[known], active[1], paths[known], cases)
    low, high = bootstrap_difference(new, old, rng=np.random.default_rng(SEED))
    metrics = {
        "judged_listings": len(cases),
        "leaf_precision10": _mean(new),
        "leaf_precision10_active": _mean(old),
        "gain_over_active": [round(low, 4), round(high, 4)],
    }
    said = (
        f"Of the 10 most similar listings {_mean(new):.1%} share the full category, {_mean(old):.1%} by the "
        f"active encoder, on {len(cases)} listings."
    )
    return Verdict(high >= 0, said if high >= 0 else f"Worse than the active encoder: {said}", metrics)


def _cases(held_out: np.ndarray) -> Rows:
    """Places of the newest that were held out: what is sold now is what will be asked about."""
    return np.flatnonzero(held_out)[-MOST_CASES:]


def leaf_precision(vectors: Matrix, blocks: Blocks, paths: np.ndarray, cases: Rows) -> Vector:
    """Of each case (c,) the share of its ten most similar rows that have its path.   -> (c,) float64"""
    wide = vectors.astype(np.float32)
    comparison = Comparison.of(blocks, wide)
    numbers = np.unique(paths, return_inverse=True)[1]
    shares = np.empty(len(cases))
    count = min(SIMILAR, len(wide) - 1)
    for start in range(0, len(cases), CHUNK):
        some = cases[start : start + CHUNK]
        scores = np.nan_to_num(comparison.likeness(wide[some], wide), nan=-np.inf)
        scores[np.arange(len(some)), some] = -np.inf
        similar = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        shares[start : start + CHUNK] = (numbers[similar] == numbers[some][:, None]).mean(axis=1)
    return shares


def _stored(material: CatalogueMaterial, version: str, blocks: Blocks) -> tuple[Matrix, np.ndarray]:
    """Vectors of the active encoder, (n, D) float16 with zeros where there is none, and which are known."""
    rows = dict(zip(material.listing_ids.tolist(), range(len(material)), strict=True))
    found = ListingEmbedding.objects.filter(encoder_version=version, listing__in=rows)
    vectors, known = np.zeros((len(rows), blocks.dimension), np.float16), np.zeros(len(rows), bool)
    for pk, vector in found.values_list("listing_id", "vector").iterator():
        vectors[rows[pk]], known[rows[pk]] = vectors_from([vector], blocks.dimension)[0], True
    return vectors, known


def _mean(values: Vector) -> float:
    return round(float(np.nanmean(values)), 4) if len(values) else 0.0
