"""Answers in the cache of encoded queries."""

import numpy as np

from recommendations.encoders.encoded_query import EncodedQuery
from tests import factories


def cache_answer(words: str, encoder_version: str) -> None:
    """Cache an answer to these words, as the encode worker does. Its vector holds the length of the words."""
    factories.known_answer(EncodedQuery(encoder_version, np.full(8, len(words), np.float32)), words=words)
