"""Category suggestions for a photo and words."""

from dataclasses import dataclass

from listings.errors import Invalid, Unavailable
from recommendations.encoders import query_client, training_state
from recommendations.encoders.encoded_query import CategorySuggestion, EncodedQuery
from recommendations.encoders.query_client import EncoderUnreachable, EncodingUnavailable, encode_or_raise

DESCRIPTION_READ = 2000  # characters that the encoder reads; a description begins with what matters most


SUGGESTED_COUNT = 5


class NothingToClassify(Invalid):
    def __init__(self):
        super().__init__("Send a photo, words, or both.")


class NoClassifier(Unavailable):
    """The encoder in service was never trained on categories. The message says when one will answer."""

    def __init__(self):
        super().__init__(f"No trained classifier serves yet. {training_state.read_state().next}".strip())


@dataclass(frozen=True)
class CategorySuggestions:
    """Categories, most probable first. `degraded` names what was sent and could not be used."""

    roots: tuple[CategorySuggestion, ...]
    leaves: tuple[CategorySuggestion, ...]
    degraded: tuple[str, ...] = ()


def suggest_categories(*, words: str, photo: bytes | None) -> CategorySuggestions:
    """Up to 5 root categories and up to 5 full paths with their probabilities.

    photo: a file that listings.photos.processing.check has checked.
    Raises NothingToClassify, NoClassifier, EncoderUnreachable.
    """
    if not words.strip() and not photo:
        raise NothingToClassify
    encoded, degraded = _encoded(words, photo)
    if not encoded.roots:
        raise NoClassifier
    return CategorySuggestions(encoded.roots[:SUGGESTED_COUNT], encoded.leaves[:SUGGESTED_COUNT], degraded)


def likeliest_root(photo: bytes) -> tuple[CategorySuggestion, int]:
    """The most probable root category of a photo, and its position among all roots in alphabetical order.

    Raises NoClassifier, EncoderUnreachable.
    """
    roots = encode_or_raise(photo=photo).roots
    if not roots:
        raise NoClassifier
    return roots[0], sorted(root.path for root in roots).index(roots[0].path)


def _encoded(words: str, photo: bytes | None) -> tuple[EncodedQuery, tuple[str, ...]]:
    """The encoded query, and what it lacks. Raises EncoderUnreachable.

    Falls back to the words alone: they may be in the cache when the worker is down.
    """
    try:
        return query_client.encode(words=words, photo=photo), ()
    except EncodingUnavailable as error:
        if not (photo and words.strip()):
            raise EncoderUnreachable from error
    return encode_or_raise(words=words), ("photo",)
