"""Uploaded photos of queries: verified and encoded anew like photos of listings, but never stored."""

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from listings.photos import processing


def read_photo(upload: UploadedFile) -> bytes:
    """The photo as a JPEG of medium size. Raises BadPhoto.

    The file name is ignored. Of a file above the size limit only one byte more than the limit is read.
    """
    data = upload.read(settings.ENVIRONMENT.photo_maximum_bytes + 1)
    return processing.receive(data).sizes[processing.Size.MEDIUM]
