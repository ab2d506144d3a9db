"""Metrics of an encoder on held-out adverts: categories, photos of one advert, and search."""

from collections import Counter
from dataclasses import replace

import numpy as np

from benchmarks.gumtree.search import Searched
from ml.arrays import Matrix, Rows
from ml.encoder.blocks import Comparison
from ml.encoder.classifier import calibration_error
from ml.encoder.joint import JointEncoder
from ml.encoder.text import SentenceEncoder, content_words
from ml.encoder.training import EncoderTrainingData, subset
from ml.evaluation.retrieval_metrics import first_hit_ranks
from recommendations.training.encoder_gate import leaf_precision

SIMILAR = 10
CHUNK = 200


def measure(
    encoder: JointEncoder,
    material: EncoderTrainingData,
    is_test: np.ndarray,
    sentences: SentenceEncoder,
    searched: Searched,
) -> dict[str, float]:
    """All metrics of the test listings (n,) bool, among all listings."""
    coded = encoder.encode(
        material.features, material.owners, material.titles, material.descriptions, material.sentences
    )
    vectors, photos = (part.astype(np.float32) for part in (coded.listings, coded.photos))
    queries = _as_queries(encoder, material, material.titles)
    shares = leaf_precision(vectors, encoder.blocks, np.array(material.paths), np.flatnonzero(is_test))
    return (
        _categories(encoder, material, is_test)
        | _siblings(encoder, photos, material.owners, is_test)
        | {
            "title_to_photo_r10": _titles_to_photos(encoder, queries, photos, material, is_test),
            "leaf_precision10": float(shares.mean()),
            "search_mrr10": _search(encoder, vectors, material, is_test, sentences, searched),
        }
    )


def photo_accuracy(encoder: JointEncoder, material: EncoderTrainingData, is_test_photo: np.ndarray) -> float:
    """Accuracy of the root category of these photos (p,) bool, each classified by itself."""
    features = material.features[is_test_photo]
    nothing = [""] * len(features)
    sentences = None if material.sentences is None else np.zeros((len(features), material.sentences.shape[1]))
    evidence = encoder.evidence(features, np.arange(len(features)), nothing, nothing, sentences)
    return _accuracy(
        encoder.classifier.roots(evidence), _numbers(encoder, material)[material.owners[is_test_photo]]
    )


def _categories(
    encoder: JointEncoder, material: EncoderTrainingData, is_test: np.ndarray
) -> dict[str, float]:
    held = subset(material, is_test)
    numbers = _numbers(encoder, held)
    words = encoder.evidence(
        held.features[:0], held.owners[:0], held.titles, held.descriptions, held.sentences
    )
    both = encoder.evidence(held.features, held.owners, held.titles, held.descriptions, held.sentences)
    probabilities = encoder.classifier.roots(both)
    return {
        "photo_accuracy": photo_accuracy(encoder, material, is_test[material.owners]),
        "words_accuracy": _accuracy(encoder.classifier.roots(words), numbers),
        "both_accuracy": _accuracy(probabilities, numbers),
        "calibration_error": calibration_error(probabilities, numbers),
    }


def _numbers(encoder: JointEncoder, material: EncoderTrainingData) -> Rows:
    """The number of each listing's root category, -1 for one that the encoder was not trained on."""
    known = {name: number for number, name in enumerate(encoder.classifier.labels.roots)}
    return np.array([known.get(root, -1) for root in material.roots])


def _accuracy(probabilities: Matrix, numbers: Rows) -> float:
    return float((probabilities.argmax(axis=1) == numbers).mean())


def _siblings(encoder: JointEncoder, photos: Matrix, owners: Rows, is_test: np.ndarray) -> dict[str, float]:
    """Recall@1 and @10 of the other photo of a listing by a photo, among all photos."""
    weighted = _weighted_photos(encoder, photos)
    queries = np.flatnonzero(is_test[owners] & (np.bincount(owners)[owners] > 1))
    first_ranks = first_hit_ranks(weighted[queries], weighted, owners[queries], owners, own=queries)
    return {f"sibling_r{k}": float((first_ranks <= k).mean()) for k in (1, 10)}


