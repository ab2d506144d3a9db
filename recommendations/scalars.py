"""Curves of trainings for TensorBoard, under VAR."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings

FOLDER = "tensorboard"


@contextmanager
def scalars(name: str, now: datetime) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    """Yields a function that takes the number of an epoch and its figures.

    Look at them with `tensorboard --logdir var/tensorboard`.
    """
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(settings.VAR / FOLDER / f"{name}-{now:%Y%m%d-%H%M%S}"))

    def write(number: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            writer.add_scalar(name, value, number)

    try:
        yield write
    finally:
        writer.close()
