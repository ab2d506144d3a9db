"""Parts of PostgreSQL's tsquery, written so that nothing in a query is read as an operator."""

from collections.abc import Iterable

LANGUAGE = "english"  # the text search configuration of stemmed words; "simple" keeps them as they are
SHORTEST_PREFIX = 3  # letters: half of the catalogue begins with fewer


def quoted(word: str, suffix: str = "") -> str:
    """A word in quotes. suffix: `:*` for a prefix, `:A` for the title alone."""
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'{suffix}"


def together(words: Iterable[str], suffix: str = "") -> str:
    """Words side by side, in this order."""
    return "(" + " <-> ".join(quoted(word, suffix) for word in words) + ")"
