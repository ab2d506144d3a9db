"""Detection of JPEG decompression bombs from the markers alone, without decoding.

A decoder visits all pixels once for each scan, so a small file of many scans can occupy a processor for an
hour (D. R. Commander, "Two Issues with the JPEG Standard", libjpeg-turbo). A header of millions of empty
segments occupies it for seconds.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

MAXIMUM_SCANS = 100  # a progressive photo has ten
MAXIMUM_SEGMENTS = 5000  # a colour profile has up to 255, and a panorama's metadata some hundreds
MAXIMUM_FILL = 1000  # bytes between two segments

START, END, SCAN = b"\xff\xd8", 0xD9, 0xDA
ALONE = frozenset({0x01, 0xD8})  # markers without a length; restart markers are part of a scan

# In a scan a data byte of 255 is followed by 0.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")


def is_overloaded(data: bytes) -> bool:
    """Whether this is a JPEG with more scans or segments than any photo has. Stops reading at the limit."""
    if not data.startswith(START):
        return False
    scan_count = 0
    for number, segment in enumerate(segments(data), start=1):
        scan_count += segment.kind == SCAN
        in_header = scan_count == 0 or (segment.kind == SCAN and scan_count == 1)
        is_filled = in_header and segment.gap > MAXIMUM_FILL
        if number > MAXIMUM_SEGMENTS or scan_count > MAXIMUM_SCANS or is_filled:
            return True
    return False


class Segment(NamedTuple):
    """A segment of a JPEG."""

    kind: int  # the second byte of its marker
    gap: int  # bytes since the previous segment
    start: int  # position of its length, behind the marker


def segments(data: bytes) -> Iterator[Segment]:
    """The segments of the first picture."""
    position = len(START)
    while marker := _MARKER.search(data, position):
        kind, gap = marker[1][0], marker.start() - position
        if kind == END:
            return
        position = marker.end()
        yield Segment(kind, gap, position)
        if kind not in ALONE:
            position += max(int.from_bytes(data[position : position + 2]), 2)
