"""Report of an import: counts of outcomes, and a CSV line for each row or photo that was left out."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from listings.batches.listings import UpsertOutcome
from listings.row_files.rows import rows_written

PRODUCTS, IMAGES, PHOTOS = "Products.csv", "Images.csv", "photo files"
SOURCES = (PRODUCTS, IMAGES, PHOTOS)
OUTCOMES = (UpsertOutcome.CREATED, UpsertOutcome.UPDATED, UpsertOutcome.UNCHANGED, UpsertOutcome.REJECTED)
EXAMPLE_COUNT = 3
COLUMNS = ("file", "row", "id", "reason", "detail")


class ImportReport:
    """Counts outcomes. Problems are written to a CSV file at once, so that memory stays constant."""

    def __init__(self, write_row: Callable[[Iterable[object]], object]):
        self.totals: Counter[str] = Counter()
        self.outcomes: Counter[tuple[str, UpsertOutcome]] = Counter()
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.examples: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.placed_count = 0
        self.names = {source: source for source in SOURCES}
        self.remarks: list[str] = []
        self._write_row = write_row

    def describe(self, source: str, name: str, remark: str) -> None:
        """Keep the name of the file that was read, and what was unusual about its form."""
        self.names[source] = name
        if remark:
            self._remark(source, remark)

    def ignore_columns(self, source: str, names: Iterable[str]) -> None:
        """Keep the columns of a file that were not read."""
        if names := sorted(names):
            self._remark(source, f"columns that were not read: {', '.join(names)}")

    def _remark(self, source: str, remark: str) -> None:
        self.remarks.append(f"{self.names[source]}: {remark}")
        self._write_row([self.names[source], "", "", "remark", remark])

    def count(self, source: str, outcome: UpsertOutcome, number: int = 1) -> None:
        self.outcomes[source, outcome] += number

    def leave_out(self, source: str, row: int | None, identity: str, reason: str, detail: str = "") -> None:
        """Count and write something that was not imported. `row` is None for a photo file without a row."""
        self.count(source, UpsertOutcome.REJECTED)
        self.reasons[source, reason] += 1
        if len(examples := self.examples[source, reason]) < EXAMPLE_COUNT:
            where = f"row {row}: " if row else ""
            examples.append(where + (detail or identity))
        self._write_row([self.names[source], row or "", identity, reason, detail])

    @property
    def imported_count(self) -> int:
        return self.totals[PRODUCTS] - self.outcomes[PRODUCTS, UpsertOutcome.REJECTED]

    def adds_up(self, source: str) -> bool:
        """Whether each row or file that was found has exactly one outcome."""
        return self.totals[source] == sum(self.outcomes[source, outcome] for outcome in OUTCOMES)

    def show(self, console: Console) -> None:
        console.print(self._counts())
        for remark in self.remarks:
            console.print(remark, soft_wrap=True, markup=False, highlight=False)
        if self.reasons:
            console.print(self._problems())
        for source in SOURCES:
            if not self.adds_up(source):
                console.print(f"[red]The counts of {source} do not add up. This is a bug; please report it.")

    def _counts(self) -> Table:
        names = ("found", "created", "updated", "unchanged", "left out")
        table = Table("", *(Column(name, justify="right") for name in names))
        for source in SOURCES:
            numbers = [self.totals[source], *(self.outcomes[source, outcome] for outcome in OUTCOMES)]
            table.add_row(self.names[source], *(f"{number:,}" for number in numbers))
        return table

    def _problems(self) -> Table:
        table = Table("left out of", "why", "how many", Column("such as", overflow="fold"))
        for source in SOURCES:
            for (of_source, reason), number in self.reasons.most_common():
                if of_source == source:
                    table.add_row(
                        self.names[source], reason, f"{number:,}", "\n".join(self.examples[source, reason])
                    )
        return table


@contextmanager
def import_report(path: Path) -> Iterator[ImportReport]:
    """A report that writes problems to this CSV file. Raises BadImport when it cannot be written."""
    with rows_written(path, COLUMNS) as write_row:
        yield ImportReport(write_row)
