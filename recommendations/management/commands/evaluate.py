from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from listings.errors import DomainError
from ml.progress import Progress
from recommendations.analysis import backtest_report
from recommendations.analysis.backtest import SHARE, Backtest, run_backtest
from recommendations.analysis.rendering import print_report, write_json
from recommendations.core.progress import progress_bar
from recommendations.evaluation.baselines import BASELINES
from recommendations.evaluation.comparison import AT, MOST_ACTORS, SEED
from recommendations.management.arguments import iso_time

PLAIN_WIDTH = 130  # characters, where stdout is not a terminal


class Command(BaseCommand):
    help = (
        "Measure how well the feed, its sources and simple baselines would have recommended the latest "
        "interactions: models are fitted on the events before a split and evaluated on those after it, for "
        "each actor over every listing that was on the market. Publishes nothing and changes nothing. Exits "
        "with status 1 when there are too few events before the split or none to evaluate on after it."
    )

    def add_arguments(self, parser):
        split = parser.add_mutually_exclusive_group()
        split.add_argument(
            "--split",
            type=_share,
            default=SHARE,
            metavar="SHARE",
            help=f"the share of the events that models are fitted on (default: {SHARE:g})",
        )
        split.add_argument(
            "--since",
            type=iso_time,
            metavar="TIME",
            help="split at a time, such as 2026-03-14 or 2026-03-14T12:00Z",
        )
        parser.add_argument("--k", type=_count, default=AT, help=f"length of rankings (default: {AT})")
        parser.add_argument(
            "--actors",
            type=_count,
            default=MOST_ACTORS,
            help=f"how many to evaluate at most, a random sample (default: {MOST_ACTORS})",
        )
        parser.add_argument("--seed", type=int, default=SEED, help="seed of all random samples")
        parser.add_argument(
            "--methods", nargs="+", choices=list(BASELINES), default=list(BASELINES), help="default: all"
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure as JSON")
        parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown")
        parser.add_argument("--chart", type=Path, metavar="FILE", help="draw a chart as PNG")
        parser.add_argument(
            "--output", type=Path, metavar="DIR", help="write evaluation.json, .md and .png into a folder"
        )

    def handle(self, *, split: float, since: datetime | None, output: Path | None, **options):
        files = self._files(output, options)
        try:
            _prepare(files.values())  # first, so that files that cannot be written fail before the work
            result = run_backtest(
                share=split,
                since=since,
                k=options["k"],
                max_actors=options["actors"],
                seed=options["seed"],
                methods=list(dict.fromkeys(options["methods"])),
                steps=self._step,
            )
            sentences, tables = backtest_report.sentences(result), backtest_report.tables(result)
            print_report(self.stdout, sentences, tables, width=PLAIN_WIDTH)
            for kind, path in files.items():
                WRITERS[kind](result, path)
                self.stdout.write(f"Written: {path}")
        except DomainError as error:
            raise CommandError(error.detail) from None
        except OSError as error:
            raise CommandError(f"The results cannot be written: {error}") from None

    def _files(self, output: Path | None, options: dict[str, Any]) -> dict[str, Path]:
        """Kind of output -> file; an option of its own wins over `output`."""
        names = {"json": "evaluation.json", "markdown": "evaluation.md", "chart": "evaluation.png"}
        paths = {kind: options[kind] or (output and output / name) for kind, name in names.items()}
        return {kind: path for kind, path in paths.items() if path}

    @contextmanager
    def _step(self, name: str) -> Iterator[Progress]:
        self.stdout.write(f"{name} ...")
        with progress_bar(name) as progress:
            yield progress


def _prepare(paths: Iterable[Path]) -> None:
    """Make the folders of these files.   Raises OSError if a file cannot be written there."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")


def _write_markdown(result: Backtest, path: Path) -> None:
    path.write_text(backtest_report.markdown(result))


WRITERS: dict[str, Callable[[Backtest, Path], None]] = {
    "json": write_json,
    "markdown": _write_markdown,
    "chart": backtest_report.draw,
}


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0
    if not 0 < share < 1:
        raise ArgumentTypeError("a share between 0 and 1, such as 0.9")
    return share


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError("a whole number of 1 or more")
    return int(text)
