"""Which category a photo and words belong to."""

from dataclasses import dataclass

from listings.errors import Invalid, Unavailable
from recommendations import encoding
from recommendations.encoded import Encoded, Suggestion
from recommendations.encoding import EncodingUnavailable

SUGGESTED_COUNT = 5


class NothingToClassify(Invalid):
    def __init__(self):
        super().__init__("Send a photo, words, or both.")


class NoClassifier(Unavailable):
    """The encoder in service was never trained on categories."""

    def __init__(self):
        super().__init__("No classifier was trained yet: run `manage.py train encoder`.")


class EncoderAway(Unavailable):
    """Photos and words cannot be encoded just now."""

    def __init__(self):
        super().__init__("Photos and words cannot be read just now; try again in a moment.")


@dataclass(frozen=True)
class Suggested:
    """Categories, likeliest first; `degraded` names what was sent and could not be considered."""

    roots: tuple[Suggestion, ...]
    leaves: tuple[Suggestion, ...]
    degraded: tuple[str, ...] = ()


def suggest_categories(*, words: str, photo: bytes | None) -> Suggested:
    """Up to 5 root categories and up to 5 full paths with their probabilities.

    photo: a JPEG as listings.photos.receive made it. Raises NothingToClassify, NoClassifier, EncoderAway.
    """
    if not words.strip() and not photo:
        raise NothingToClassify
    encoded, degraded = _encoded(words, photo)
    if not encoded.roots:
        raise NoClassifier
    return Suggested(encoded.roots[:SUGGESTED_COUNT], encoded.leaves[:SUGGESTED_COUNT], degraded)


def likeliest_root(photo: bytes) -> tuple[Suggestion, int]:
    """A photo's root category, and its place among all root categories in alphabetical order.

    Raises NoClassifier, EncoderAway.
    """
    roots = encode_or_refuse(photo=photo).roots
    if not roots:
        raise NoClassifier
    return roots[0], sorted(root.path for root in roots).index(roots[0].path)


def encode_or_refuse(*, words: str = "", photo: bytes | None = None) -> Encoded:
    """For callers to whom nothing can be said without it. Raises EncoderAway."""
    try:
        return encoding.encode(words=words, photo=photo)
    except EncodingUnavailable as error:
        raise EncoderAway from error


def _encoded(words: str, photo: bytes | None) -> tuple[Encoded, tuple[str, ...]]:
    """Without its photo when that cannot be encoded: words that were seen before need no worker."""
    try:
        return encoding.encode(words=words, photo=photo), ()
    except EncodingUnavailable as error:
        if not (photo and words.strip()):
            raise EncoderAway from error
    return encode_or_refuse(words=words), ("photo",)
