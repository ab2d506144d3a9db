"""Detection of JPEG decompression bombs from the markers alone, without decoding.

A decoder visits all pixels once for each scan, so a small file of many scans can occupy a processor for an
hour (D. R. Commander, "Two Issues with the JPEG Standard", libjpeg-turbo). A header of millions of empty
segments occupies it for seconds.
"""

import re
from collections.abc import Iterator

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
    for number, (kind, gap) in enumerate(_segments(data), start=1):
        scan_count += kind == SCAN
        in_header = scan_count == 0 or (kind == SCAN and scan_count == 1)
        if number > MAXIMUM_SEGMENTS or scan_count > MAXIMUM_SCANS or (in_header and gap > MAXIMUM_FILL):
            return True
    return False


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker of each segment of the first picture, and the number of bytes since the previous segment."""
    position = len(START)
    while marker := _MARKER.search(data, position):
        kind, gap = marker[1][0], marker.start() - position
        if kind == END:
            return
        yield kind, gap
        position = marker.end()
        if kind not in ALONE:
            position += max(int.from_bytes(data[position : position + 2]), 2)
