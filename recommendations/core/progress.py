"""Progress of long work: the steps that training reports, and the progress bars of commands."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from ml.progress import Progress, ignore_progress

ProgressBar = Callable[[int, int | None], None]  # done, total: None leaves the total as it is
# Opens a step by its name. The context manager yields a function of (done, total).
Steps = Callable[[str], AbstractContextManager[Progress]]


def unwatched_steps(name: str) -> AbstractContextManager[Progress]:
    """Steps that report nothing."""
    return nullcontext(ignore_progress)


@contextmanager
def progress_bar(description: str, total: int | None = None) -> Iterator[ProgressBar]:
    """Yields a function of (done, total). The bar moves on a terminal and prints nothing into a log."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console()
    with RichProgress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total)
        yield lambda done, total: bar.update(task, completed=done, total=total)
