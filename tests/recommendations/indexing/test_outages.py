"""Errors that are outages, and errors of single listings."""

import pytest
from django.db import DataError, InterfaceError, OperationalError

from recommendations.indexing.outages import is_outage
from tests import factories


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (OperationalError("the server closed the connection"), True),
        (InterfaceError("connection already closed"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 MiB"), True),
        (RuntimeError("a shape that does not fit"), False),
        (ValueError("out of memory"), False),
        (DataError("a text that cannot be stored"), False),
    ],
)
def test_errors_of_memory_and_connection_are_outages_and_errors_of_data_are_not(error, expected):
    assert is_outage(error, []) == expected


def test_an_error_without_any_photo_file_is_an_outage_for_listings_with_photos_alone(alice, settings):
    plain, pictured = factories.listing(alice), factories.listing(alice)
    factories.photo(pictured)
    assert not is_outage(FileNotFoundError(), [plain.pk, pictured.pk])
    settings.MEDIA_ROOT.rename(settings.MEDIA_ROOT.with_name("elsewhere"))
    settings.MEDIA_ROOT.mkdir()  # as an unmounted mount point
    assert is_outage(FileNotFoundError(), [plain.pk, pictured.pk])
    assert not is_outage(FileNotFoundError(), [plain.pk])
