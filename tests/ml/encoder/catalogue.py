"""A small catalogue of four kinds of listing, for training the joint encoder."""

import numpy as np

from ml.encoder.head_modules import HeadOptions
from ml.encoder.joint import JointEncoder
from ml.encoder.training import (
    EncoderTrainingData,
)

KINDS = {
    "Home / Sofas": ["sofa", "velvet", "cushion", "couch", "corner"],
    "Home / Lamps": ["lamp", "shade", "bulb", "brass", "standing"],
    "Sports / Bicycles": ["bicycle", "gears", "saddle", "mountain", "wheel"],
    "Music / Guitars": ["guitar", "strings", "amplifier", "acoustic", "fender"],
}


COUNT, FEATURES = 240, 40


OPTIONS = HeadOptions(joint=16, photo_hidden=64, text_hidden=64, dropout=0.3, epochs=30, batch_size=64)


def catalogue(count: int = COUNT, seed: int = 2) -> EncoderTrainingData:
    """Listings of four kinds, most with two photos, every eighth with none."""
    rng = np.random.default_rng(seed)
    paths = [list(KINDS)[number] for number in rng.integers(0, len(KINDS), count)]
    look = np.random.default_rng(1).normal(size=(len(KINDS), FEATURES)) * 4
    own = rng.normal(size=(count, FEATURES))
    owners = np.repeat(np.arange(count), 2)
    owners = owners[owners % 8 != 0]
    places = np.array([list(KINDS).index(path) for path in paths])
    features = look[places[owners]] + own[owners] + 0.5 * rng.normal(size=(len(owners), FEATURES))
    words = [rng.permutation(KINDS[path])[:3] for path in paths]
    return EncoderTrainingData(
        backbone="drawn-1",
        text_encoder="",
        features=features.astype(np.float16),
        parts=(30, 10),
        owners=owners.astype(np.int64),
        titles=[" ".join(some[:2]) for some in words],
        descriptions=[" ".join(some) for some in words],
        sentences=None,
        roots=[path.split(" / ")[0] for path in paths],
        paths=paths,
    )


def encode(encoder: JointEncoder, material: EncoderTrainingData):
    return encoder.encode(
        material.features, material.owners, material.titles, material.descriptions, material.sentences
    )


def query(encoder: JointEncoder, words: str) -> np.ndarray:
    coded = encoder.encode(np.empty((0, FEATURES), np.float16), np.empty(0, np.int64), [words], [""])
    return coded.listings[0].astype(np.float32)
