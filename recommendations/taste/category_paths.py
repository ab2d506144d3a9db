"""Category paths as numbers, so that listings of one category or root compare as arrays."""

import numpy as np

from listings.models import Category
from ml.arrays import Rows

_paths: dict[int, tuple[int, int, int]] = {}  # category id -> ids of its root, that one's child, itself


_keys: dict[str, int] = {}  # path of a category -> its id


def paths_of(category_ids: np.ndarray) -> Rows:
    """Ids of the root, its child and the category itself: (n,) int64 -> (n, 3) int64

    A path with fewer than three nodes repeats its last one.
    """
    different, places = np.unique(category_ids, return_inverse=True)
    if not _paths.keys() >= set(different.tolist()):
        _read_paths()
    paths = [_paths.get(pk, (pk, pk, pk)) for pk in different.tolist()]
    return np.array(paths, np.int64).reshape(-1, 3)[places]


def key_of(path: str) -> int | None:
    """The id of the category with this path; None where `paths_of` has not read it yet."""
    return _keys.get(path)


def _read_paths() -> None:
    """Read all categories at once. A category never moves, so what was read stays valid."""
    keys: dict[str, int] = dict(Category.objects.values_list("path", "pk"))
    _keys.update(keys)
    for path, pk in keys.items():
        names = path.split(Category.SEPARATOR)
        ends = [keys.get(Category.SEPARATOR.join(names[:depth]), pk) for depth in (1, 2)]
        _paths[pk] = (ends[0], ends[1], pk)
