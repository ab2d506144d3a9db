"""Joint training of the photo head and the text head on stored features.

Only workers and commands import this module, since it loads torch. Its result, `Head`, is plain arrays.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ml.arrays import Matrix, Rows, means_of, require_vector
from ml.encoder.head import Head
from ml.encoder.head_modules import HeadOptions, Heads, HeadTrainingData
from ml.evaluation.retrieval_metrics import recall_at
from ml.progress import Progress

EpochReport = Callable[["HeadEpoch"], None]
TITLE_ONLY_SHARE = 0.35  # of a batch's listings are read by their title alone, which resembles a query
GREATEST_LOG_SCALE = math.log(100.0)  # of the contrastive losses, as in CLIP (Radford et al. 2021)


class NonFiniteLoss(ValueError):
    """The loss became infinite or NaN, so the training has no usable result."""


@dataclass(frozen=True)
class HeadEpoch:
    """Results of one epoch, measured on held-out listings."""

    number: int
    losses: dict[str, float]
    photo_accuracy: float  # root category by a photo
    words_accuracy: float
    both_accuracy: float
    words_to_photo: float  # recall@10 of a listing's photo by its title, among held-out photos
    sibling: float  # recall@10 of the other photo of a listing, among held-out photos

    @property
    def score(self) -> float:
        """The criterion of early stopping: accuracy by either side plus both recalls."""
        return self.photo_accuracy + self.words_accuracy + self.words_to_photo + self.sibling

    @property
    def figures(self) -> dict[str, float]:
        """All results by name, losses as `loss/NAME`."""
        losses = {f"loss/{name}": value for name, value in self.losses.items()}
        return losses | {name: value for name, value in vars(self).items() if isinstance(value, float)}


@dataclass(frozen=True, eq=False)
class TrainedHeads:
    """The heads of the best epoch, and the results of all epochs."""

    photo: Head
    text: Head
    epochs: list[HeadEpoch] = field(default_factory=list)

    @property
    def best(self) -> HeadEpoch:
        return max(self.epochs, key=lambda epoch: epoch.score)


def train_heads(
    lessons: HeadTrainingData,
    held_out: np.ndarray,
    options: HeadOptions,
    *,
    progress: Progress | None = None,
    report: EpochReport | None = None,
) -> TrainedHeads:
    """Train both heads together; listings of held_out (n,) bool are used for evaluation only.

    Losses: InfoNCE (van den Oord et al. 2018) between photos and words and between photos of one listing, and
    cross-entropy of categories by photo, by words and by both. Returns the heads of the best epoch. Training
    ends early after `patience` epochs without improvement. Raises NonFiniteLoss.
    """
    require_vector(held_out, length=len(lessons.texts), dtypes=[np.bool_])
    training = _Training(lessons, held_out, options)
    epochs: list[HeadEpoch] = []
    best: TrainedHeads | None = None
    for number in range(1, options.epochs + 1):
        epochs.append(training.epoch(number))
        if report:
            report(epochs[-1])
        if progress:
            progress(number, options.epochs)
        if best is None or epochs[-1].score > best.best.score:
            best = training.frozen(list(epochs))
        elif number - best.best.number >= options.patience:
            break
    assert best is not None
    return replace(best, epochs=epochs)


class _Training:
    """One training run: the modules, the optimiser, and the position in the learning rate schedule."""

    def __init__(self, lessons: HeadTrainingData, held_out: np.ndarray, options: HeadOptions):
        self.lessons, self.options = lessons, options
        self.rows = np.flatnonzero(~held_out)
        self.held_out = np.flatnonzero(held_out)
        self.rng = np.random.default_rng(options.seed)
        self.photos_of = _photos_by_listing(lessons.owners, len(held_out))
        with torch.random.fork_rng(devices=[]):  # initial weights come from the global generator
            torch.manual_seed(options.seed)
            photo_rows = np.flatnonzero(~held_out[lessons.owners])
            self.heads = Heads(lessons, options, self.rows, photo_rows)
            self.dropout_state = torch.get_rng_state()
        self.optimiser = torch.optim.AdamW(
            self.heads.parameters(), options.learning_rate, weight_decay=options.weight_decay
        )
        self.tensors = [torch.from_numpy(part) for part in (lessons.photos, lessons.texts, lessons.titles)]
        self.roots, self.leaves = torch.from_numpy(lessons.roots), torch.from_numpy(lessons.leaves)
        self.step_count = options.epochs * -(-len(self.rows) // options.batch_size)
        self.steps_done = 0

    def epoch(self, number: int) -> HeadEpoch:
        self.heads.train()
        sums: dict[str, float] = {}
        batches = list(self._batches())
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.dropout_state)
            for batch in batches:
                for name, value in self._step(batch).items():
                    sums[name] = sums.get(name, 0.0) + value / len(batches)
            self.dropout_state = torch.get_rng_state()
        return self._evaluated(number, sums)

    def frozen(self, epochs: list[HeadEpoch]) -> TrainedHeads:
        return TrainedHeads(self.heads.photo.frozen(), self.heads.text.frozen(), epochs)

    def _batches(self) -> Iterator[Rows]:
        order = self.rng.permutation(self.rows)
        for start in range(0, len(order), self.options.batch_size):
            yield order[start : start + self.options.batch_size]

    def _step(self, rows: Rows) -> dict[str, float]:
        share = self.steps_done / self.step_count
        for group in self.optimiser.param_groups:
            group["lr"] = self.options.learning_rate * scheduled(share, self.options.warm_up)
        losses = self._losses(rows)
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            raise NonFiniteLoss(
                f"the loss became {total.item()} after {self.steps_done} steps; try a lower learning rate"
            )
        self.optimiser.zero_grad()
        total.backward()
        self.optimiser.step()
        self.steps_done += 1
        return {name: value.item() for name, value in losses.items()}

    def _losses(self, rows: Rows) -> dict[str, Tensor]:
        options = self.options
        photos, texts, titles = self.tensors
        is_title_only = torch.from_numpy(self.rng.random(len(rows)) < TITLE_ONLY_SHARE)[:, None]
        words, root_t, leaf_t = self.heads.text(torch.where(is_title_only, titles[rows], texts[rows]))
        losses = {"words": self._categories(rows, root_t, leaf_t)}
        first, second = self._two_photos(rows)
        with_photo = np.flatnonzero(first >= 0)
        if not len(with_photo):
            return losses
        look, root_p, leaf_p = self.heads.photo(photos[first[with_photo]])
        losses["photo"] = self._categories(rows[with_photo], root_p, leaf_p)
        losses["both"] = functional.cross_entropy(
            root_p + root_t[with_photo], self.roots[rows[with_photo]], label_smoothing=options.smoothing
        )
        losses["contrast"] = options.words_weight * self._contrast(look, words[with_photo], 0)
        pairs = np.flatnonzero(second[with_photo] != first[with_photo])
        if len(pairs) > 1:
            other, root_s, leaf_s = self.heads.photo(photos[second[with_photo][pairs]])
            losses["sibling"] = options.sibling_weight * self._contrast(look[pairs], other, 1)
            losses["photo"] = (
                losses["photo"] + self._categories(rows[with_photo][pairs], root_s, leaf_s)
            ) / 2
        return losses

    def _categories(self, rows: Rows, roots: Tensor, leaves: Tensor) -> Tensor:
        smoothing = self.options.smoothing
        by_root = functional.cross_entropy(roots, self.roots[rows], label_smoothing=smoothing)
        by_leaf = functional.cross_entropy(leaves, self.leaves[rows], label_smoothing=smoothing)
        return by_root + self.options.leaf_weight * by_leaf

    def _contrast(self, one: Tensor, other: Tensor, scale: int) -> Tensor:
        """InfoNCE in both directions: row i of each side is the positive of row i of the other."""
        logits = self.heads.scale[scale].clamp(max=GREATEST_LOG_SCALE).exp() * one @ other.T
        partner = torch.arange(len(one))
        return (functional.cross_entropy(logits, partner) + functional.cross_entropy(logits.T, partner)) / 2

    def _two_photos(self, rows: Rows) -> tuple[Rows, Rows]:
        """Rows of two photos of each listing: the same one twice if it has one, -1 if it has none."""
        first, second = np.full(len(rows), -1), np.full(len(rows), -1)
        for place, row in enumerate(rows):
            own = self.photos_of[row]
            if len(own):
                chosen = self.rng.permutation(own)[:2]
                first[place], second[place] = chosen[0], chosen[-1]
        return first, second

    @torch.no_grad()
    def _evaluated(self, number: int, losses: dict[str, float]) -> HeadEpoch:
        self.heads.eval()
        lessons, rows = self.lessons, self.held_out
        photo_rows = np.flatnonzero(np.isin(lessons.owners, rows))
        photos, texts, titles = self.tensors
        look, root_p, _ = (part.numpy() for part in self.heads.photo(photos[photo_rows]))
        _, root_t, _ = (part.numpy() for part in self.heads.text(texts[rows]))
        title_vectors, _, _ = (part.numpy() for part in self.heads.text(titles[rows]))
        owners = np.searchsorted(rows, lessons.owners[photo_rows])
        roots = lessons.roots[rows]
        both = root_t + np.nan_to_num(means_of(root_p, owners, len(rows)))
        return HeadEpoch(
            number=number,
            losses=losses,
            photo_accuracy=_accuracy(root_p, roots[owners]),
            words_accuracy=_accuracy(root_t, roots),
            both_accuracy=_accuracy(both, roots),
            words_to_photo=recall_at(title_vectors[np.unique(owners)], look, np.unique(owners), owners, 10),
            sibling=_sibling_recall(look, owners),
        )


def scheduled(share: float, warm_up: float) -> float:
    """Factor of the peak learning rate: linear over the first `warm_up` of the steps, then cosine decay."""
    if share < warm_up:
        return (share + 1e-3) / warm_up
    return (1 + math.cos(math.pi * (share - warm_up) / (1 - warm_up))) / 2


def _photos_by_listing(owners: Rows, listing_count: int) -> list[Rows]:
    """Rows of the photos of each listing."""
    order = np.argsort(owners, kind="stable")
    return np.split(order, np.searchsorted(owners[order], np.arange(1, listing_count)))


def _accuracy(logits: Matrix, labels: Rows) -> float:
    return float((logits.argmax(axis=1) == labels).mean()) if len(labels) else 0.0


def _sibling_recall(look: Matrix, owners: Rows) -> float:
    """Recall@10 of another photo of the same listing, over the listings with several photos."""
    counts = np.bincount(owners)
    queries = np.flatnonzero(counts[owners] > 1)
    return recall_at(look[queries], look, owners[queries], owners, 10, own=queries)
