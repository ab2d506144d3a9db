"""Uploaded photos of queries: their headers are checked here, and the encode worker decodes them.

A web process decodes nothing: a small file may hold many pixels.
"""

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from listings.callers import Caller, CallerRequest
from listings.photos import processing


def read_photo(upload: UploadedFile) -> bytes:
    """The photo as it was sent. Raises BadPhoto.

    The file name is ignored. Of a file above the size limit only one byte more than the limit is read.
    """
    data = _read(upload)
    processing.check(data)
    return data


def read_photo_of(request: CallerRequest, upload: UploadedFile) -> bytes:
    """The photo as it was sent by this caller, with fewer pixels for strangers. Raises BadPhoto, Throttled.

    A large photo counts as several requests against the rate limit.
    """
    caller: Caller | None = getattr(request, "caller", None)
    is_stranger = caller is None or not caller.is_logged_in
    data = _read(upload)
    header = processing.check(
        data, most_pixels=settings.ENVIRONMENT.photo_strangers_pixels if is_stranger else None
    )
    if header.weight > 1:
        request.charge(header.weight - 1)
    return data


def _read(upload: UploadedFile) -> bytes:
    return upload.read(settings.ENVIRONMENT.photo_maximum_bytes + 1)
