"""Reading of CSV files row by row."""

import tracemalloc
from pathlib import Path

from listings.importing import files as importing_files
from listings.importing.files import read_rows


class TestStreaming:
    def test_memory_of_reading_rows_does_not_grow_with_the_file(self, tmp_path):
        peaks = [self.peak_of_reading(tmp_path / f"{rows}.csv", rows) for rows in (500, 20_000)]
        assert peaks[1] < 2 * peaks[0] + 100_000

    def peak_of_reading(self, path: Path, rows: int) -> int:
        path.write_text("id,product_id\n" + "".join(f"image-{row},{'x' * 200}\n" for row in range(rows)))
        tracemalloc.start()
        assert sum(1 for _ in read_rows(path, frozenset({"id"}))) == rows
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak


class TestReadingRows:
    def rows_of(self, tmp_path: Path, content: bytes) -> list[importing_files.CsvRow]:
        (tmp_path / "rows.csv").write_bytes(content)
        return list(read_rows(tmp_path / "rows.csv", frozenset({"id"})))

    def test_csv_rows_end_at_a_newline_only_and_quoted_fields_may_hold_one(self, tmp_path):
        rows = self.rows_of(tmp_path, b'id,words\n1,a\rb\n2,"c\nd, ""e"""\r\n\n3,\xff\n')
        assert [row.cells for row in rows[:2]] == [
            {"id": "1", "words": "a\rb"},
            {"id": "2", "words": 'c\nd, "e"'},
        ]
        assert rows[2].cells["id"] == "3"

    def test_a_byte_order_mark_is_no_part_of_the_first_column(self, tmp_path):
        assert self.rows_of(tmp_path, b"\xef\xbb\xbfid\n1\n")[0].cells == {"id": "1"}

    def test_a_quote_that_is_never_closed_does_not_swallow_the_rest_silently(self, tmp_path, monkeypatch):
        monkeypatch.setattr(importing_files, "LONGEST_FIELD", 50)
        rows = self.rows_of(tmp_path, b'id\n"open\n' + b"12345678\n" * 20)
        assert rows[0].problem and rows[-1].cells == {"id": "12345678"}
