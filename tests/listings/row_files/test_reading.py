"""Files of rows in all formats."""

import gzip
import json
from datetime import UTC, datetime

import pyarrow
import pyarrow.parquet
import pytest

from listings.row_files.reading import open_rows
from listings.row_files.rows import BadImport


class TestJsonLines:
    def rows_of(self, tmp_path, *lines: str):
        (tmp_path / "rows.jsonl").write_text("\n".join(lines))
        return list(open_rows(tmp_path / "rows.jsonl", frozenset()).rows())

    def test_a_broken_line_is_reported_and_ends_nothing(self, tmp_path):
        rows = self.rows_of(
            tmp_path, '{"id": "1"}', '{"id": "2', "", "[1]", '{"id": "\\ud800"}', '{"id": "3"}'
        )
        assert [row.cells.get("id") for row in rows] == ["1", None, None, None, "3"]
        assert rows[1].problem.startswith("line 2 is no JSON") and "line 4" in rows[2].problem
        assert all(row.problem for row in rows[1:4])

    def test_numbers_keep_their_digits(self, tmp_path):
        (row,) = self.rows_of(tmp_path, '{"id": 9007199254740993, "other": 9001001.0, "price": 12.10}')
        assert row.cells == {"id": "9007199254740993", "other": "9001001", "price": "12.10"}

    def test_what_a_line_leaves_out_is_missing_and_null_is_none(self, tmp_path):
        assert [row.cells for row in self.rows_of(tmp_path, '{"a": null}', "{}")] == [{"a": None}, {}]

    def test_a_file_may_be_compressed_and_in_utf_16(self, tmp_path):
        (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress('{"Id": "é"}'.encode("utf-16")))
        file = open_rows(tmp_path / "rows.jsonl.gz", frozenset())
        assert [row.cells for row in file.rows()] == [{"id": "é"}] and file.remark == "read as UTF-16"


class TestParquet:
    def test_rows_keep_their_types(self, tmp_path):
        time = datetime(2026, 3, 14, tzinfo=UTC)
        rows = [
            {"id": 2**60 + 1, "when": time, "photos": [{"id": "p"}]},
            {"id": 2, "when": None, "photos": None},
        ]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
        file = open_rows(tmp_path / "rows.parquet", frozenset())
        assert file.header == ("id", "when", "photos") and [row.cells for row in file.rows()] == rows

    def test_a_file_that_is_none_is_refused_in_one_line(self, tmp_path):
        (tmp_path / "rows.parquet").write_bytes(b"PAR1 not")
        with pytest.raises(BadImport, match="cannot be read as Parquet") as refusal:
            open_rows(tmp_path / "rows.parquet", frozenset())
        assert "\n" not in refusal.value.detail


def test_other_endings_are_refused_with_those_that_are_accepted(tmp_path):
    (tmp_path / "rows.xlsx").write_bytes(b"")
    with pytest.raises(BadImport, match=r"found \.xlsx; accepted: \.csv"):
        open_rows(tmp_path / "rows.xlsx", frozenset())


def test_a_damaged_compressed_file_is_refused(tmp_path):
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(json.dumps({"id": 1}).encode() * 100)[:-9])
    with pytest.raises(BadImport, match="cannot be read"):
        list(open_rows(tmp_path / "rows.jsonl.gz", frozenset()).rows())
