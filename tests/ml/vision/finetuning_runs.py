"""Fine-tuning runs on drawn photos, with few epochs."""

import torch
from PIL import Image, ImageDraw

from ml.vision.augmentation import Augmentation
from ml.vision.classifier_training import FineTuningOptions
from ml.vision.finetuning import finetune

NAME = "mobilenet_v3_small"


QUICK = FineTuningOptions(
    image_size=32,
    batch_size=9,
    epoch_count=2,
    learning_rate=3e-4,
    head_factor=1.0,
    warm_up=0.1,
    patience=5,
    seed=4,
)


STILL = Augmentation(crops=False, flips=False, colours=False)


def draw_shape(label, chance):
    pale, deep = chance.randint(150, 250), chance.randint(0, 110)
    ground = {"disc": (pale, deep, deep), "bar": (deep, pale, deep), "frame": (deep, deep, pale)}[label]
    picture = Image.new("RGB", (60, 50), ground)
    pen, x, y = ImageDraw.Draw(picture), chance.randint(2, 18), chance.randint(2, 14)
    if label == "disc":
        pen.ellipse([x, y, x + 30, y + 30], fill="white")
    elif label == "bar":
        pen.rectangle([x, y + 10, x + 36, y + 20], fill="white")
    else:
        pen.rectangle([x, y, x + 30, y + 30], outline="white", width=5)
    return picture


def fine_tune(untrained, photos, folder, name="tuned", options=QUICK, **other):
    """Fine-tune, with files named after the run."""
    pictures, labels, held_out = photos
    files = {"path": folder / name, "checkpoint": folder / f"{name}.checkpoint"}
    return finetune(
        NAME, untrained, pictures, labels, options=options, **{"validation": held_out} | files | other
    )


class Interrupted(KeyboardInterrupt):
    """Raised in place of Ctrl-C."""


def break_off_after(epoch_number):
    def report(epoch):
        if epoch.number == epoch_number:
            raise Interrupted

    return report


def same(one, other) -> bool:
    return all(torch.equal(one[key], other[key]) for key in one | other)
