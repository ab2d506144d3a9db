"""Progress callbacks of long computations."""

from collections.abc import Callable

Progress = Callable[[int, int], None]  # done, total: iterations, actors, slates or rows of a file


def ignore_progress(done: int, total: int) -> None:
    """A callback that ignores progress."""
