"""Photos decoded in another process, whose memory is limited and given back.

A web process that decodes a photo itself stands still while it does, and keeps the memory. A photo that makes
the decoder crash, hang or take too much memory costs that photo alone.
"""

import logging
import os
import select
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from django.conf import settings

from listings.errors import Unavailable
from listings.photos import decoder, processing
from listings.photos.decoder import LENGTH
from listings.photos.header import read_header
from listings.photos.processing import BadPhoto, ReceivedPhoto

ROOT = Path(__file__).resolve().parents[2]
MEMORY_BYTES = 1_000_000_000  # of which the libraries take 150 MB, and 40 megapixels with transparency 500 MB
ANSWER_LIMIT_S = 300.0  # of a decoder that hangs; one that works is limited by its processor time
WAITING_COUNT = 2  # photos at once, one of which is being decoded: the threads of a web process are four
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # no secrets: it reads hostile files

logger = logging.getLogger(__name__)


class DecoderBusy(Unavailable):
    """Too many photos wait for the decoder."""

    def __init__(self) -> None:
        super().__init__("Too many photos are being read just now; try again in a moment.", field="photo")


class DecoderFailed(Unavailable):
    """The decoder cannot run: its message on standard error says why."""

    def __init__(self) -> None:
        super().__init__("Photos cannot be read just now.", field="photo")


class _Ended(Exception):
    """The decoder ended by itself before it took the photo."""


class PhotoDecoder:
    """A decoder for one process. Safe for any number of threads: one photo at a time."""

    def __init__(self, *, waiting_count: int = WAITING_COUNT, memory_bytes: int = MEMORY_BYTES) -> None:
        self._memory_bytes = memory_bytes
        self._places = threading.BoundedSemaphore(waiting_count)
        self._turn = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None

    def decode(self, data: bytes) -> ReceivedPhoto:
        """The photo, verified and encoded anew.

        Raises BadPhoto, DecoderFailed, and DecoderBusy where others wait already.
        """
        if not self._places.acquire(blocking=False):
            raise DecoderBusy
        try:
            with self._turn:
                try:
                    return decoder.unpacked(self._ask_twice(data))
                finally:
                    self._renew_after(data)
        finally:
            self._places.release()

    def close(self) -> None:
        """End the process, if one runs."""
        ended, self._running = self._running, None
        if ended is None:
            return
        ended.kill()
        for pipe in (ended.stdin, ended.stdout):
            with suppress(OSError):  # what was not sent yet cannot be sent any more
                cast("IO[bytes]", pipe).close()
        ended.wait()

    def _renew_after(self, data: bytes) -> None:
        """Give memory back after a large photo. The next process starts at once: it takes a while to load."""
        header = read_header(data)
        if header is not None and header.pixel_count > processing.LARGE_PIXELS:
            self.close()
        self._process()

    def _ask_twice(self, data: bytes) -> bytes:
        """The reply. A decoder that nobody asked for a while may end just as it is asked."""
        for _ in range(2):
            with suppress(_Ended):
                return self._ask(data)
        logger.error("The decoder of photos does not run; photos are refused. Its message is above")
        raise DecoderFailed

    def _ask(self, data: bytes) -> bytes:
        """The reply of the process, which is started when none runs. Raises BadPhoto when it gives none."""
        running, deadline = self._process(), time.monotonic() + ANSWER_LIMIT_S
        try:
            _send(running, data)
            (length,) = LENGTH.unpack(_read(running, LENGTH.size, deadline))
            return _read(running, length, deadline)
        except (EOFError, BrokenPipeError):
            was_killed = running.wait() < 0
            self.close()
            if was_killed:
                raise BadPhoto(
                    "The image cannot be decoded: it takes too long, or made its decoder crash."
                ) from None
            raise _Ended from None
        except TimeoutError:
            self.close()
            raise BadPhoto("The image cannot be decoded: its decoder did not answer.") from None

    def _process(self) -> subprocess.Popen[bytes]:
        if self._running is None or self._running.poll() is not None:
            self.close()
            limits = (str(self._memory_bytes), str(settings.ENVIRONMENT.photo_maximum_pixels))
            self._running = subprocess.Popen(
                [sys.executable, "-m", "listings.photos.decoder", *limits],
                cwd=ROOT,
                env=ENVIRONMENT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        return self._running


def _send(running: subprocess.Popen[bytes], data: bytes) -> None:
    assert running.stdin is not None
    running.stdin.write(LENGTH.pack(len(data)) + data)
    running.stdin.flush()


def _read(running: subprocess.Popen[bytes], count: int, deadline: float) -> bytes:
    """So many bytes of the reply. Raises EOFError, TimeoutError."""
    assert running.stdout is not None
    received = bytearray()
    while len(received) < count:
        if not select.select([running.stdout], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise TimeoutError
        part = os.read(running.stdout.fileno(), count - len(received))
        if not part:
            raise EOFError
        received += part
    return bytes(received)


_decoders: dict[int, PhotoDecoder] = {}
_making = threading.Lock()


def decode_apart(data: bytes) -> ReceivedPhoto:
    """The photo as `processing.receive` makes it, by the decoder of this process.

    Raises BadPhoto, DecoderBusy, DecoderFailed.
    """
    with _making:
        own = _decoders.setdefault(os.getpid(), PhotoDecoder())  # a forked child has none yet
    return own.decode(data)
