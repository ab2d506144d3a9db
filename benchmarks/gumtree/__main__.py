"""Evaluation of the joint encoder on real adverts: categories, the other photo of an advert, search.

DIR holds Products.csv, Images.csv and photos, as `manage.py import_listings` reads them. Without a holdout a
tenth of the adverts, stratified by root category, is the test part. With one, the encoder is trained on all
of DIR and tested on DIR2, and searches cover both. Early stopping and calibration use adverts of the training
part. Features are MobileNetV2's. Heads are trained for each of three seeds, and the means are reported.
`photo_accuracy_random_split` holds out photos instead of adverts, as earlier projects on this data did. The
other photo of a test advert may be in training, so it is too optimistic and only there for comparison.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from benchmarks import adverts as files
from benchmarks import installation
from benchmarks.adverts import Adverts
from benchmarks.feed.photos import require_weights_beside
from benchmarks.gumtree.measures import measure, photo_accuracy
from benchmarks.gumtree.search import Searched
from benchmarks.protocol import BadData, CpuClock, json_option, print_figures, say
from ml.arrays import Matrix
from ml.encoder.head_modules import HeadOptions
from ml.encoder.text import SentenceEncoder
from ml.encoder.training import EncoderTrainingData, fit_encoder, subset, without_photos
from ml.vision.backbone import Backbone, load_backbone
from ml.vision.image_decoding import UnreadablePhoto
from ml.vision.weights import WeightsError

SEEDS = (0, 1, 2)
TEST_SHARE = 0.1
JUDGING_SHARE = 0.06  # of the training part: held out for early stopping and calibration
BACKBONE = "mobilenet_v2"
READ_AT_ONCE = 512


def benchmark(data: Path, holdout: Path | None, weights: Path) -> dict[str, float]:
    """All figures, as means over the seeds. Raises BadData."""
    adverts = files.read_adverts(data)
    all_adverts = files.joined(adverts, files.read_adverts(holdout)) if holdout else adverts
    sentences = SentenceEncoder()
    material = read_material(all_adverts, load_backbone(BACKBONE, weights), sentences)
    results = []
    with installation.servers():
        searched = Searched(all_adverts)
        for seed in SEEDS:
            is_test = stratified(adverts.roots, TEST_SHARE, seed)
            if holdout:
                is_test = np.arange(len(all_adverts)) >= len(adverts)
            results.append(one_seed(material, is_test, sentences, searched, seed))
    return {name: round(float(np.mean([result[name] for result in results])), 4) for name in results[0]}


def one_seed(
    material: EncoderTrainingData,
    is_test: np.ndarray,
    sentences: SentenceEncoder,
    searched: Searched,
    seed: int,
) -> dict[str, float]:
    """The figures of one split and one training."""
    clock = CpuClock()
    training_part = subset(material, ~is_test)
    encoder, _ = fit_encoder(
        training_part, stratified(training_part.roots, JUDGING_SHARE, seed), HeadOptions(seed=seed)
    )
    result = measure(encoder, material, is_test, sentences, searched) | {"train_s": clock.seconds}
    result["photo_accuracy_random_split"] = by_random_split(material, seed)
    say(f"Seed {seed}: " + ", ".join(f"{name} {value:.4f}" for name, value in result.items()))
    return result


def by_random_split(material: EncoderTrainingData, seed: int) -> float:
    """Accuracy on a random tenth of the photos, drawn regardless of their adverts."""
    rng = np.random.default_rng(seed)
    is_test = rng.random(len(material.owners)) < TEST_SHARE
    training_part = without_photos(material, is_test)
    encoder, _ = fit_encoder(
        training_part, stratified(training_part.roots, JUDGING_SHARE, seed), HeadOptions(seed=seed)
    )
    return photo_accuracy(encoder, material, is_test)


def stratified(labels: list[str], share: float, seed: int) -> np.ndarray:
    """A random part of the rows, stratified by labels.   -> (n,) bool"""
    counts = {label: labels.count(label) for label in set(labels)}
    strata = [label if counts[label] > 1 else "" for label in labels]  # a single row cannot be split
    _, chosen = train_test_split(
        np.arange(len(labels)),
        test_size=share,
        random_state=seed,
        stratify=strata if strata.count("") != 1 else None,
    )
    return np.isin(np.arange(len(labels)), chosen)


def read_material(adverts: Adverts, backbone: Backbone, sentences: SentenceEncoder) -> EncoderTrainingData:
    """Training data from all adverts: features of photos and sentence embeddings of words."""
    say(f"{len(adverts)} adverts, {len(adverts.photos)} photos, {len(set(adverts.roots))} root categories")
    return EncoderTrainingData(
        backbone=backbone.version,
        text_encoder=sentences.version,
        features=_features(adverts, backbone),
        parts=backbone.parts,
        owners=adverts.owners,
        titles=adverts.titles,
        descriptions=adverts.descriptions,
        sentences=sentences.read(adverts.titles, adverts.descriptions),
        roots=adverts.roots,
        paths=adverts.paths,
        concepts=sentences.concepts_of(backbone.classes),
    )


def _features(adverts: Adverts, backbone: Backbone) -> Matrix:
    parts = []
    for start in range(0, len(adverts.photos), READ_AT_ONCE):
        parts.append(
            backbone.features(adverts.open_photos(range(len(adverts.photos))[start : start + READ_AT_ONCE]))
        )
        say(f"Features of {start + len(parts[-1])} photos")
    return np.concatenate(parts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="DIR, the adverts to learn from")
    parser.add_argument("--holdout", type=Path, help="DIR2, adverts to test on")
    parser.add_argument(
        "--weights",
        type=Path,
        help="a file of MobileNetV2's weights (default: IMAGE_WEIGHTS, else ../weights/ beside DIR)",
    )
    json_option(parser)
    return parser.parse_args()


def main() -> None:
    options = _options()
    weights = options.weights or require_weights_beside(options.data)
    try:
        result = benchmark(options.data, options.holdout, weights)
    except (BadData, OSError, UnreadablePhoto, WeightsError) as error:
        sys.exit(f"{error}")
    print_figures(result, as_json=options.json)


if __name__ == "__main__":
    main()
