"""The encode worker's side: a question in, a reply out, whatever the photo does to the encoder."""

import io
import logging

import redis
from PIL import Image

from recommendations import answers, encoders
from recommendations.answers import Question

REDIS_TIMEOUT_S = 5.0

logger = logging.getLogger(__name__)


def client() -> redis.Redis:
    """This process's client of Redis."""
    return answers.client(REDIS_TIMEOUT_S)


def answer(question: Question, reply_to: str) -> None:
    """Encode a question and reply to whoever waits. Why one is refused is for the log: askers are anybody."""
    try:
        encoded = encoders.load_active().encode_query(question.words, question.photo)
    except encoders.EncoderUnavailable as error:
        logger.warning("No query can be encoded: %s", error)
        answers.refuse(client(), reply_to, "The encoder cannot be used: the log of its worker says why.")
    except Exception:  # photos are hostile, and who asked must not wait for nothing
        logger.exception("A query could not be encoded")
        answers.refuse(client(), reply_to, "The encoder failed: the log of its worker says how.")
    else:
        answers.give(client(), reply_to, question, encoded)


def warm_up() -> None:
    """Load the models and use each once, so that the first query does not wait for them."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(buffer, "JPEG")
    try:
        encoders.load_active().encode_query("a warm welcome", buffer.getvalue())
    except encoders.EncoderUnavailable as error:
        logger.info("Nothing to warm up yet: %s", error)
    except Exception:  # the worker starts all the same: words may work where photos do not
        logger.exception("The encoder could not be warmed up")
