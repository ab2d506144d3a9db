"""A catalogue to train the joint encoder on, and the listings that are held out."""

import numpy as np
import pytest

from ml.encoder.training import (
    EncoderTrainingData,
)
from tests.ml.encoder.catalogue import COUNT, catalogue


@pytest.fixture(scope="module")
def material() -> EncoderTrainingData:
    return catalogue()


@pytest.fixture(scope="module")
def held_out() -> np.ndarray:
    return np.arange(COUNT) % 6 == 1
