"""The program that decodes photos: a process of its own with a limit of memory.

Run as `python -m listings.photos.decoder MEMORY_BYTES MOST_PIXELS` by decoder_process.py. It reads requests
from its standard input and answers on its standard output: a length of eight bytes, then so many bytes. It
reads no settings, and ends when its input does or when nobody asks for a while.
"""

import contextlib
import io
import json
import resource
import select
import signal
import struct
import sys
from typing import BinaryIO

from PIL import Image

from listings.photos import processing
from listings.photos.processing import BadPhoto, ReceivedPhoto

LENGTH = struct.Struct(">Q")
IDLE_S = 600.0
MOST_CPU_S = 20.0  # of one photo: 40 megapixels take one or two


def serve(requests: BinaryIO, replies: BinaryIO, *, most_pixels: int) -> None:
    """Answer requests until there are no more, or until memory has to go back."""
    while select.select([requests], [], [], IDLE_S)[0] and (head := requests.read(LENGTH.size)):
        data = requests.read(*LENGTH.unpack(head))
        signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S)  # its signal ends the process
        reply = _reply_to(data, most_pixels)
        replies.write(LENGTH.pack(len(reply)) + reply)
        replies.flush()


def _reply_to(data: bytes, most_pixels: int) -> bytes:
    try:
        return packed(processing.decode(data, processing.opened(data, most_pixels=most_pixels)))
    except BadPhoto as error:
        return _line({"refused": error.detail})


def packed(received: ReceivedPhoto) -> bytes:
    """A photo as a line of JSON, then the bytes of its different sizes."""
    pictures = list({id(picture): picture for picture in received.sizes.values()}.values())
    place_of = {id(picture): place for place, picture in enumerate(pictures)}
    facts = {
        "sha256": received.sha256,
        "perceptual_hash": received.perceptual_hash,
        "width": received.width,
        "height": received.height,
        "lengths": [len(picture) for picture in pictures],
        "sizes": {size.value: place_of[id(picture)] for size, picture in received.sizes.items()},
    }
    return _line(facts) + b"".join(pictures)


def _line(facts: dict) -> bytes:
    return json.dumps(facts).encode() + b"\n"


def unpacked(reply: bytes) -> ReceivedPhoto:
    """The photo of a reply. Raises BadPhoto with the reason where it was refused."""
    line, _, rest = reply.partition(b"\n")
    facts = json.loads(line)
    if "refused" in facts:
        raise BadPhoto(facts["refused"])
    pictures, start = [], 0
    for length in facts["lengths"]:
        pictures.append(rest[start : start + length])
        start += length
    return ReceivedPhoto(
        sha256=facts["sha256"],
        perceptual_hash=facts["perceptual_hash"],
        width=facts["width"],
        height=facts["height"],
        sizes={processing.Size(size): pictures[place] for size, place in facts["sizes"].items()},
    )


def limit_memory(limit_bytes: int) -> None:
    """Let this process take so much memory and no more. What it has loaded counts too."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash must not write the photo to the disk


def _warm_up() -> None:
    """Load what the first photo would load."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(buffer, "JPEG")
    _reply_to(buffer.getvalue(), most_pixels=64 * 64)


def main() -> None:
    """Decode photos from standard input until it ends."""
    limit_memory(int(sys.argv[1]))
    _warm_up()
    with contextlib.suppress(BrokenPipeError):
        serve(sys.stdin.buffer, sys.stdout.buffer, most_pixels=int(sys.argv[2]))


if __name__ == "__main__":
    main()
