import numpy as np

from ml.perceptual_hash import PLAIN, is_plain


def with_set_bits(*counts: int) -> np.ndarray:
    """Hashes with so many of their 64 bits set."""
    return np.array([(1 << count) - 1 for count in counts], np.uint64)


def test_a_hash_with_far_more_or_fewer_set_bits_than_half_is_plain():
    assert is_plain(with_set_bits(0, 31 - PLAIN, 33 + PLAIN, 64)).all()


def test_a_hash_with_about_half_of_its_bits_set_is_not_plain():
    assert not is_plain(with_set_bits(32 - PLAIN, 32, 32 + PLAIN)).any()
