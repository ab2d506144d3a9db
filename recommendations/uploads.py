"""The photo of a query: verified and made anew like one that is kept, but never stored."""

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from listings import photos


def read_photo(upload: UploadedFile) -> bytes:
    """The photo as a JPEG of medium size. Raises BadPhoto.

    Only its content counts: what it was called does not matter for a photo that nobody keeps. Of a file over
    the cap no more is read than shows it.
    """
    data = upload.read(settings.ENVIRONMENT.photo_maximum_bytes + 1)
    return photos.receive(data).sizes[photos.Size.MEDIUM]
