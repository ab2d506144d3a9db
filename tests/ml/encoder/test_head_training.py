"""Heads trained on listings of four categories that photos and words both reveal."""

from dataclasses import replace

import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.encoder.head_modules import HeadOptions, HeadTrainingData
from ml.encoder.head_training import NonFiniteLoss, scheduled, train_heads
from ml.evaluation.retrieval_metrics import recall_at

LISTINGS, CATEGORIES, PHOTO, TEXT = 160, 4, 24, 20
OPTIONS = HeadOptions(
    joint=8,
    photo_hidden=64,
    text_hidden=64,
    dropout=0.2,
    epochs=15,
    batch_size=32,
    patience=15,
    learning_rate=0.01,
)


@pytest.fixture(scope="module")
def lessons() -> HeadTrainingData:
    rng = np.random.default_rng(3)
    roots = rng.integers(0, CATEGORIES, LISTINGS)
    own = rng.normal(size=(LISTINGS, 6))  # what tells a listing from others of its category
    owners = np.repeat(np.arange(LISTINGS), 2)[:-20]  # the last ten have no photo
    see, read = rng.normal(size=(6 + CATEGORIES, PHOTO)), rng.normal(size=(6 + CATEGORIES, TEXT))
    what = np.hstack([own, 2 * np.eye(CATEGORIES)[roots]])
    photos = what[owners] @ see + 0.3 * rng.normal(size=(len(owners), PHOTO))
    texts = what @ read + 0.3 * rng.normal(size=(LISTINGS, TEXT))
    return HeadTrainingData(
        photos=photos.astype(np.float32),
        owners=owners.astype(np.int64),
        texts=texts.astype(np.float32),
        titles=(texts + 0.3 * rng.normal(size=texts.shape)).astype(np.float32),
        photo_bridge=np.zeros((PHOTO, 0), np.float32),
        text_bridge=np.zeros((TEXT, 0), np.float32),
        roots=roots.astype(np.int64),
        leaves=roots.astype(np.int64),
        root_count=CATEGORIES,
        leaf_count=CATEGORIES,
    )


@pytest.fixture(scope="module")
def held_out() -> np.ndarray:
    return np.arange(LISTINGS) % 5 == 0


@pytest.fixture(scope="module")
def trained(lessons, held_out):
    return train_heads(lessons, held_out, OPTIONS)


def test_held_out_listings_are_categorised_by_photo_by_words_and_by_both(trained):
    best = trained.best
    assert min(best.photo_accuracy, best.words_accuracy, best.both_accuracy) > 0.8


def test_a_title_finds_its_photo_and_a_photo_its_sibling(trained, lessons, held_out):
    photos, titles = trained.photo.joint(lessons.photos), trained.text.joint(lessons.titles)
    targets = np.flatnonzero(held_out)[:-2]  # the last two have no photo
    chance = 5 / len(np.unique(lessons.owners))
    assert recall_at(titles[targets], photos, targets, lessons.owners, 5) > 5 * chance
    assert trained.best.sibling > 0.8


def test_training_heads_lowers_every_loss(trained):
    first, last = trained.epochs[0].losses, trained.epochs[-1].losses
    assert first.keys() == {"words", "photo", "both", "contrast", "sibling"}
    assert all(last[name] < first[name] for name in first)


def test_the_same_seed_trains_the_same_heads_whatever_the_state_of_the_global_generator(
    lessons, held_out, trained
):
    import torch

    torch.manual_seed(99)
    again = train_heads(lessons, held_out, OPTIONS)
    assert np.array_equal(again.photo.joint_weight, trained.photo.joint_weight)
    assert np.array_equal(again.text.root_weight, trained.text.root_weight)
    other = train_heads(lessons, held_out, replace(OPTIONS, seed=1, epochs=1))
    assert not np.array_equal(other.photo.joint_weight, trained.photo.joint_weight)


def test_held_out_listings_do_not_affect_the_heads(lessons, held_out):
    spoilt_texts, spoilt_photos = lessons.texts.copy(), lessons.photos.copy()
    spoilt_texts[held_out] = 7
    spoilt_photos[held_out[lessons.owners]] = 7
    spoilt = replace(lessons, texts=spoilt_texts, photos=spoilt_photos)
    once = replace(OPTIONS, epochs=1)
    clean, other = train_heads(lessons, held_out, once), train_heads(spoilt, held_out, once)
    assert np.array_equal(clean.photo.root_weight, other.photo.root_weight)
    assert np.array_equal(clean.text.joint_weight, other.text.joint_weight)


def test_training_heads_ends_when_nothing_becomes_better(lessons, held_out):
    trained = train_heads(lessons, held_out, replace(OPTIONS, epochs=60, patience=2, learning_rate=0.02))
    best = trained.best.number
    assert len(trained.epochs) < 60
    assert len(trained.epochs) - best == 2


def test_the_heads_of_the_best_epoch_are_kept_and_not_those_of_the_last(lessons, held_out):
    epochs = []
    trained = train_heads(
        lessons, held_out, replace(OPTIONS, epochs=12, learning_rate=0.05, patience=12), report=epochs.append
    )
    roots = lessons.roots[held_out]
    logits = trained.text.roots(trained.text.hidden(lessons.texts[held_out]))
    assert (logits.argmax(axis=1) == roots).mean() == pytest.approx(trained.best.words_accuracy)
    assert trained.best.score == max(epoch.score for epoch in epochs)


def test_a_bridge_between_photos_and_words_aligns_them_from_the_first_step(lessons, held_out):
    """The bridge alone finds photos: one step at a learning rate of about 0 is enough."""
    shared = np.random.default_rng(4).normal(size=(LISTINGS, 6)).astype(np.float32)
    bridged = replace(
        lessons,
        photos=np.hstack([lessons.photos, shared[lessons.owners]]),
        texts=np.hstack([lessons.texts, shared]),
        titles=np.hstack([lessons.titles, shared]),
        photo_bridge=np.eye(PHOTO + 6, dtype=np.float32)[:, PHOTO:],
        text_bridge=np.eye(TEXT + 6, dtype=np.float32)[:, TEXT:],
    )
    barely = replace(OPTIONS, epochs=1, learning_rate=1e-9)
    without, with_bridge = (
        train_heads(world, held_out, barely).best.words_to_photo for world in (lessons, bridged)
    )
    assert with_bridge > without + 0.3


def test_training_heads_fails_when_a_loss_is_not_finite(lessons, held_out):
    texts = lessons.texts.copy()
    texts[1] = np.inf
    with np.errstate(all="ignore"), pytest.raises(NonFiniteLoss, match="loss became"):
        train_heads(replace(lessons, texts=texts), held_out, OPTIONS)


def test_training_heads_refuses_arrays_of_the_wrong_shape(lessons, held_out):
    with pytest.raises(ShapeError):
        replace(lessons, titles=lessons.titles[:, :-1])
    with pytest.raises(ShapeError):
        replace(lessons, text_bridge=np.zeros((TEXT, 3), np.float32))
    with pytest.raises(ShapeError):
        train_heads(lessons, held_out[:-1], OPTIONS)


def test_the_learning_rate_of_heads_rises_and_then_falls_to_zero():
    rates = [scheduled(share, 0.1) for share in np.linspace(0, 1, 21)]
    assert rates[0] < 0.02
    assert max(rates) == pytest.approx(1, abs=0.02)
    assert rates.index(max(rates)) == 2
    assert rates[-1] == pytest.approx(0, abs=1e-9)
