"""What an id and a title may hold, wherever they come from."""

import unicodedata

from django.core.exceptions import ValidationError

RESERVED_IDS = frozenset({".", "..", "batch"})


def check_external_id(value: str) -> None:
    """Raise ValidationError for an id that cannot be part of a URL."""
    if not value.isprintable() or "/" in value or value != value.strip():
        raise ValidationError("An id holds printable characters without '/' and no space at its ends.")
    if value in RESERVED_IDS:
        raise ValidationError(f"{value!r} cannot be an id: it means something else in an address.")


# Characters that turn the direction of what follows, so that a title reads otherwise than it is written.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and symbols without a shape


def check_title(value: str) -> None:
    """Raise ValidationError for a title that turns the direction of text, or of which nothing can be seen."""
    if _TURNING & set(value):
        raise ValidationError("A title holds no characters that turn the direction of text.")
    # Of control and format characters, marks and separators nothing is seen by themselves.
    if all(unicodedata.category(sign)[0] in "CMZ" or sign in _BLANK_LETTERS for sign in value):
        raise ValidationError("A title needs something that can be seen.")
