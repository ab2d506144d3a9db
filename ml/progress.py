"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[int, int], None]  # what is done, of how much: iterations, actors, slates, rows of a file


def unwatched(done: int, total: int) -> None:
    """Progress that nobody watches."""
