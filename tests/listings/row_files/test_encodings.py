"""The encoding of a file, from its bytes alone."""

import pytest

from listings.row_files import encodings
from listings.row_files.encodings import recognise_encoding
from listings.row_files.rows import BadImport

ENGLISH = "id,title\na1,“New” café table – £80\na2,Chaise longue, très belle\n"
POLISH = "Piękny stół dębowy, mało używany. Odbiór osobisty w Łodzi, możliwość przesyłki.\n" * 3
RUSSIAN = "Продам красивый стол из дуба, почти новый. Самовывоз из Москвы, цена договорная.\n" * 2


def recognised(tmp_path, data: bytes, wanted: str | None = None) -> str:
    (tmp_path / "file.csv").write_bytes(data)
    return recognise_encoding(tmp_path / "file.csv", wanted)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((ENGLISH, name) for name in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")),
        *((ENGLISH, "cp1252"), (POLISH, "cp1250"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8_r")),
    ],
)
def test_a_file_is_read_in_the_encoding_in_which_it_was_written(tmp_path, text, encoding):
    data = text.encode(encoding)
    assert data.decode(recognised(tmp_path, data)) == text


@pytest.mark.parametrize("text", ["a1,Café,80", "a1,Table,£80", "é"])
def test_a_few_letters_beyond_ascii_are_those_of_windows_1252(tmp_path, text):
    assert recognised(tmp_path, text.encode("cp1252")) == "cp1252"


def test_a_letter_is_not_cut_where_the_file_is_read_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(encodings, "CHUNK_BYTES", 3)
    assert recognised(tmp_path, ("x" * 4095 + "éé€é a" * 20).encode()) == "utf-8"


def test_a_broken_letter_does_not_make_a_file_of_utf_8_another(tmp_path):
    assert recognised(tmp_path, "Café, à la crème".encode() + b"\xff") == "utf-8"


def test_an_encoding_that_is_asked_for_is_taken_and_an_unknown_one_refused(tmp_path):
    assert recognised(tmp_path, b"x", "latin-1") == "iso8859-1"
    with pytest.raises(BadImport, match="no encoding 'klingon'"):
        recognised(tmp_path, b"x", "klingon")
