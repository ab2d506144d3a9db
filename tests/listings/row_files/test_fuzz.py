"""Files of any bytes are read row by row, or refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listings.row_files.reading import open_rows
from listings.row_files.rows import BadImport
from tests.fuzzing import fuzz

KNOWN = frozenset({"id", "title", "price"})
PIECES = [
    '"',
    '""',
    ",",
    ";",
    "\n",
    "\r",
    "\r\n",
    "1",
    "Sofa",
    " ",
    "é",
    "[",
    "{}",
    '{"id": 1}',
    "\\ud800",
    "\t",
]
STARTS = [
    b"",
    b"id,title,price\n",
    b"sep=;\nid;title;price\r\n",
    b"\xff\xfe",
    b"\xef\xbb\xbfid\n",
    b'{"id": 1}\n',
]
ENCODINGS = ["utf-8", "utf-16", "cp1252"]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.csv.gz", "rows.parquet"])
def test_any_bytes_are_rows_or_a_bad_file(tmp_path: Path, name: str):
    pieces = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)

    @fuzz(100)
    @given(st.sampled_from(STARTS), st.binary(max_size=60) | pieces.map(str.encode))
    def read(start, rest):
        (tmp_path / name).write_bytes(start + rest)
        try:
            rows = list(open_rows(tmp_path / name, KNOWN).rows())
        except BadImport as error:
            assert "\n" not in error.detail
            return
        assert (
            [row.number for row in rows] == list(range(rows[0].number, len(rows) + rows[0].number))
            if rows
            else True
        )
        assert not any(row.problem and row.cells for row in rows)

    read()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_line_of_a_table_is_passed_over(tmp_path: Path, encoding: str):
    """Each line without quotes is a row of its own, whatever the quotes of others."""

    @fuzz(100)
    @given(
        st.lists(st.sampled_from(['{n},"Open,5', "{n},Sofa,5", '{n},"Sofa",5', '{n},5" nail,5']), max_size=8)
    )
    def read(lines):
        text = "\n".join(["id,title,price", *(line.format(n=f"n{n}") for n, line in enumerate(lines))])
        (tmp_path / "rows.csv").write_bytes(text.encode(encoding))
        rows = list(open_rows(tmp_path / "rows.csv", KNOWN).rows())
        assert len(rows) == len(lines)
        plain = {f"n{n}" for n, line in enumerate(lines) if '"' not in line}
        assert plain <= {row.cells.get("id") for row in rows}

    read()
