"""Rendering of reports: sentences, tables and charts, for a terminal, Markdown, JSON and PNG."""

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from math import isnan
from pathlib import Path
from typing import Any, Protocol, TextIO, cast

from django.core.management.base import OutputWrapper
from django.utils import timezone
from rich import box
from rich.console import Console
from rich.table import Table

from ml.evaluation.estimate import IntervalEstimate

UNKNOWN = "-"


class Result(Protocol):
    """Figures that can be written as JSON."""

    def to_json(self) -> dict[str, Any]: ...


@dataclass
class ReportTable:
    """A table of text: the first column names the row, the others are aligned to the right."""

    title: str
    columns: Sequence[str]
    rows: list[tuple[list[str], bool]] = field(default_factory=list)  # cells, and whether they are bold

    def add(self, *cells: str, is_bold: bool = False) -> None:
        self.rows.append((list(cells), is_bold))

    def to_rich(self) -> Table:
        """The table for a terminal."""
        table = Table(title=self.title, title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column(self.columns[0], no_wrap=True)
        for name in self.columns[1:]:
            table.add_column(name, justify="right")
        for cells, is_bold in self.rows:
            table.add_row(*cells, style="bold" if is_bold else None)
        return table

    def to_markdown(self) -> list[str]:
        """The lines of a section. Bold rows look like the others."""
        lines = [f"## {self.title}", "", _markdown_row(self.columns)]
        lines += ["| --- |" + " ---: |" * (len(self.columns) - 1)]
        lines += [_markdown_row(cells) for cells, _ in self.rows]
        return [*lines, ""]


def print_report(
    stdout: OutputWrapper,
    sentences: Iterable[str],
    tables: Iterable[ReportTable],
    footnote: str = "",
    *,
    width: int,
) -> None:
    """Print to a command's stdout; `width` in characters is used where that is not a terminal."""
    out = cast(TextIO, stdout._out)  # the wrapper would end each piece with a line break
    console = Console(file=out) if out.isatty() else Console(file=out, width=width)
    for sentence in sentences:
        console.print(sentence, highlight=False, markup=False)
    for table in tables:
        console.print(table.to_rich())
    if footnote:
        console.print(footnote, highlight=False, markup=False)


def to_json_text(result: Result) -> str:
    return json.dumps(result.to_json(), indent=1)


def write_json(result: Result, path: Path) -> None:
    path.write_text(to_json_text(result) + "\n")


def format_time(at: datetime) -> str:
    """A time for people, in the time zone of the installation."""
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M %Z}"


def format_interval(figure: IntervalEstimate, *, sign: str = "", as_percent: bool = False) -> str:
    """An estimate with the ends of its interval, such as `0.1200 (0.1000 to 0.1400)`.

    `?` in place of an unknown interval. sign "+": every number has a sign.
    """
    if isnan(figure.value):
        return UNKNOWN
    scale, digits, unit = (100, 2, " %") if as_percent else (1, 4, "")
    value, low, high = (f"{scale * end:{sign}.{digits}f}" for end in (figure.value, figure.low, figure.high))
    return f"{value}{unit} (?)" if isnan(figure.low) else f"{value}{unit} ({low} to {high})"


def format_half_width(figure: IntervalEstimate) -> str:
    """An estimate with half the width of its interval, such as `0.1200 ±0.0200`."""
    if isnan(figure.value):
        return UNKNOWN
    return f"{figure.value:.4f} ±{(figure.high - figure.low) / 2:.4f}"


@contextmanager
def chart(
    path: Path, *, title: str, size: tuple[float, float], column_count: int, row_count: int = 1
) -> Iterator[tuple[Any, Any]]:
    """A chart that is written to `path` as PNG at the end of the block.

    size: width and height in inches. Yields matplotlib's figure and its panels (row_count, column_count).
    """
    import matplotlib

    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # below it lists the fonts that it finds
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        row_count, column_count, figsize=size, sharey=True, layout="constrained", squeeze=False
    )
    try:
        yield figure, panels
        figure.suptitle(title, fontsize=11)
        figure.savefig(path, format="png", dpi=150)
    finally:
        pyplot.close(figure)


def style_panel(panel: Any, title: str) -> None:
    panel.set_title(title, fontsize=11)
    panel.set_xlim(left=0)
    panel.locator_params(axis="x", nbins=5)
    panel.grid(axis="x", color="#eeeeee")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def whiskers(figures: Sequence[IntervalEstimate], *, scale: float = 1) -> list[list[float]]:
    """Distances from the estimates to the ends of their intervals, as matplotlib's errorbar takes them."""
    return [
        [max(scale * figure.value - scale * figure.low, 0) for figure in figures],
        [max(scale * figure.high - scale * figure.value, 0) for figure in figures],
    ]


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
