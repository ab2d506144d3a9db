"""Reading of CSV files row by row."""

import tracemalloc
from pathlib import Path

import pytest

from listings.row_files import csv_files
from listings.row_files.reading import read_rows
from listings.row_files.rows import BadImport, Row


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
    def rows_of(self, tmp_path: Path, content: bytes) -> list[Row]:
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
        monkeypatch.setattr(csv_files, "LONGEST_ROW", 50)
        rows = self.rows_of(tmp_path, b'id\n"open\n' + b"12345678\n" * 20)
        assert rows[0].problem and rows[-1].cells == {"id": "12345678"}


HEADER = "id,title,price,town"


class TestQuotes:
    def rows_of(self, tmp_path: Path, *lines: str) -> list[Row]:
        (tmp_path / "rows.csv").write_text("\n".join((HEADER, *lines)) + "\n")
        return list(read_rows(tmp_path / "rows.csv", frozenset({"id"})))

    def test_a_quote_that_is_not_closed_costs_its_own_row_and_is_reported_with_its_line(self, tmp_path):
        rows = self.rows_of(
            tmp_path, "1,Table,80,Leeds", '2,"Pine table,80,Leeds', "3,Bed,80,Leeds", "4,Bed,8,Leeds"
        )
        assert [row.cells.get("id") for row in rows] == ["1", None, "3", "4"]
        assert (rows[1].line, rows[1].problem) == (3, "a quote that opens in line 3 is not closed")

    @pytest.mark.parametrize(
        "closing",
        ['5,"Oak table",80,Leeds', '5,Oak 24" table,80,Leeds', '5,Oak 24",80,Leeds', '5,x,80,"Leeds"'],
    )
    def test_rows_up_to_the_next_quote_are_not_swallowed(self, tmp_path, closing):
        rows = self.rows_of(tmp_path, '2,"Pine table,80,Leeds', "3,Bed,80,Leeds", "4,Bed,8,Leeds", closing)
        assert [row.cells.get("id") for row in rows] == [None, "3", "4", "5"]

    def test_a_quoted_text_of_several_lines_with_commas_is_one_cell(self, tmp_path):
        text = 'Oak, pine, ash, elm\nand ""more"", as new, a bit worn, here\n\nEnd'
        rows = self.rows_of(tmp_path, f'1,"{text}",80,Leeds', "2,Bed,80,Leeds")
        assert [row.cells["id"] for row in rows] == ["1", "2"]
        assert rows[0].cells["title"] == text.replace('""', '"') and rows[1].line == 6

    def test_a_quote_within_a_cell_stays(self, tmp_path):
        assert self.rows_of(tmp_path, '1,Oak 24" table,80,Leeds')[0].cells["title"] == 'Oak 24" table'

    def test_many_quotes_that_are_not_closed_take_time_in_proportion(self, tmp_path, monkeypatch):
        read = []
        monkeypatch.setattr(
            csv_files,
            "_closing",
            lambda *place, closing=csv_files._closing: read.append(1) or closing(*place),
        )
        rows = self.rows_of(tmp_path, *(f'{number},"Pine table,80,Leeds' for number in range(300)))
        assert all(row.problem for row in rows) and len(rows) == 300 and len(read) < 1500


class TestDialects:
    ROWS = (("1", "Café table", "80", "Leeds"), ("2", "Bed, oak", "9", "Bath"))

    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "¦"])
    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
    def test_delimiter_and_line_ends_are_recognised(self, tmp_path, delimiter, newline):
        lines = [HEADER.replace(",", delimiter)]
        lines += [
            delimiter.join(f'"{cell}"' if delimiter in cell else cell for cell in row) for row in self.ROWS
        ]
        self.check(tmp_path, newline.join(lines))

    @pytest.mark.parametrize("declaration", ["sep=;", '"sep=;"', "SEP=;"])
    def test_a_declared_delimiter_is_obeyed(self, tmp_path, declaration):
        self.check(tmp_path, "\r\n".join((declaration, HEADER.replace(",", ";"), *map(";".join, self.ROWS))))

    def test_blank_lines_and_blanks_in_names_of_columns_are_passed_over(self, tmp_path):
        self.check(tmp_path, '\n\n Id,TITLE ,Price,town\n1,Café table,80,Leeds\n\n2,"Bed, oak",9,Bath\n')

    @pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8-sig"])
    def test_rows_are_read_in_the_encoding_of_the_file(self, tmp_path, encoding):
        lines = (HEADER.replace(",", "\t"), *map("\t".join, self.ROWS))
        self.check(tmp_path, "\r\n".join(lines), encoding)

    def check(self, tmp_path: Path, text: str, encoding: str = "utf-8"):
        (tmp_path / "rows.csv").write_bytes(text.encode(encoding))
        rows = read_rows(tmp_path / "rows.csv", frozenset(HEADER.split(",")))
        assert [tuple(row.cells.values()) for row in rows] == list(self.ROWS)

    def test_empty_surplus_cells_are_accepted_and_others_reported(self, tmp_path):
        (tmp_path / "rows.csv").write_text("id,title,\n1,a,,,\n2,b,,c\n3,d\n")
        rows = list(read_rows(tmp_path / "rows.csv", frozenset({"id"})))
        assert rows[0].cells == {"id": "1", "title": "a"}
        assert [row.problem for row in rows[1:]] == [
            "4 fields where the header has 3",
            "2 fields where the header has 3",
        ]

    def test_bytes_that_are_no_text_are_reported_and_not_replaced(self, tmp_path):
        (tmp_path / "rows.csv").write_bytes("id,title\n1,Café\n2,Crème\n".encode() + b"3,\xff\n4,x\n")
        rows = list(read_rows(tmp_path / "rows.csv", frozenset({"id"})))
        assert [row.cells.get("id") for row in rows] == ["1", "2", None, "4"]
        assert rows[2].problem == "line 4 holds bytes that are not UTF-8"

    def test_two_columns_of_one_name_are_refused(self, tmp_path):
        (tmp_path / "rows.csv").write_text("id,price,Price\n1,2,3\n")
        with pytest.raises(BadImport, match="two columns 'price'"):
            read_rows(tmp_path / "rows.csv", frozenset({"id"}))
