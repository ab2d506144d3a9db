"""Hashed word and character n-grams of a listing's title and description. No vocabulary, so nothing to fit.

Only workers import this module: it loads scikit-learn.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, HashingVectorizer
from sklearn.preprocessing import normalize

TEXT_RECIPE = "ngrams-1"  # changes whenever a text would come out otherwise
HASH_SIZE = 2**17  # of words and of characters, each
NGRAM_COUNT = 2 * HASH_SIZE  # columns of what `hash_texts` returns
# What adverts say whatever they sell; with it, collection-only sofas look like collection-only phones.
ADVERT_WORDS = frozenset(
    """
    available bought box brand call cash collect collection condition contact deliver delivery excellent free
    good great home like message need new offer offers ono original perfect pet phone pick pickup please price
    quality sale sell selling size smoke text used wanted work working works
    """.split()  # noqa: SIM905  one word after another is what is to be read here
)
IGNORED = ENGLISH_STOP_WORDS | ADVERT_WORDS
WORD = re.compile(r"[^\W_]+")

_words = HashingVectorizer(n_features=HASH_SIZE, ngram_range=(1, 2), token_pattern=r"\S+", norm=None)
_characters = HashingVectorizer(n_features=HASH_SIZE, analyzer="char_wb", ngram_range=(3, 5), norm=None)


def hash_texts(titles: Sequence[str], descriptions: Sequence[str]) -> csr_matrix:
    """N-grams of listings, one unit row each; a listing without words is a row of zeros.

    Title and description count the same however long they are, so that a word of the title weighs more.
    -> (n, NGRAM_COUNT) float32
    """
    if len(titles) != len(descriptions):
        raise ValueError(f"expected one description a title, found {len(descriptions)} for {len(titles)}")
    return normalize(_ngrams(titles) + _ngrams(descriptions)).astype(np.float32)


def hash_text(title: str, description: str = "") -> csr_matrix:
    """N-grams of one listing, or of a query.   -> (1, NGRAM_COUNT) float32"""
    return hash_texts([title], [description])


def _ngrams(texts: Iterable[str]) -> csr_matrix:
    """Unit rows in which words and characters weigh the same.   -> (n, NGRAM_COUNT)"""
    telling = [telling_words(text) for text in texts]
    kinds = [normalize(_damped(kind.transform(telling))) for kind in (_words, _characters)]
    return normalize(hstack(kinds, format="csr"))


def telling_words(text: str) -> str:
    """The words of a text that say something of what is sold, in lower case."""
    return " ".join(word for word in WORD.findall(text.lower()) if word not in IGNORED)


def _damped(counts: csr_matrix) -> csr_matrix:
    # A seller who repeats a word twenty times has not said twenty times as much.
    counts.data = np.sign(counts.data) * np.log1p(np.abs(counts.data))
    return counts