def _weighted_photos(encoder: JointEncoder, photos: Matrix) -> Matrix:
    look, meaning = np.sqrt(encoder.blocks.photo_weights[:2])
    edge = encoder.blocks.look
    return np.hstack([look * photos[:, :edge], meaning * photos[:, edge:]])


def _as_queries(encoder: JointEncoder, material: EncoderTrainingData, queries: list[str]) -> Matrix:
    """Vectors of listings' titles as queries: (n, D) float32"""
    none = material.features[:0]
    coded = encoder.encode(
        none, material.owners[:0], queries, [""] * len(queries), material.titles_as_queries
    )
    return coded.listings.astype(np.float32)


def _titles_to_photos(
    encoder: JointEncoder, queries: Matrix, photos: Matrix, material: EncoderTrainingData, is_test: np.ndarray
) -> float:
    """Recall@10 of a listing by its title, with listings ranked by their photos alone."""
    meaning = encoder.blocks.slices[1]
    rows = np.flatnonzero(is_test & (np.bincount(material.owners, minlength=len(is_test)) > 0))
    shown = photos[:, meaning]
    hits = 0
    for start in range(0, len(rows), CHUNK):
        batch = rows[start : start + CHUNK]
        by_photo = queries[batch][:, meaning] @ shown.T  # (c, p)
        best = np.full((len(batch), len(is_test)), -np.inf, np.float32)
        for row in range(len(batch)):
            np.maximum.at(best[row], material.owners, by_photo[row])
        own = best[np.arange(len(batch)), batch]
        hits += int(((best > own[:, None]).sum(axis=1) < SIMILAR).sum())
    return hits / len(rows)


def _search(
    encoder: JointEncoder,
    vectors: Matrix,
    material: EncoderTrainingData,
    is_test: np.ndarray,
    sentences: SentenceEncoder,
    searched: Searched,
) -> float:
    """Mean reciprocal rank@10 of a listing by its title without the rarest word."""
    rows = np.flatnonzero(is_test)
    queries = _without_rarest_word(material, rows)
    nothing = [""] * len(queries)
    none = material.features[:0], material.owners[:0]
    coded = encoder.encode(*none, queries, nothing, sentences.read(queries, nothing))
    likeness = _query_scores(encoder, coded.listings.astype(np.float32), vectors)
    places = [
        _place(searched.find(query, similarity, encoder.blocks.least_likeness), row)
        for query, similarity, row in zip(queries, likeness, rows, strict=True)
    ]
    return float(np.mean([1 / place if place <= SIMILAR else 0.0 for place in places]))


def _without_rarest_word(material: EncoderTrainingData, listings: Rows) -> list[str]:
    """The titles of these listings, each without the word that the fewest listings have."""
    texts = [
        set(content_words(f"{title} {text}").split())
        for title, text in zip(material.titles, material.descriptions, strict=True)
    ]
    counts = Counter(word for words in texts for word in words)
    queries = []
    for row in listings:
        words = content_words(material.titles[row]).split() or material.titles[row].split()
        rarest = min(words, key=lambda word: counts[word])
        queries.append(" ".join(word for word in words if word != rarest) or words[0])
    return queries


def _query_scores(encoder: JointEncoder, questions: Matrix, vectors: Matrix) -> Matrix:
    """Similarity of queries of words alone and listings, as in serving.   -> (q, n) float32"""
    usual = Comparison.of(encoder.blocks, vectors)
    comparison = replace(usual, weights=np.array(encoder.blocks.words_weights, np.float32))
    return np.nan_to_num(comparison.likeness(questions, vectors), nan=-np.inf)


def _place(rows: Rows, row: int) -> float:
    positions = np.flatnonzero(rows == row)
    return float(positions[0]) + 1 if len(positions) else np.inf
