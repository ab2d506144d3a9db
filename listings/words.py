"""Word boundaries for full-text search, identical in PostgreSQL and Python."""

import re
import unicodedata

from django.db.models import F, Func, TextField, Value
from django.db.models.functions import Left

# Everything that is neither letter nor digit, as a regular expression with the same meaning in both.
# PostgreSQL's own parser reads `fridge/freezer` as a file, `condition.Collect` as a host, and symbols as
# letters.
BREAK = (
    r"[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00A9\u00AB-\u00B4\u00B6-\u00B9\u00BB-\u00BF\u00D7\u00F7"
    r"\u2000-\u2BFF\u3000-\u303F\uFE00-\uFE0F\uFFF0-\uFFFF\U0001F000-\U0001FAFF\U000E0000-\U000E007F]+"
)
WORD = re.compile("[^" + BREAK.removeprefix("[").replace("\\u0001", "\\u0000", 1))
_VOWEL = re.compile("[aeiouy]")
LONGEST_WORD = 64  # letters; PostgreSQL refuses a word of 2 kB


def words_in(text: str) -> list[str]:
    """The words of any text in order, in lower case, as PostgreSQL accepts them."""
    text = text.encode(errors="ignore").decode()  # drops lone surrogates
    return [plain_word(word) for word in WORD.findall(text)]


def plain_word(word: str) -> str:
    """The word in lower case and normal form C, cut to LONGEST_WORD letters."""
    return unicodedata.normalize("NFC", word.lower())[:LONGEST_WORD]


def stem(word: str) -> str:
    """A rough stem of an English word, the same for sofas and sofa, for washing and washed.

    A small part of Porter's algorithm (1980). The stem tells whether two words are forms of one; it is not
    itself a word.
    """
    if len(word) == 3 and word.endswith("s") and not _VOWEL.search(word):
        return word[:-1]  # cds, pcs, tvs
    if len(word) <= 3 or not word.isalpha():
        return word
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-3] + "y" if word.endswith("ies") else word[:-1]
    for ending in ("ing", "ed"):
        root = word.removesuffix(ending)
        if root != word and len(root) >= 3 and _VOWEL.search(root):
            word = root[:-1] if root[-1] == root[-2] and root[-1] not in "lsz" else root
            break
    return word[:-1] + "i" if word.endswith("y") else word.removesuffix("e")


def broken(field: str, length: int) -> Func:
    """SQL expression: the first `length` characters of a column, with single spaces between words."""
    return Func(
        Left(F(field), length),
        Value(BREAK),
        Value(" "),
        Value("g"),
        function="regexp_replace",
        output_field=TextField(),
    )
