"""Training curves for TensorBoard, written under VAR."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings

FOLDER = "tensorboard"


@contextmanager
def tensorboard_writer(name: str, now: datetime) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    """Yields a function of (epoch, values by name).

    Show the curves with `tensorboard --logdir var/tensorboard`.
    """
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(settings.VAR / FOLDER / f"{name}-{now:%Y%m%d-%H%M%S}"))

    def write(epoch: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, epoch)

    try:
        yield write
    finally:
        writer.close()
