"""The encoding of a text file, recognised from its bytes in constant memory."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from charset_normalizer import from_bytes

from listings.row_files.rows import BadImport, opened

CHUNK_BYTES = 1 << 20
SAMPLE_BYTES = 200_000
MOST_RUNS = 4000  # of bytes beyond ASCII in the sample
AROUND = 30  # bytes on both sides of such a run that say in which language it stands

# Whatever is not text in the encoding of its file becomes this character, and rows that hold it are refused.
UNREADABLE = "\udcff"
codecs.register_error("mark_unreadable", lambda error: (UNREADABLE, error.end))  # type: ignore[attr-defined]

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WESTERN = "cp1252"
# Encodings that spreadsheets write. Others differ in few letters, and short texts fit them by chance.
CANDIDATES = [
    *(WESTERN, "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r", "mac_roman"),
    *("cp850", "cp932", "euc_jp", "cp949", "gb18030", "big5"),
]
CLOSE = 0.1  # of measures of disorder: so near to the best, the most frequent encoding is meant
NAMES = {
    **dict.fromkeys(("utf-8", "utf-8-sig"), "UTF-8"),
    **dict.fromkeys(("utf-16", "utf-16-le", "utf-16-be"), "UTF-16"),
    "mac_roman": "Mac Roman",
}

HIGH = re.compile(rb"[\x80-\xff]+")
CHARACTER = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"  # of UTF-8
)


def recognise_encoding(path: Path, wanted: str | None = None) -> str:
    """The encoding of a file, by Python's name. `wanted` is taken as it is. Raises BadImport.

    A mark at the beginning decides, then whether the bytes are UTF-8, then charset-normalizer.
    """
    if wanted:
        return _known(wanted)
    try:
        return _recognised(path)
    except (OSError, EOFError) as error:  # a damaged .gz file
        raise BadImport(f"{path} cannot be read: {error}.") from None


def _recognised(path: Path) -> str:
    with opened(path) as file:
        head = file.read(4096)
        for mark, encoding in MARKS:
            if head.startswith(mark):
                return encoding
        return _wide(head) or _of_bytes(_chunks(head, file))


def encoding_name(encoding: str) -> str:
    """The name as people know it, such as Windows-1252."""
    return NAMES.get(encoding) or re.sub("^cp(125.)$", r"Windows-\1", encoding)


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise BadImport(f"There is no encoding {encoding!r}.") from None


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of most text is zero."""
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half, other = head[first::2], head[1 - first :: 2]
        if len(half) > 2 and half.count(0) > 0.7 * len(half) and other.count(0) < 0.1 * len(other):
            return encoding
    return None


def _chunks(head: bytes, file: BinaryIO) -> Iterator[bytes]:
    """The bytes of the file, cut at ASCII characters."""
    chunk = head
    while chunk:
        while chunk[-1] >= 0x80 and (more := file.read(1)):
            chunk += more
        yield chunk
        chunk = file.read(CHUNK_BYTES)


def _of_bytes(chunks: Iterator[bytes]) -> str:
    """UTF-8 where most of what is beyond ASCII is UTF-8; the rest is unreadable then."""
    characters = strays = 0
    sample = bytearray()
    for chunk in chunks:
        if not chunk.isascii():
            characters += sum(1 for _ in CHARACTER.finditer(chunk))
            strays += sum(len(run[0]) for run in HIGH.finditer(CHARACTER.sub(b" ", chunk)))
            _sample(chunk, sample)
    if strays == 0 or characters > strays:
        return "utf-8"
    return _guessed(bytes(sample))


def _sample(chunk: bytes, sample: bytearray) -> None:
    """Append what stands around the bytes beyond ASCII."""
    end = 0
    for number, run in enumerate(HIGH.finditer(chunk)):
        if len(sample) > SAMPLE_BYTES or number > MOST_RUNS:
            return
        sample += chunk[max(end, run.start() - AROUND) : run.end() + AROUND]
        end = run.end() + AROUND


def _guessed(sample: bytes) -> str:
    matches = list(from_bytes(sample, cp_isolation=CANDIDATES))
    if not matches:
        return WESTERN
    best = min(match.chaos for match in matches)
    near = (match for match in matches if match.chaos <= best + CLOSE)
    is_western = any(WESTERN in match.could_be_from_charset for match in near)
    return WESTERN if is_western else matches[0].encoding
