"""Encode worker: encodes a query and replies, even when the photo makes the encoder fail."""

import io
import logging

import redis
from PIL import Image

from listings.photos.decoder_process import decode_apart
from listings.photos.processing import BadPhoto, Size
from recommendations.encoders import query_channel, selection
from recommendations.encoders.manifest import EncoderUnavailable
from recommendations.encoders.query_channel import EncodeRequest

REDIS_TIMEOUT_S = 5.0

logger = logging.getLogger(__name__)


def client() -> redis.Redis:
    """This process's client of Redis."""
    return query_channel.client(REDIS_TIMEOUT_S)


def answer(question: EncodeRequest, reply_to: str) -> None:
    """Encode a query and reply at `reply_to`. Details of a failure are only logged: they may name files."""
    try:
        photo = decode_apart(question.photo).sizes[Size.MEDIUM] if question.photo else None
        encoded = selection.load_active().encode_query(question.words, photo)
    except BadPhoto as error:
        query_channel.refuse_photo(client(), reply_to, error.detail)
    except EncoderUnavailable as error:
        logger.warning("No query can be encoded: %s. Search goes on by words alone", error)
        query_channel.refuse(
            client(), reply_to, "The encoder cannot be used: the log of its worker says why."
        )
    except Exception:  # a hostile photo may raise anything, and the client waits for a reply
        logger.exception(
            "A query could not be encoded. It goes on by words alone; other queries are not affected"
        )
        query_channel.refuse(client(), reply_to, "The encoder failed: the log of its worker says how.")
    else:
        query_channel.send_reply(client(), reply_to, question, encoded)


def warm_up() -> None:
    """Load the models and run each once, so that the first query does not wait for them."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(buffer, "JPEG")
    try:
        photo = decode_apart(buffer.getvalue()).sizes[Size.MEDIUM]
        selection.load_active().encode_query("a warm welcome", photo)
    except EncoderUnavailable as error:
        logger.info("There is no encoder to load yet: %s", error)
    except Exception:  # words may work where photos do not
        logger.exception(
            "The encoder could not be warmed up. The worker starts and tries it again with each query"
        )
