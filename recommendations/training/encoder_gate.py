"""Comparison of a trained encoder with the one in service, before it may take its place.

A new encoder is refused if it is worse beyond chance: if fewer of the most similar listings share the full
category of the listing that they are similar to. If too few listings can be compared it is published without
a verdict, as a collaborative model is.
"""

from typing import Any

import numpy as np

from ml.arrays import Matrix, Rows, Vector
from ml.encoder.blocks import Blocks, Comparison
from ml.evaluation.off_policy import cluster_interval
from recommendations.model_registry.gate import SEED, GateVerdict, rounded_bounds
from recommendations.models.embeddings import ListingEmbedding
from recommendations.models.vector_format import decode_vectors
from recommendations.training.encoder_dataset import EncoderDataset

SIMILAR = 10
CHUNK = 200
MOST_CASES = 2_000  # of the held-out listings; more do not sharpen the verdict
# The precision of one listing differs between two encoders by about .2 (standard deviation). The mean over
# 100 listings is known to 4 to 6 points; over 30 to 8, which is as much as a good training gains.
LEAST_CASES = 100
# Listings of one category share their neighbours and become better or worse together, so that whole
# categories are drawn anew. The percentile bootstrap refuses an equal encoder in 2.5 % of cases with many
# clusters, in 5 % with 10, and more often with fewer.
LEAST_CATEGORIES = 10


def judge(
    material: EncoderDataset, candidate: Matrix, blocks: Blocks, active: tuple[str, Blocks] | None
) -> GateVerdict:
    """Compare the candidate's vectors (n, D) of the material with the stored ones of the active encoder.

    The measure is the share of the ten most similar listings that have the full category path of the query
    listing. Query listings are those that no encoder is trained on. Both encoders search the listings that
    the active one has vectors of, so that neither finds more because it has more to search.
    active: version and blocks of the active encoder, None if there is none to compare with.

    Refused is a candidate whose mean difference has a 95 % interval below 0, by a paired bootstrap over the
    categories of the query listings. With fewer than LEAST_CASES query listings, or LEAST_CATEGORIES
    categories of them, it is accepted.
    """
    if active is None:
        return _not_judged(material, candidate, blocks, "Not judged: no encoder in service can be compared.")
    version, active_blocks = active
    stored, is_stored = _stored(material, version, active_blocks)
    paths, cases = np.array(material.paths)[is_stored], _cases(material.held_out[is_stored])
    categories = np.unique(paths[cases], return_inverse=True)[1]  # (c,) int64
    category_count = len(np.unique(categories))
    too_few = _too_few(len(cases), category_count)
    if not len(cases) or len(paths) <= SIMILAR:
        return _not_judged(material, candidate, blocks, too_few)
    new = leaf_precision(candidate[is_stored], blocks, paths, cases)
    old = leaf_precision(stored[is_stored], active_blocks, paths, cases)
    metrics: dict[str, Any] = {
        "judged_listings": len(cases),
        "judged_categories": category_count,
        "leaf_precision10": _mean(new),
        "leaf_precision10_active": _mean(old),
    }
    if too_few:
        return GateVerdict(True, f"{too_few} {_figures(metrics)}", metrics)
    interval = cluster_interval(np.random.default_rng(SEED))
    gain = rounded_bounds(interval(new - old, np.ones(len(cases)), categories))
    is_worse = gain[1] < 0
    prefix = "Worse than the active encoder: " if is_worse else ""
    return GateVerdict(not is_worse, prefix + _figures(metrics), metrics | {"gain_over_active": gain})


def _not_judged(material: EncoderDataset, candidate: Matrix, blocks: Blocks, reason: str) -> GateVerdict:
    """Accepted, with the candidate's own figure on all held-out listings."""
    precision = leaf_precision(candidate, blocks, np.array(material.paths), _cases(material.held_out))
    metrics = {"judged_listings": len(precision), "leaf_precision10": _mean(precision)}
    return GateVerdict(True, reason, metrics)


def _too_few(case_count: int, category_count: int) -> str:
    """The reason for not judging, empty if there are enough of both."""
    if case_count >= LEAST_CASES and category_count >= LEAST_CATEGORIES:
        return ""
    return (
        f"Not judged: too few to tell. The active encoder knows {case_count} held-out listings in "
        f"{category_count} categories; {LEAST_CASES} in {LEAST_CATEGORIES} are needed."
    )


def _figures(metrics: dict[str, Any]) -> str:
    return (
        f"Of the 10 most similar listings {metrics['leaf_precision10']:.1%} share the full category, "
        f"{metrics['leaf_precision10_active']:.1%} by the active encoder, on {metrics['judged_listings']} "
        "listings."
    )


def _cases(held_out: np.ndarray) -> Rows:
    """Rows of the newest held-out listings, since users search for what is sold now."""
    return np.flatnonzero(held_out)[-MOST_CASES:]


def leaf_precision(vectors: Matrix, blocks: Blocks, paths: np.ndarray, cases: Rows) -> Vector:
    """The share of the ten most similar rows that have the path of each case.   (n, D), (n,), (c,) -> (c,)

    float64; of fewer than ten other rows all are taken.
    """
    vectors = vectors.astype(np.float32)
    comparison = Comparison.of(blocks, vectors)
    numbers = np.unique(paths, return_inverse=True)[1]
    shares = np.empty(len(cases))
    count = min(SIMILAR, len(vectors) - 1)
    for start in range(0, len(cases), CHUNK):
        chunk = cases[start : start + CHUNK]
        scores = np.nan_to_num(comparison.likeness(vectors[chunk], vectors), nan=-np.inf)
        scores[np.arange(len(chunk)), chunk] = -np.inf
        similar = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        shares[start : start + CHUNK] = (numbers[similar] == numbers[chunk][:, None]).mean(axis=1)
    return shares


def _stored(material: EncoderDataset, version: str, blocks: Blocks) -> tuple[Matrix, np.ndarray]:
    """Vectors of the active encoder, (n, D) float16, and which of them exist, (n,) bool; others are zeros."""
    rows = dict(zip(material.listing_ids.tolist(), range(len(material)), strict=True))
    embeddings = ListingEmbedding.objects.filter(encoder_version=version, listing__in=rows)
    vectors, known = np.zeros((len(rows), blocks.dimension), np.float16), np.zeros(len(rows), bool)
    for pk, vector in embeddings.values_list("listing_id", "vector").iterator():
        vectors[rows[pk]], known[rows[pk]] = decode_vectors([vector], blocks.dimension)[0], True
    return vectors, known


def _mean(values: Vector) -> float:
    return round(float(np.nanmean(values)), 4) if len(values) else 0.0
