"""Detection of collusion among SIMULATED profiles: honest ones that are accused, and shills that still count.

Listings lie on a ring, and who likes one likes those near it, popular ones more. Shills hold one listing that
hardly anybody else holds, together with some of the most popular ones.
"""

import numpy as np
from scipy.sparse import csr_matrix

from recommendations.trust import collusion

SEED, WORLDS = 44, 10
HONEST, LISTINGS, BREADTH = 700, 1000, 100
TARGET = LISTINGS - 1
SHILLS = 0.03  # for each honest profile
POPULAR, AMONG = 8, 20  # popular listings that a shill holds, of so many


def accusations(*, world_count: int = WORLDS, honest_count: int = HONEST) -> dict[str, float]:
    """The share of honest profiles that count less, and what share of the shills' weight is left."""
    accused, left = [], []
    for world in range(world_count):
        rng = np.random.default_rng([SEED, world])
        honest = _honest(rng, honest_count)
        shares, _ = collusion.shares(_as_matrix(honest + _shills(rng, honest)))
        accused.append(np.mean(shares[:honest_count] < 1))
        left.append(np.mean(shares[honest_count:]))
    return {
        "honest_accused": round(float(np.mean(accused)), 4),
        "shills_weight_left": round(float(np.mean(left)), 4),
    }


def _honest(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    appeal = np.exp(0.8 * rng.normal(size=LISTINGS))
    appeal[TARGET] = appeal.min()
    profiles = []
    for _ in range(count):
        away = np.abs(np.arange(LISTINGS) - rng.integers(LISTINGS))
        chance = appeal * np.exp(-((np.minimum(away, LISTINGS - away) / BREADTH) ** 2) / 2)
        length = int(rng.integers(4, 16))
        profiles.append(rng.choice(LISTINGS, length, replace=False, p=chance / chance.sum()))
    return profiles


def _shills(rng: np.random.Generator, honest: list[np.ndarray]) -> list[np.ndarray]:
    popularity = np.bincount(np.concatenate(honest), minlength=LISTINGS)
    popular = np.argsort(-popularity, kind="stable")[:AMONG]
    count = round(SHILLS * len(honest))
    return [np.append(rng.choice(popular, POPULAR, replace=False), TARGET) for _ in range(count)]


def _as_matrix(profiles: list[np.ndarray]) -> csr_matrix:
    rows = np.repeat(np.arange(len(profiles)), [len(own) for own in profiles])
    ones = np.ones(len(rows), np.float32)
    return csr_matrix((ones, (rows, np.concatenate(profiles))), shape=(len(profiles), LISTINGS))
