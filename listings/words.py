"""What a word is, for PostgreSQL and Python alike: text is broken at the same places in both."""

import re
import unicodedata

from django.db.models import F, Func, TextField, Value
from django.db.models.functions import Left

# All that is no letter and no digit, as a regular expression that both read the same way. PostgreSQL's own
# parser takes `fridge/freezer` for a file, `condition.Collect` for a host, and a symbol for a letter.
BREAK = (
    r"[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00A9\u00AB-\u00B4\u00B6-\u00B9\u00BB-\u00BF\u00D7\u00F7"
    r"\u2000-\u2BFF\u3000-\u303F\uFE00-\uFE0F\uFFF0-\uFFFF\U0001F000-\U0001FAFF\U000E0000-\U000E007F]+"
)
WORD = re.compile("[^" + BREAK.removeprefix("[").replace("\\u0001", "\\u0000", 1))
_VOWEL = re.compile("[aeiouy]")
LONGEST_WORD = 64  # letters; what is longer is no word, and PostgreSQL refuses one of 2 kB


def words_in(text: str) -> list[str]:
    """The words of a text in their order, in small letters. Whatever the text, PostgreSQL can take them."""
    text = text.encode(errors="ignore").decode()  # without halves of characters
    return [plain_word(word) for word in WORD.findall(text)]


def plain_word(word: str) -> str:
    """A word in small letters, of a length that is bearable."""
    return unicodedata.normalize("NFC", word.lower())[:LONGEST_WORD]


def stem(word: str) -> str:
    """What the forms of an English word share, roughly: sofas and sofa, washing and washed.

    A little of Porter's algorithm (1980): good enough to say that two words are forms of one, and no word.
    """
    if len(word) <= 3 or not word.isalpha():
        return word
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-3] + "y" if word.endswith("ies") else word[:-1]
    for ending in ("ing", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= 3 and _VOWEL.search(rest):
            word = rest[:-1] if rest[-1] == rest[-2] and rest[-1] not in "lsz" else rest
            break
    return word[:-1] + "i" if word.endswith("y") else word.removesuffix("e")


def broken(field: str, length: int) -> Func:
    """The beginning of a column, its words with single blanks between them, as an expression of SQL."""
    return Func(
        Left(F(field), length),
        Value(BREAK),
        Value(" "),
        Value("g"),
        function="regexp_replace",
        output_field=TextField(),
    )
