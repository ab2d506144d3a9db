"""Drawn photos, an untrained backbone, and fine-tuning runs."""

import random
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ml.vision.backbone import as_inputs, build_classifier
from tests.ml.vision.finetuning_runs import (
    NAME,
    draw_shape,
    fine_tune,
)


@pytest.fixture(scope="module")
def many_photos():
    """96 pictures: discs on red, bars on green, frames on blue; their names; every fourth held out."""
    chance = random.Random(8)
    labels = [("bar", "disc", "frame")[i % 3] for i in range(96)]
    return [draw_shape(label, chance) for label in labels], labels, np.arange(96) % 4 == 0


@pytest.fixture(scope="module")
def photos(many_photos):
    """The first 24 of them."""
    return tuple(part[:24] for part in many_photos)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory, many_photos):
    """Random weights with batch norm statistics of real photos."""
    torch.manual_seed(5)
    model, path = build_classifier(NAME, 1000), tmp_path_factory.mktemp("untrained") / "weights.safetensors"
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean of all batches
    with torch.no_grad():
        model(as_inputs(list(many_photos[0]), 32))
    save_file(model.state_dict(), path, metadata={"backbone": NAME})
    return path


@pytest.fixture
def run(untrained, photos, tmp_path):
    """run(name, options, ...) fine-tunes on few photos."""
    return partial(fine_tune, untrained, photos, tmp_path)
