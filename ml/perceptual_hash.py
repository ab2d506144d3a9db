"""Perceptual hashes of photos: how many bits may differ, and which hashes say too little."""

import numpy as np

MOST_BITS = 3


PLAIN = 8  # bits from 32: a blank photo, or a gradient of one colour, has fewer or more set bits


def is_plain(hashes: np.ndarray) -> np.ndarray:
    """Whether a hash has too many or too few set bits to identify a photo: (m,) uint64 -> (m,) bool"""
    return np.abs(np.bitwise_count(hashes).astype(int) - 32) > PLAIN
