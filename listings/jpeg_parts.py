"""What a JPEG is made of, told from its markers alone: nothing is decoded.

A decoder goes over all pixels once for each scan, so that a small file of many scans keeps a processor busy
for an hour (D. R. Commander, "Two Issues with the JPEG Standard", libjpeg-turbo); headers of millions of
empty segments keep it busy for seconds.
"""

import re
from collections.abc import Iterator

MAXIMUM_SCANS = 100  # a progressive photo has ten
MAXIMUM_SEGMENTS = 5000  # a colour profile has up to 255, and a panorama's metadata some hundreds
MAXIMUM_FILL = 1000  # bytes between two segments

START, END, SCAN = b"\xff\xd8", 0xD9, 0xDA
ALONE = frozenset({0x01, 0xD8})  # markers without a length; restarts are part of a scan

# In a scan a data byte of 255 is followed by 0.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")


def is_overloaded(data: bytes) -> bool:
    """Whether this is a JPEG of more parts than any photo has. Reads no more of it than shows that."""
    if not data.startswith(START):
        return False
    scan_count = 0
    for number, (kind, gap) in enumerate(_segments(data), start=1):
        scan_count += kind == SCAN
        in_header = scan_count == 0 or (kind == SCAN and scan_count == 1)
        if number > MAXIMUM_SEGMENTS or scan_count > MAXIMUM_SCANS or (in_header and gap > MAXIMUM_FILL):
            return True
    return False


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Kind of each segment of the first picture, and how many bytes lie between it and the one before."""
    position = len(START)
    while found := _MARKER.search(data, position):
        kind, gap = found[1][0], found.start() - position
        if kind == END:
            return
        yield kind, gap
        position = found.end()
        if kind not in ALONE:
            position += max(int.from_bytes(data[position : position + 2]), 2)
